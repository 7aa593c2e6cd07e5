"""What a client that keeps to API.md has of a stream, and what the site did that it may not do."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from tests.sse import Frame


@dataclass(slots=True)
class Transcript:
    """What a client that keeps to API.md has of a stream, over all of its connections.

    Attributes:
        faults: What the site did that it may not do.
        events: Everything with an id, in the order in which it came, as (name, seq, payload).
    """

    stream_id: str
    last_id: str = ""
    seq: int = 0
    text: str = ""
    verdicts: list[str] = field(default_factory=list)
    events: list[tuple[str, int, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def take(self, frame: Frame) -> None:
        """Take one event."""
        if frame.name == "stream.start":
            self._place(frame)
        elif frame.name == "ping":
            if frame.own_id is not None:
                self.faults.append("a ping has an id")
        else:
            self._event(frame)

    def _place(self, frame: Frame) -> None:
        said = frame.json
        self.verdicts.append(said["verdict"])
        if said["asked"] != (self.last_id or None):
            self.faults.append(f"asked {said['asked']} instead of {self.last_id}")
        if frame.own_id != said["from"]:
            self.faults.append(f"stream.start has the id {frame.own_id}, not {said['from']}")
        if said["verdict"] != "exact":
            self.seq, self.text = 0, ""
            self.events.clear()
        elif int(said["from"].rpartition("-")[2]) != self.seq:
            self.faults.append(f"continues from {said['from']}, not from {self.seq}")

    def _event(self, frame: Frame) -> None:
        stream_id, _, _ = (frame.own_id or "").rpartition("-")
        if stream_id != self.stream_id:
            self.faults.append(f"{frame.name} has the id {frame.own_id}")
            return
        if frame.seq <= self.seq:
            self.faults.append(f"{frame.name} {frame.seq} came after {self.seq}")
        self.seq, self.last_id = frame.seq, frame.id
        self.events.append((frame.name, frame.seq, frame.json))
        if frame.name == "message.start":
            self.text = ""
        elif frame.name == "message.delta":
            self.text += frame.json["content"]
        elif frame.name == "message.end":
            self._prove(frame.json)

    def _prove(self, end: dict[str, Any]) -> None:
        if end["content_length"] != len(self.text):
            self.faults.append(f"{len(self.text)} characters instead of {end['content_length']}")
        if end["content_sha256"] != hashlib.sha256(self.text.encode()).hexdigest():
            self.faults.append("the hash differs")

    def all(self, name: str) -> list[Any]:
        """The payloads of all events of a name."""
        return [payload for kind, _, payload in self.events if kind == name]

    @property
    def names(self) -> list[str]:
        """The names of the events, neighbouring deltas as one."""
        names = [name for name, _, _ in self.events]
        return [name for at, name in enumerate(names) if name != "message.delta" or at == 0 or names[at - 1] != name]

    @property
    def end(self) -> Any:
        """The one event that ends the answer."""
        ends = self.all("message.end")
        assert len(ends) == 1, self.events[-5:]
        return ends[0]
