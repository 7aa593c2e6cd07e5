"""Programs that docs/clients.md shows, and modules that it names, run with node beside a harness."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.e2e.clients import Account
from tests.e2e.sites import ROOT

# What programs take from static/js, and what that takes from there.
MODULES: Final = (
    "todo-client.js",
    "event-batcher.js",
    "story-client.js",
    "held-back.js",
    "observed.js",
    "stream-client.js",
    "connection.js",
    "frames.js",
)


def code(heading: str, language: str) -> str:
    """The code that the documentation shows under a heading."""
    text = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
    section = text.split(f"\n### {heading}\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, f"no {language} under {heading}"
    return found[1]


def run_node(tmp_path: Path, harness: str, *arguments: str, **files: str) -> list[Any]:
    """Run a harness beside the modules; the JSON lines that it prints."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in MODULES:
        shutil.copy(ROOT / "static/js" / name, tmp_path / name)
    for name, text in {"harness": harness, **files}.items():
        (tmp_path / f"{name}.js").write_text(text, encoding="utf-8")
    command = ["node", "harness.js", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def at(account: Account) -> tuple[str, str]:
    """Where somebody asks, and their token."""
    return f"http://127.0.0.1:{account.site.port}", account.token
