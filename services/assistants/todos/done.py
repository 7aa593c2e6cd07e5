"""What an answer has done, as the list's changes tell it: the truth, whatever became of its worker and its log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.assistants.todos import telling
from services.assistants.todos.steps import digest_in
from services.store import conversations, todo_changes
from services.store.database import Session
from services.store.todo_changes import Change
from services.streaming.events import TOOL_CALL, TOOL_RESULT

_TOOL_OF: Final[Mapping[str, str]] = {
    "created": "create_todo", "updated": "update_todo", "completed": "complete_todo", "reopened": "reopen_todo",
    "deleted": "delete_todo", "moved": "move_todo", "undone": "undo",
}  # fmt: skip


_CUT_OFF: Final[Mapping[str, str]] = {
    "status": "error",
    "error": "The answer ended before this step was done. It changed nothing.",
}


@dataclass(frozen=True, slots=True)
class Did:
    """A change that an answer made, as the result of its step.

    Attributes:
        made: The todos that it added of its own; not the next one of a series, nor what an undoing brought back: those
            are the person's.
        is_reworded: Whether the question was another wording of it then, which was edited since.
    """

    digest: str
    output: Mapping[str, Any]
    made: tuple[str, ...] = ()
    is_reworded: bool = False


def output_of(change: Change) -> dict[str, Any]:
    """The result of the step that a change was."""
    return {
        "todo_id": change.todo_id,
        "status": change.kind,
        "item": change.item,
        "change_id": change.id,
    }


def before(session: Session, user_id: int, message_id: str) -> list[Did]:
    """What other answers to the same question, in whatever words, have done and nobody has undone, the oldest first."""
    question = conversations.question_of(session, message_id)
    if question is None:
        return []
    found: list[tuple[Change, bool]] = []
    for version_id in conversations.versions_of(session, question):
        for answer_id in _tries(session, version_id):
            if answer_id != message_id:
                changes = todo_changes.of_answer(session, user_id, answer_id)
                found += [(one, version_id != question.id) for one in changes if one.undone_by is None]
    return [_did(one, is_reworded) for one, is_reworded in sorted(found, key=lambda each: each[0].revision)]


def completed(
    session: Session, user_id: int, message_id: str, extras: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any] | None:
    """What is kept of an answer's steps, with those that it did and could not tell any more; None: it told all."""
    changes = todo_changes.of_answer(session, user_id, message_id)[::-1]
    calls, results = list(extras.get(TOOL_CALL) or ()), list(extras.get(TOOL_RESULT) or ())
    known, told = {one.get("id") for one in calls}, {one.get("id") for one in results}
    missing = [change for change in changes if change.call_id and change.call_id not in told]
    cut_off = [one for one in calls if one.get("id") not in told | {change.call_id for change in missing}]
    if not missing and not cut_off:
        return None
    names = {one.get("id"): str(one.get("name")) for one in calls}
    for change in missing:
        call_id = change.call_id or ""
        name = names.get(call_id) or _TOOL_OF.get(change.kind, change.kind)
        if call_id not in known:
            calls.append(telling.tool_call(call_id, name, {}).data)
        results.append(telling.tool_result(call_id, name, output_of(change)).data)
    # No change can come after this: the transaction that settles an answer is the last that knows of it.
    results += [telling.tool_result(str(one.get("id")), str(one.get("name")), _CUT_OFF).data for one in cut_off]
    return {TOOL_CALL: calls, TOOL_RESULT: results}


def _did(change: Change, is_reworded: bool) -> Did:
    made = change.made if change.kind == "created" and not is_reworded else ()
    return Did(digest_in(change.call_id or ""), output_of(change), made, is_reworded)


def _tries(session: Session, question_id: str) -> list[str]:
    """All answers to a question, those included that go on with others."""
    found: list[str] = []
    level = [row.id for row in conversations.answers_to(session, question_id)]
    while level:
        found += level
        level = [row.id for one in level for row in conversations.answers_to(session, one)]
    return found
