"""What the scripted model (`tests/model_server.py`) can be told to answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What one request is answered with.

    Attributes:
        text: The answer; without one, `tokens` words are made up.
        pace_s: Time between two tokens.
        status: Other than 200: an error body and nothing else.
        body: The error body; one is made up.
        cut_after: Close after so many tokens, without a finish reason; `ending` says how.
        ending: "close", "reset", or "done" ([DONE] is sent, the finish reason is not).
        stall_after: Fall silent after so many tokens until released; -1: before the headers.
        comment_every_s: While silent, send comments and empty chunks.
        malformed_after, error_after: Break a chunk, or report an error, after so many tokens.
        raw: Event data sent as they are, instead of an answer.
        frame_bytes: Write the reply in pieces of so many bytes.
        chunked: False: the body ends with the connection.
        hold_open_s: Keep the body open after [DONE].
    """

    text: str | None = None
    tokens: int = 20
    pace_s: float = 0.0
    status: int = 200
    retry_after: str | None = None
    body: dict[str, Any] | None = None
    cut_after: int | None = None
    ending: str = "close"
    stall_after: int | None = None
    comment_every_s: float = 0.0
    malformed_after: int | None = None
    error_after: int | None = None
    tool_calls: Sequence[tuple[str, str]] = ()
    usage: bool = True
    finish: str | None = "stop"
    echo: bool = False
    raw: Sequence[str] = ()
    reasoning: int = 0
    newline: str = "\n"
    frame_bytes: int = 0
    chunked: bool = True
    hold_open_s: float = 0.0

    def words(self) -> list[str]:
        """The answer as the tokens it is sent in."""
        if self.text is None:
            return [f"word{number} " for number in range(self.tokens)]
        return re.findall(r"\s*\S+|\s+$", self.text)


_NAMED: dict[str, Any] = {
    r"reply-(\d+)": lambda n: Script(tokens=int(n)),
    r"paced-(\d+)-(\d+)": lambda n, ms: Script(tokens=int(n), pace_s=int(ms) / 1000),
    r"cut-after-(\d+)": lambda n: Script(cut_after=int(n)),
    r"reset-after-(\d+)": lambda n: Script(cut_after=int(n), ending="reset"),
    r"done-after-(\d+)": lambda n: Script(cut_after=int(n), ending="done"),
    r"stall-headers": lambda: Script(stall_after=-1),
    r"stall-first": lambda: Script(stall_after=0),
    r"stall-after-(\d+)": lambda n: Script(stall_after=int(n)),
    r"status-(\d{3})": lambda status: Script(status=int(status)),
    r"status-(\d{3})-([\d.]+)": lambda status, after: Script(status=int(status), retry_after=after),
    r"malformed-after-(\d+)": lambda n: Script(malformed_after=int(n)),
    r"error-after-(\d+)": lambda n: Script(error_after=int(n)),
    r"tools": lambda: Script(tokens=0, finish="tool_calls", tool_calls=[("look", '{"at": "é"}'), ("add", "{}")]),
    r"no-usage": lambda: Script(usage=False),
    r"empty": lambda: Script(tokens=0),
    r"content-filter": lambda: Script(finish="content_filter"),
    r"length": lambda: Script(finish="length"),
    r"echo": lambda: Script(echo=True),
}


def named_script(name: str) -> Script | None:
    """The script that a name stands for, or None."""
    for pattern, make in _NAMED.items():
        if match := re.fullmatch(pattern, name):
            script: Script = make(*match.groups())
            return script
    return None


NAMES = tuple(_NAMED)
