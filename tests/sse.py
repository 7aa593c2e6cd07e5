"""A reader of text/event-stream as strict as a browser, for tests.

Source: WHATWG HTML Standard, section "Server-sent events". Bytes may be cut anywhere.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Frame:
    """One dispatched event. `id` is the last event id at that point, `own_id` the one that it carried."""

    name: str
    data: str
    id: str
    own_id: str | None

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def seq(self) -> int:
        return int(self.id.rpartition("-")[2])


class Reader:
    """Takes bytes as they come and gives events as a browser would dispatch them."""

    def __init__(self) -> None:
        self.retry_ms: int | None = None
        self.last_id = ""
        self.comments: list[str] = []
        self._decode = codecs.getincrementaldecoder("utf-8")("strict").decode
        self._text = ""
        self._data: list[str] = []
        self._name = ""
        self._own_id: str | None = None
        self._is_first = True

    def feed(self, data: bytes) -> list[Frame]:
        """The events that these bytes complete."""
        text = self._decode(data)
        if self._is_first and text:
            text, self._is_first = text.removeprefix("\ufeff"), False
        self._text += text
        frames = []
        while (match := _LINE_END.search(self._text)) is not None:
            if match[0] == "\r" and match.end() == len(self._text):
                break
            line, self._text = self._text[: match.start()], self._text[match.end() :]
            frame = self._line(line)
            if frame is not None:
                frames.append(frame)
        return frames

    def _line(self, line: str) -> Frame | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not field:
            self.comments.append(value)
        elif field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self.last_id = self._own_id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry_ms = int(value)
        return None

    def _dispatch(self) -> Frame | None:
        data, name, own_id = self._data, self._name, self._own_id
        self._data, self._name, self._own_id = [], "", None
        return Frame(name or "message", "\n".join(data), self.last_id, own_id) if data else None


def frames(chunks: Iterable[bytes]) -> Iterator[Frame]:
    """All events of a body."""
    reader = Reader()
    for chunk in chunks:
        yield from reader.feed(chunk)
