"""Text and deltas: what the log may hold, and how deltas are merged. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from services.streaming.events import DELTA, Entry, Event

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SUSPECT: Final = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")


class Normaliser:
    """Cleans an answer's text as it comes, delta by delta.

    NUL and other C0 controls except tab and newline go; CR and CRLF become LF, also when a delta
    ends between the two; a surrogate pair cut in half by two deltas is joined, a lone half becomes
    U+FFFD. The result does not depend on where the deltas are cut.
    """

    def __init__(self) -> None:
        self._after_cr = False
        self._high = ""

    def add(self, text: str) -> str:
        """The clean text for the next delta; may be empty."""
        # What is printable is clean; asking that first costs a fifth of the search.
        if not self._after_cr and not self._high and (text.isprintable() or not _SUSPECT.search(text)):
            return text
        # Controls go first: they may stand between CR and LF, or two surrogates, wherever deltas are cut.
        text = self._high + _CONTROL.sub("", text)
        self._high = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._high, text = text[-1], text[:-1]
        if not text:
            return ""
        if self._after_cr:
            text = text[1:] if text[0] == "\n" else text
            self._after_cr = False
        if text.endswith("\r"):
            self._after_cr = True
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if _LONE_SURROGATE.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text

    def end(self) -> str:
        """What was still held back."""
        held, self._high = self._high, ""
        return "\ufffd" if held else ""


def clean(text: str) -> str:
    """A whole text as `Normaliser` leaves it."""
    normaliser = Normaliser()
    return normaliser.add(text) + normaliser.end()


def merged(entries: Sequence[Entry]) -> list[Entry]:
    """Consecutive deltas as one entry that carries the seq of the last; the rest as it is."""
    result: list[Entry] = []
    texts: list[str] = []
    last: Entry | None = None
    for entry in entries:
        if entry.event.name == DELTA:
            texts.append(entry.event.data["text"])
            last = entry
            continue
        if last is not None:
            result.append(_joined(last, texts))
            texts, last = [], None
        result.append(entry)
    if last is not None:
        result.append(_joined(last, texts))
    return result


def text_of(entries: Iterable[Entry]) -> str:
    """All delta text, in order."""
    return "".join(entry.event.data["text"] for entry in entries if entry.event.name == DELTA)


def _joined(last: Entry, texts: list[str]) -> Entry:
    return last if len(texts) == 1 else Entry(last.fence, last.seq, Event(DELTA, {"text": "".join(texts)}))
