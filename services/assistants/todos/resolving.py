"""From a checked question to the facts of its turn, and the books of it: quota, and what an answer really did.

What was done is what the list's changes say. An answer that broke off between a step and its result has its extras
completed from them, in the transaction that settles it, by whoever settles it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.assistants.base import Turn
from services.assistants.todos import agreeing, done, sentences, telling
from services.assistants.todos.input import TodosInput, check_question, client_name
from services.store import conversations, quotas, users
from services.store.conversations import Message
from services.store.database import Database, Session
from services.streaming.answers import Settled
from services.streaming.events import TOOL_CALL, TOOL_RESULT

ASSISTANT: Final = "todos"
MAX_MESSAGES: Final = 50
# Every turn of a session keeps what was said before it: the newest of it, so that long messages do not add up.
MAX_HISTORY_CHARS: Final = 100_000
_DID_CHARS: Final = 600
_MAX_AGREED: Final = 50


class Desk:
    """Makes the facts of the agent's turns, and keeps the books about them.

    Args:
        quota: How many answers a person may have in a month.
    """

    def __init__(self, database: Database, *, quota: int) -> None:
        self._database = database
        self._quota = quota

    def facts(
        self, user_id: int, sent: TodosInput, path: Sequence[Message], *, now: datetime | None = None
    ) -> dict[str, Any]:
        """The facts of a question.

        Args:
            path: The session's messages before it, the oldest first; where there are any, they count and not what
                the client sent.
            now: The time, for tests.
        """
        user = self._database.run(users.by_id, user_id)
        asked = _asked_before(path)
        return {
            "messages": history_of(path) if path else [dict(one) for one in sent.earlier],
            "zone": user.zone if user else "UTC",
            "now": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
            "session_id": sent.session_id or conversations.new_id(),
            "is_new": not path,
            "answers": [row.id for row in reversed(path) if row.role == "assistant"],
            **_agreed(asked, sent.question),
            **_chosen(asked, sent.question),
        }

    def resolve(
        self, user_id: int, before: Sequence[Message], turn: Mapping[str, Any], question: str
    ) -> dict[str, Any]:
        """The facts of a stored turn whose question is asked in other words (`base.Resolver`).

        Raises:
            InvalidInput: Empty or too long.
        """
        known = turn.get("facts") or {}
        earlier = tuple(known.get("messages") or ()) if not before else ()
        sent = TodosInput(check_question(question), earlier, str(known.get("session_id") or "") or None)
        return {**self.facts(user_id, sent, before), "is_new": False}

    def tells(self, turn: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the first and the last frames say (`base.Tells`): the session's name, and its messages."""
        facts = turn.get("facts") or {}
        said = [{"role": one["role"], "content": one["content"]} for one in facts.get("messages") or ()]
        question = {"role": "user", "content": str(turn.get("question") or "")}
        return {"session_id": facts.get("session_id"), "history": [*(one for one in said if one["content"]), question]}

    def done_before(self, turn: Turn) -> list[done.Did]:
        """What earlier tries at this turn's question have done and nobody has undone, the oldest first."""
        return self._database.run(done.before, turn.user_id, turn.message_id)

    # -- the books

    def affords(self, session: Session, turn: Turn) -> None:
        """Refuse what `starts` would refuse now; holds nothing (`base.Starts`).

        Raises:
            QuotaExhausted: Nothing is left of the month.
        """
        quotas.check(session, turn.user_id, self._quota)

    def starts(self, session: Session, turn: Turn) -> None:
        """Take a unit of the month for an answer that is about to begin (`base.Starts`).

        Raises:
            QuotaExhausted: Nothing is left; nothing is started.
        """
        quotas.reserve(session, turn.user_id, turn.message_id, self._quota)

    def ends(self, session: Session, settled: Settled, turn: Turn) -> Mapping[str, Any] | None:
        """Spend the unit or give it back, and complete what is kept of the answer's steps (`base.Ends`)."""
        quotas.end(session, turn.message_id, settled.outcome)
        return done.completed(session, turn.user_id, turn.message_id, settled.extras)


