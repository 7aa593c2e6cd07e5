"""From a checked question to the facts of its turn, and what is kept of an answer that did not come to its end."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from services import errors
from services.assistants.base import Turn
from services.assistants.search.citing import renumbered
from services.assistants.search.input import SearchInput, check_query
from services.assistants.search.telling import citations_of, clip
from services.assistants.search.words import own_words
from services.errors import NotFound
from services.store import bases, conversations
from services.store.conversations import Message
from services.store.database import Database, Session
from services.streaming.answers import Settled
from services.streaming.events import CITATION

_TURNS: Final = 3
# With answers that were continued, in several parts.
_MESSAGES: Final = 20
_ANSWER_CHARS: Final = 1_200
_QUESTION_CHARS: Final = 600
_CONTEXT_CHARS: Final = 400
_UNKNOWN: Final = "is no base of yours"
# A question of more words of its own stands alone, whatever it points at.
_MANY: Final = 6
_POINTING = re.compile(
    r"\b(it|its|they|them|their|this|that|these|those|he|she|him|her|there|then|one|ones|same|else|instead|"
    r"former|latter)\b",
    re.IGNORECASE,
)
_LEADING_ON = re.compile(
    r"\s*(and|or|but|so|also|then|what about|how about|why|more|else|for|in|on|with|without)\b", re.IGNORECASE
)
_DEFINING = re.compile(r"\s*(what|who)('s|’s| is| are| was| were)\b", re.IGNORECASE)


class Desk:
    """Makes the facts of search turns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def facts(self, user_id: int, sent: SearchInput, path: Sequence[Message]) -> dict[str, Any]:
        """The facts of a question.

        Args:
            path: The conversation's messages before it, the oldest first.

        Raises:
            NotFound: A base is unknown, or somebody else's; it says which.
        """
        self._check(user_id, sent.base_ids)
        return {
            "query": sent.query,
            "base_ids": list(sent.base_ids),
            "context": context_of(sent.query, path),
            "history": history_of(path),
            "is_new": not path,
        }

    def resolve(
        self, user_id: int, before: Sequence[Message], turn: Mapping[str, Any], question: str
    ) -> dict[str, Any]:
        """The facts of a stored turn whose question is asked in other words (`base.Resolver`).

        Raises:
            InvalidInput: Empty or too long.
        """
        base_ids = tuple((turn.get("facts") or {}).get("base_ids") or ())
        # Bases that are gone, or not shared any more, were chosen for the question as it was. Of none that is left
        # nothing is made, rather than a search of everything.
        gone = self._database.run(bases.unreadable, user_id, base_ids) if base_ids else []
        kept = tuple(base_id for base_id in base_ids if base_id not in gone) or base_ids
        facts = self.facts(user_id, SearchInput(check_query(question), kept), before)
        # It is another question in a conversation that there is.
        return {**facts, "is_new": False}

    def base_names(self, user_id: int, base_ids: Collection[str]) -> Mapping[str, str]:
        """What those of some bases that a person may read are called, by id."""
        return self._database.run(bases.names, user_id, base_ids) if base_ids else {}

    def told_before(self, turn: Turn) -> Mapping[str, Any]:
        """What the answer that this turn goes on with told besides its text, by the names of its events."""
        if not turn.partial:
            return {}
        return self._database.run(_told_before, turn.user_id, turn.message_id)

    def ends(self, session: Session, settled: Settled, turn: Turn) -> Mapping[str, Any] | None:  # noqa: ARG002
        """Keep the citations of an answer that was cut off before it told them (`base.Ends`)."""
        if settled.extras.get(CITATION):
            return None
        citations = citations_of(settled.extras)
        return {CITATION: citations} if citations else None

    def _check(self, user_id: int, base_ids: Sequence[str]) -> None:
        if not base_ids:
            return
        unknown = self._database.run(bases.unreadable, user_id, base_ids)
        wrong = [f"kb_ids[{index}]" for index, base_id in enumerate(base_ids) if base_id in unknown]
        if wrong:
            raise NotFound(
                f"{wrong[0]} {_UNKNOWN}.",
                extra={"errors": [{"field": field, "message": _UNKNOWN} for field in wrong]},
            )


def path_of(session: Session, user_id: int, conversation_id: str) -> list[Message]:
    """The last messages of one of the person's searches.

    Raises:
        NotFound: Unknown, somebody else's, or with another assistant.
    """
    if conversations.get(session, user_id, conversation_id).assistant != "search":
        raise errors.NotFound("There is no such conversation.")
    return conversations.recent_messages(session, conversation_id, _MESSAGES)


def context_of(question: str, path: Sequence[Message]) -> str:
    """The earlier questions that this one cannot be understood without; empty if it stands alone. Pure."""
    earlier = [row.content for row in path if row.role == "user" and row.content]
    if not earlier or not leans(question):
        return ""
    needed = [earlier[-1]]
    for before in reversed(earlier[:-1]):
        if not leans(needed[0]):
            break
        needed.insert(0, before)
    return clip(" ".join(" ".join(needed).split()), _CONTEXT_CHARS)


def leans(question: str) -> bool:
    """Whether a question goes on from the one before it: hardly a word of its own, or words that point back. Pure."""
    count = len(own_words(question))
    if count > _MANY:
        return False
    points = _LEADING_ON.match(question) or _POINTING.search(question)
    return bool(points) or not count or (count == 1 and not _DEFINING.match(question))


def history_of(path: Sequence[Message]) -> list[dict[str, str]]:
    """The last turns as a model is told of them: answers clipped, and without their numbers. Pure.

    The numbers of an earlier answer are those of its own passages.
    """
    said: list[dict[str, str]] = []
    for row in path:
        if not row.content:
            continue
        if row.role == "user":
            said.append({"role": "user", "content": clip(row.content, _QUESTION_CHARS)})
        else:
            text = renumbered(row.content, lambda _number: None)
            if said and said[-1]["role"] == "assistant":
                # An answer that was continued is stored in parts.
                text = said.pop()["content"] + text
            said.append({"role": "assistant", "content": clip(text, _ANSWER_CHARS)})
    while len(said) > 2 * _TURNS or (said and said[0]["role"] == "assistant"):
        said.pop(0)
    return said


def _told_before(session: Session, user_id: int, message_id: str) -> Mapping[str, Any]:
    """What the answer that this message goes on with told, with what the one before that did, and so on."""
    row, _ = conversations.message(session, user_id, message_id)
    while row.continues_id is not None:
        row, _ = conversations.message(session, user_id, row.continues_id)
        if row.extras and row.extras.get("message"):
            return row.extras
    return {}
