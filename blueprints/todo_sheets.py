"""One todo in a browser: everything about it, its day, and its end. Sheets above the list, or pages of their own."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import orjson
from flask import Blueprint, Response, request

from blueprints import todo_said
from blueprints.extensions import services
from blueprints.todo_pages import answered, answered_by_sheet, me, sheet, zone
from blueprints.todo_shown import repeats, row
from services import when
from services.errors import FieldError, InvalidInput
from services.store import todos as caps
from services.store.base import utc_now
from services.store.todos import Draft, Todo
from services.todos import fields, quick
from services.todos.actions import By
from services.todos.rules import months_later

blueprint = Blueprint("todo_sheets", __name__)

# As the form has them; the texts in which a todo is shown there are compared with what comes back.
_FIELDS: Final = ("item", "notes", "start_time", "due_time", "importance", "tags", "project", "recurrence")
_MAX_STEPS_CHARS: Final = 10_000


@blueprint.get("/todos/<todo_id>")
def detail(todo_id: str) -> str:
    """Everything about a todo."""
    return _detail(services().todos.get(me(), todo_id))


@blueprint.post("/todos/<todo_id>")
def save(todo_id: str) -> Response:
    """Change what was changed in the form; what others have changed meanwhile stays."""
    todo = services().todos.get(me(), todo_id)

    def act() -> Response:
        changed, steps = _changed(todo), _steps()
        own_zone = todo.zone or zone()
        found = fields.changed(changed, now=utc_now(), zone=own_zone)
        done = services().todos.update(By(me()), todo_id, found.values)
        if steps:
            added = services().todos.add(By(me()), [_under(step, todo_id) for step in steps])
            if not done.change_id:
                return answered(todo_said.of_added(added, (), zone=zone()))
        notes = (*found.remarks, *([f"{todo_said.steps(len(steps))} added"] if steps else []))
        return answered(todo_said.of_done("updated", done, notes, zone=zone()))

    return answered_by_sheet(act, lambda problem: _detail(todo, problem, request.form))


@blueprint.get("/todos/<todo_id>/when")
def ask_when(todo_id: str) -> str:
    """The day of a todo: some that are often meant, a calendar, or words."""
    return _when(services().todos.get(me(), todo_id))


@blueprint.post("/todos/<todo_id>/when")
def set_when(todo_id: str) -> Response:
    """Give a todo another day: due on it if it was due, else planned for it."""
    todo = services().todos.get(me(), todo_id)

    def act() -> Response:
        name = "due_time" if todo.due is not None else "start_time"
        words = (request.form.get("when") or request.form.get("day") or "").strip()
        if "none" in request.form:
            words = ""
        elif not words:
            raise InvalidInput([FieldError("when", "is missing")])
        try:
            found = fields.changed({name: words or None}, now=utc_now(), zone=zone())
        except InvalidInput as wrong:
            raise InvalidInput([FieldError("when", each.message) for each in wrong.errors], wrong.message) from wrong
        done = services().todos.update(By(me()), todo_id, _at_same_time(todo, found.values))
        return answered(todo_said.of_done("updated", done, found.remarks, zone=zone()))

    return answered_by_sheet(act, lambda problem: _when(todo, problem, request.form))


@blueprint.get("/todos/<todo_id>/delete")
def ask_delete(todo_id: str) -> str:
    """Nothing is deleted before this is agreed to."""
    return sheet("todos/_delete.html", "Delete", todo=services().todos.get(me(), todo_id), problem=None)


@blueprint.post("/todos/<todo_id>/delete")
def delete(todo_id: str) -> Response:
    """Take a todo away, with its subtasks; it can be undone."""
    done = services().todos.delete(By(me()), todo_id)
    return answered(todo_said.of_done("deleted", done, zone=zone()))


def _detail(todo: Todo, problem: Mapping[str, Any] | None = None, form: Mapping[str, str] | None = None) -> str:
    shown = _shown(todo)
    now = utc_now()
    return sheet(
        "todos/_detail.html",
        "Todo",
        todo=todo,
        row=row(todo, now=now, zone=zone()),
        parent=services().todos.get(me(), todo.parent_id) if todo.parent_id else None,
        values={**shown, "steps": "", **(form or {})},
        was=(form or {}).get("was") or orjson.dumps(shown).decode(),
        zone=todo.zone or zone(),
        created=when.said_day(when.today(todo.created_at, zone())),
        projects=[name for name, _ in services().todos.projects(me())],
        caps=caps,
        problem=problem,
    )


def _when(todo: Todo, problem: Mapping[str, Any] | None = None, form: Mapping[str, str] | None = None) -> str:
    today = when.today(utc_now(), zone())
    often = [
        ("Today", today),
        ("Tomorrow", today + timedelta(days=1)),
        ("Next Monday", today + timedelta(days=7 - today.weekday())),
        ("In a month", months_later(today, 1)),
    ]
    return sheet(
        "todos/_when.html",
        "When",
        todo=todo,
        row=row(todo, now=utc_now(), zone=zone()),
        often=[(name, day.isoformat(), when.said_day(day)) for name, day in often],
        value=(form or {}).get("when", ""),
        day=(todo.day.day.isoformat() if todo.day else ""),
        zone=zone(),
        problem=problem,
    )


def _shown(todo: Todo) -> dict[str, str]:
    """A todo's fields as its form shows them."""
    return {
        "item": todo.item,
        "notes": todo.notes,
        "start_time": _text(todo.start),
        "due_time": _text(todo.due),
        "importance": todo.importance,
        "tags": ", ".join(todo.tags),
        "project": todo.project or "",
        "recurrence": repeats(todo),
    }


def _text(day: when.When | None) -> str:
    return "" if day is None else day.text.removesuffix(":00") if day.at else day.text


def _changed(todo: Todo) -> dict[str, str | None]:
    """What was changed in the form, compared with what it showed."""
    try:
        was = orjson.loads(request.form.get("was", ""))
    except orjson.JSONDecodeError:
        was = None
    if not isinstance(was, dict):
        was = _shown(todo)
    sent = {name: request.form[name].replace("\r\n", "\n") for name in _FIELDS if name in request.form}
    return {name: value for name, value in sent.items() if value.strip() != was.get(name)}


def _steps() -> list[Draft]:
    """The steps that were added, one a line."""
    text = request.form.get("steps", "")
    if len(text) > _MAX_STEPS_CHARS:
        raise InvalidInput([FieldError("steps", f"must have at most {_MAX_STEPS_CHARS} characters")])
    if not text.strip():
        return []
    try:
        found = quick.read_lines(text, now=utc_now(), zone=zone())
    except InvalidInput as wrong:
        raise InvalidInput([FieldError("steps", wrong.errors[0].message)], wrong.message) from wrong
    # Steps have no steps: what is indented below one stands behind it.
    return [_step(each) for line in found for each in (line, *line.children)]


def _step(line: quick.Quick) -> Draft:
    return Draft(line.item, start=line.start, due=line.due, importance=line.importance or "medium", tags=line.tags)


def _under(step: Draft, todo_id: str) -> Draft:
    return Draft(
        step.item, start=step.start, due=step.due, importance=step.importance, tags=step.tags, parent_id=todo_id
    )


def _at_same_time(todo: Todo, values: dict[str, Any]) -> dict[str, Any]:
    """Another day at the time that the todo had, where only a day was chosen from a calendar."""
    if request.form.get("when") and not request.form.get("keeps"):
        return values
    old = todo.day
    return {
        name: when.settled(new.day, old.at, old.zone)[0] if new and old and old.at and old.zone and not new.at else new
        for name, new in values.items()
    }
