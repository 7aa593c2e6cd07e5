"""Logs: one line a record, `key=value`, on standard error, with the request's and the run's id on every line.

What people write, what models answer, keys and cookies are never logged; that is up to the callers. The
formatter sees to it that nothing in a value can end its line or pass for another field.
"""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from services.settings import Settings

# Set for the length of a request, and of a run. A greenlet starts without either: gevent gives each its own context.
request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
run_id: Final[ContextVar[str | None]] = ContextVar("run_id", default=None)

_PLAIN: Final = re.compile(r"[\w.:/@+,~-]+", re.ASCII)
_ESCAPED: Final = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
# What every record has by itself; the rest of its attributes came with `extra`.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# What comes after these in an address opens what it names to anybody (a calendar's feed), or is a word of a story that
# a child asks for, perhaps its own name.
_SECRET_PATH: Final = re.compile(r"(/todos/feed/|/stories/words/)[^\s\"?]+", re.IGNORECASE)
# Libraries that tell every request with its URL, or every statement, at INFO.
_TALKATIVE: Final = ("httpx", "httpx2", "httpcore", "openai", "urllib3", "alembic")


@contextmanager
def about(*, request: str | None = None, run: str | None = None) -> Iterator[None]:
    """Put these ids on every line that is logged inside; one that is None stays as it was."""
    tokens = [
        (variable, variable.set(value))
        for variable, value in ((request_id, request), (run_id, run))
        if value is not None
    ]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


class KeyValueFormatter(logging.Formatter):
    """`time=… level=… pid=… logger=… [request_id=…] [run_id=…] event="…"`, then the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in _OWN}
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            # Asked for now, not at the start: workers are forked.
            "pid": os.getpid(),
            "logger": record.name,
            "request_id": extra.pop("request_id", None) or request_id.get(),
            "run_id": extra.pop("run_id", None) or run_id.get(),
            "event": record.getMessage(),
        }
        fields.update((name, value) for name, value in extra.items() if name not in fields)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return withheld(" ".join(f"{name}={_shown(value)}" for name, value in fields.items() if value is not None))


def withheld(line: str) -> str:
    """The line without what addresses tell in their path that is nobody's business; query strings are never logged."""
    return _SECRET_PATH.sub(r"\1...", line)


def configure(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Send every log line to standard error; may be called again, and then replaces what it did before.

    Args:
        settings: `enable_logs` gives the streaming engine's and the assistants' DEBUG lines too.
        stream: Where to instead of standard error, for tests.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.set_name("rill")
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    for former in [one for one in root.handlers if one.get_name() == "rill"]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name in ("services.streaming", "services.assistants"):
        logging.getLogger(name).setLevel(logging.DEBUG if settings.enable_logs else logging.NOTSET)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    known = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return known.get(character) or f"\\u{ord(character):04x}"
