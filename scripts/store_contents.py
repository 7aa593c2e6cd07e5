"""Years of use, made up: many conversations of one person among those of others, the same ones each time."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from services.store import search, users
from services.store.base import new_id
from services.store.database import Database
from services.store.threads import Conversation, Message

CONVERSATIONS: Final = 10_000
OTHERS: Final = 20
OF_EACH: Final = 500
TURNS: Final = 2
LONG_TURNS: Final = 500
# As long as somebody's who never begins another: 5,000 messages.
ENDLESS_TURNS: Final = 2_500
# A word that stands in every message, in a tenth of them, in a hundredth, and in one conversation.
COMMON, FREQUENT, SELDOM, UNIQUE = "every", "tenfold", "hundredth", "needle"
_BATCH: Final = 250
_BEGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)
_SYLLABLES: Final = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]


class Contents:
    """What is in the database. `person` has most of it, `ids` are their conversations, the others the long ones."""

    def __init__(self, database: Database, seed: int = 11) -> None:
        self._random = random.Random(seed)  # noqa: S311 - for tests only
        self._texts = [self._text() for _ in range(2000)]
        self._number = 0
        self._facts: dict[str, Any] = {}
        self.person = database.run(users.create, "person@example.org", "!")
        self.ids = list(self._fill(database, self.person.id, CONVERSATIONS))
        for number in range(OTHERS):
            other = database.run(users.create, f"other{number}@example.org", "!")
            list(self._fill(database, other.id, OF_EACH))
        self.long_id = database.run(self._add, self.person.id, [LONG_TURNS])[0]
        self._facts = self._asked_facts()
        self.endless_id = database.run(self._add, self.person.id, [ENDLESS_TURNS])[0]
        self.endless_middle_id = database.run(_nth_message, self.endless_id, ENDLESS_TURNS)

    def _fill(self, database: Database, user_id: int, count: int) -> Iterator[str]:
        for begin in range(0, count, _BATCH):
            yield from database.run(self._add, user_id, [TURNS] * min(_BATCH, count - begin))

    def _add(self, s: Session, user_id: int, sizes: list[int]) -> list[str]:
        threads: list[dict[str, Any]] = []
        messages: list[dict[str, Any]] = []
        for turns in sizes:
            thread, its = self._thread(user_id, turns)
            threads.append(thread)
            messages += its
        s.execute(insert(Conversation), threads)
        s.execute(insert(Message), messages)
        texts: dict[str, dict[str | None, str]] = {thread["id"]: {None: thread["title"]} for thread in threads}
        for message in messages:
            texts[message["conversation_id"]][message["id"]] = message["content"]
        for conversation_id, its_texts in texts.items():
            search.add(s, user_id, conversation_id, its_texts)
        return [thread["id"] for thread in threads]

    def _thread(self, user_id: int, turns: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        self._number += 1
        conversation_id, at = new_id(), _BEGIN + timedelta(minutes=self._number)
        messages: list[dict[str, Any]] = []
        for position in range(2 * turns):
            message = {
                "id": new_id(),
                "conversation_id": conversation_id,
                "position": position,
                "role": "assistant" if position % 2 else "user",
                "content": self._content(position),
                "fallback": False,
                "created_at": at,
                "parent_id": messages[-1]["id"] if messages else None,
            }
            is_answer = message["role"] == "assistant"
            message |= {
                "outcome": "completed" if is_answer else None,
                "engine": "built-in" if is_answer else None,
                "stream_id": message["id"] if is_answer else None,
                "turn": {"question": "?", "facts": self._facts, "partial": ""} if is_answer else None,
                "finished_at": at if is_answer else None,
            }
            messages.append(message)
        thread = {
            "id": conversation_id,
            "user_id": user_id,
            "assistant": "study" if self._number % 4 else "tutor",
            "title": " ".join(self._texts[self._number % 2000].split()[:6]),
            "length": 2 * turns,
            "created_at": at,
            "updated_at": at,
            "head_id": messages[-1]["id"],
            "answered_at": at,
            "seen_at": at if self._number % 100 else at - timedelta(minutes=1),
        }
        return thread, messages

    def _asked_facts(self) -> dict[str, Any]:
        """What an answer of a long conversation was given: the last turns, word for word."""
        history = [{"role": role, "content": self._texts[n]} for n in range(8) for role in ("user", "assistant")]
        return {"topic": "what it is about", "history": history, "media": [], "excerpts": [], "length": "medium"}

    def _content(self, position: int) -> str:
        text = self._texts[self._random.randrange(2000)]
        marks = [COMMON]
        marks += [FREQUENT] if self._random.random() < 0.1 else []
        marks += [SELDOM] if self._random.random() < 0.01 else []
        marks += [UNIQUE] if self._number == CONVERSATIONS // 2 else []
        return f"{text} {' '.join(marks)}." if position % 2 else f"{text[:200]} {' '.join(marks)}?"

    def _text(self) -> str:
        words = (self._word() for _ in range(self._random.randint(60, 300)))
        return " ".join(words).capitalize()

    def _word(self) -> str:
        # Few words are said often, many seldom, as people do.
        rank = int(self._random.paretovariate(0.7)) % 20_000
        parts = []
        while True:
            rank, part = divmod(rank, len(_SYLLABLES))
            parts.append(_SYLLABLES[part])
            if not rank:
                return "".join(parts)


def _nth_message(s: Session, conversation_id: str, position: int) -> str:
    its = select(Message.id).where(Message.conversation_id == conversation_id, Message.position == position)
    return s.scalars(its).one()
