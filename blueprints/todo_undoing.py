"""What the agent's answers did to the list, as it stands now: undone or not; and the ways back, for its steps."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from blueprints.dialects.answers import Answer
from blueprints.extensions import services
from services import errors
from services.errors import AppError
from services.store import todo_changes
from services.todos.actions import By


def known(user_id: int, answers: Sequence[Answer]) -> list[Answer]:
    """Stored answers, their steps as the list knows them now."""
    ids = [change_id for answer in answers for step in answer.steps.all for change_id in step.sentence.change_ids]
    undone_by = services().database.run(todo_changes.undoings, user_id, ids) if ids else {}
    return [replace(answer, steps=answer.steps.known(undone_by)) for answer in answers]


def undo(user_id: int, answer: Answer, call_id: str) -> str:
    """Take back what one step did, or, without a call, all that an answer did.

    Returns:
        What could not be taken back, in words; empty if all was.
    """
    steps = [step for step in answer.steps.undoable if not call_id or step.call_id == call_id]
    wanted = [one for step in steps for one, undone_by in step.changes.items() if not undone_by]
    if not wanted:
        return "That has been undone already, or it is too old to be undone."
    if not call_id and answer.message_id:
        # One change, so that it can be done again as a whole.
        return _all_of(user_id, answer.message_id, wanted)
    return _each(user_id, reversed(wanted))


def redo(user_id: int, answer: Answer, call_id: str) -> str:
    """Do again what has been taken back, as `undo`."""
    steps = [step for step in answer.steps.changing if not call_id or step.call_id == call_id]
    undoings = dict.fromkeys(undone_by for step in steps for undone_by in step.changes.values() if undone_by)
    return _each(user_id, undoings) if undoings else "That has been done again already."


def _all_of(user_id: int, message_id: str, wanted: Sequence[str]) -> str:
    try:
        undone = services().todos.undo(By(user_id), message_id=message_id)
    except errors.NotFound:
        # It only told again what an earlier try had done.
        return _each(user_id, reversed(wanted))
    except AppError as why:
        return why.message
    left = [one for one in wanted if one not in {change.id for change in undone.changes}]
    refused = {one.change.id for one in undone.refused}
    told = " ".join(dict.fromkeys(one.why.message for one in undone.refused))
    more = _each(user_id, [one for one in reversed(left) if one not in refused])
    return " ".join(words for words in (told, more) if words)


def _each(user_id: int, change_ids: Iterable[str]) -> str:
    """Undo some changes one by one; why some could not be."""
    wrong: list[str] = []
    for change_id in change_ids:
        try:
            services().todos.undo(By(user_id), change_id)
        except AppError as why:
            wrong.append(why.message)
    return " ".join(dict.fromkeys(wrong))
