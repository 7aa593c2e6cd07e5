"""People who have stories told, as the specification's clients do."""

import re
from typing import Any

from flask import Flask

from tests.blueprints.members import Member
from tests.blueprints.streams import Stream
from tests.model_scripts import Script

CHILDREN = "/api/v1/children"
STORIES = "/api/v1/stories"
GENERATE = f"{STORIES}/generate/stream"
SSE = {"Accept": "text/event-stream"}
JSON = {"Accept": "application/json"}

# Sentences that no rule minds, for models that are scripted: five words each.
_SENTENCES = (
    "The small boat went home.", "A whale sang to Mia.", "They looked at the stars.", "The warm sand was soft.",
    "Her friend laughed and waved.", "A shell lay by the.", "The waves came in slowly.", "Then they shared some bread.",
)  # fmt: skip


def prose(words: int, *, paragraph: int = 60) -> str:
    """A harmless chapter of about so many words, in paragraphs."""
    sentences = [_SENTENCES[at % len(_SENTENCES)] for at in range(words // 5)]
    per = max(paragraph // 5, 1)
    return "\n\n".join(" ".join(sentences[at : at + per]) for at in range(0, len(sentences), per))


def chapter(words: int = 180, **more: Any) -> Script:
    """A model that tells a chapter."""
    return Script(text=prose(words), **more)


class Teller(Member):
    """An adult with a child on a site where stories are told.

    Attributes:
        child: Mia, as the API tells of her.
    """

    def __init__(self, site: Flask, **profile: Any) -> None:
        super().__init__(site)
        self.child = self.add_child(**profile)

    def add_child(self, **profile: Any) -> dict[str, Any]:
        """A child of theirs."""
        made = self.client.post(CHILDREN, json={"name": "Mia", "age": 6, "pronouns": "she", **profile})
        assert made.status_code == 201, made.text
        child: dict[str, Any] = made.json
        return child

    def wish(self, **query: Any) -> dict[str, Any]:
        """What a chapter is asked for with, as long as a test says nothing else."""
        wanted = {"child_id": self.child["id"], "theme": "ocean", **query}
        return {name: value for name, value in wanted.items() if value is not None}

    def get(self, headers: Any = SSE, **query: Any) -> Any:
        """The response to a GET, not read yet."""
        return self.client.get(GENERATE, query_string=self.wish(**query), headers=headers)

    def post(self, headers: Any = SSE, **fields: Any) -> Any:
        """The response to a POST, not read yet."""
        return self.client.post(GENERATE, json=self.wish(**fields), headers=headers)

    def tell(self, **query: Any) -> list[Any]:
        """The events of a chapter that a GET starts, read to its end."""
        return read(self.get(**query))

    def tell_anew(self, **fields: Any) -> list[Any]:
        """The same by a POST."""
        return read(self.post(**fields))

    def story(self, story_id: str) -> dict[str, Any]:
        """A story as it is stored."""
        found: dict[str, Any] = self.client.get(f"{STORIES}/{story_id}").json
        return found

    def shelf(self) -> list[dict[str, Any]]:
        """Their stories."""
        found: list[dict[str, Any]] = self.client.get(STORIES).json["stories"]
        return found

    def told_today(self) -> int:
        """How many chapters the child has had today."""
        return int(self.client.get(f"{CHILDREN}/{self.child['id']}").json["today"]["told"])


def read(response: Any) -> list[Any]:
    """The events of a stream, to its end."""
    assert response.status_code == 200, response.text
    with Stream(response) as stream:
        return [frame.json for frame in stream.rest()]


def text_of(events: list[Any]) -> str:
    """The chunks, joined."""
    return "".join(event["chunk"] for event in events if event["type"] == "content")


def kinds(events: list[Any]) -> list[str]:
    """The events in the words of the specification (Y13), repeated content told once, without what it does not name."""
    told: list[str] = []
    for event in events:
        kind = event["type"]
        if kind == "node":
            if event["node"] not in {"workflow", "generate_content", "safety_check"}:
                continue
            kind = f"node {event['node']} {event['status']}"
        if kind != "progress" and told[-1:] != [kind]:
            told.append(kind)
    return told


def words(text: str) -> int:
    """How many words a text has."""
    return len(re.findall(r"\S+", text))