def path_of(session: Session, user_id: int, session_id: str | None) -> list[Message]:
    """The last messages of a person's session, the oldest first; none if there is no such session yet.

    Raises:
        Forbidden: The name begins with somebody else's prefix.
    """
    if session_id is None:
        return []
    found = conversations.by_client_name(session, user_id, ASSISTANT, client_name(user_id, session_id))
    return [] if found is None else conversations.recent_messages(session, found.id, MAX_MESSAGES)


def before(session: Session, leaf_id: str, _question: str) -> list[Message]:
    """The last messages of a path, whatever is asked (`base.Before`)."""
    return conversations.path_to(session, leaf_id, MAX_MESSAGES)


def history_of(path: Sequence[Message]) -> list[dict[str, str]]:
    """What was said, and in `did` what the tools did, so that an answer without words is known as well. Pure.

    Of much, the newest: it begins with a question.
    """
    said: list[dict[str, str]] = []
    for row in path:
        did = _did(row.extras or {}) if row.role == "assistant" else ""
        if not row.content and not did:
            continue
        if row.role == "assistant" and said and said[-1]["role"] == "assistant":
            # An answer that was continued is stored in parts.
            last = said.pop()
            both = "; ".join(text for text in (last.get("did", ""), did) if text)
            said.append(_entry("assistant", last["content"] + row.content, both))
        else:
            said.append(_entry(row.role, row.content, did))
    total = sum(len(one["content"]) for one in said)
    while said and (total > MAX_HISTORY_CHARS or said[0]["role"] == "assistant"):
        total -= len(said.pop(0)["content"])
    return said


def _entry(role: str, content: str, did: str) -> dict[str, str]:
    return {"role": role, "content": content} | ({"did": did} if did else {})


def _did(extras: Mapping[str, Any]) -> str:
    """What an answer's tools did, with the ids that later questions may be about."""
    calls = {one.get("id"): one for one in extras.get(TOOL_CALL) or () if isinstance(one, Mapping)}
    told = []
    for one in extras.get(TOOL_RESULT) or ():
        output = one.get("output")
        if not isinstance(output, Mapping) or not (output.get("change_id") or output.get("subtasks")):
            continue
        call = calls.get(one.get("id"), {})
        told.append(
            f"{sentences.tell(str(one.get('name')), call.get('arguments') or {}, output).text} ({output['todo_id']})"
        )
    text = "; ".join(told)
    return text if len(text) <= _DID_CHARS else f"{text[: _DID_CHARS - 1]}…"


def _asked_before(path: Sequence[Message]) -> list[Mapping[str, Any]]:
    """What the last answer told besides its text, of all its parts."""
    found: list[Mapping[str, Any]] = []
    for row in reversed(path):
        if row.role != "assistant":
            break
        found.append(row.extras or {})
    return found


def _agreed(asked: Sequence[Mapping[str, Any]], question: str) -> dict[str, Any]:
    """What may be deleted: what the last answer asked for, if this is a yes."""
    pending: dict[str, Mapping[str, Any]] = {}
    for extras in asked:
        for one in telling.told(extras, telling.CONFIRM):
            pending |= {str(item["todo_id"]): item for item in one.get("items") or ()}
    if not pending:
        return {}
    if _is_answered(asked, question):
        items = [dict(item) for item in list(pending.values())[:_MAX_AGREED]]
        return {"may_delete": [item["todo_id"] for item in items], "agreed": items}
    return {"declined": True} if agreeing.refuses(question) else {}


def _is_answered(asked: Sequence[Mapping[str, Any]], question: str) -> bool:
    """Whether this is a yes to being asked for a deletion, and cannot be one to something else."""
    asks = [one for extras in asked for one in telling.told(extras, telling.ASK)]
    if not asks:
        return agreeing.agrees(question)
    # Two questions at once: only what the deletion's own button says is meant for it, unless it is also the other's.
    said = question.strip().casefold()
    others = {str(option).strip().casefold() for one in asks for option in one.get("options") or ()}
    return said == agreeing.YES.casefold() and said not in others


def _chosen(asked: Sequence[Mapping[str, Any]], question: str) -> dict[str, Any]:
    """The call that an option stands for, if this question is one of the last answer's options."""
    for extras in asked:
        for one in telling.told(extras, telling.ASK):
            for choice in one.get("choices") or ():
                if choice.get("text") == question:
                    return {"chosen": {"name": choice["name"], "arguments": dict(choice["arguments"])}}
    return {}
