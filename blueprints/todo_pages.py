"""The todo list in a browser: everything works as plain forms; scripts make it quicker.

What a form does is answered to scripts by fragments: the list as it has become, and a sentence with its undo.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Blueprint, Response, render_template, request

from blueprints import body, errors, identity, negotiate, todo_panel, todo_quick, todo_said
from blueprints.extensions import services
from blueprints.pages import new_key
from blueprints.todo_said import Said
from blueprints.todo_shown import Board, Choice, read
from services.errors import AppError, FieldError, InvalidInput, NotFound
from services.store import todo_changes
from services.store.base import utc_now
from services.todos import importing
from services.todos.actions import By, Done

blueprint = Blueprint("todo_pages", __name__)

CHANGES_SHOWN: Final = 50
_MAX_KEY: Final = 64
# What a form can be sent again for.
_MISTAKES: Final = frozenset({400, 409, 413, 415})


@blueprint.get("/todos")
def page() -> Response:
    """The list, and the agent beside it; to scripts, the list as another filter shows it."""
    item_id = request.args.get("item", "")
    if item_id:
        return negotiate.see_other(f"/todos/{services().todos.get(me(), item_id).id}")
    if negotiate.is_fragment(request):
        return Response(render_template("todos/listed.html", board=board(), said=None, is_new_way=True))
    return Response(whole(said=_said_before()))


@blueprint.post("/todos")
def add() -> Response:
    """Make a todo of a line, or several of several lines."""

    def act() -> Response:
        sent = body.fields(request)
        line = str(sent.values.get("line") or "")
        found = todo_quick.understood(line, request.form.getlist("plain"), now=utc_now(), zone=zone())
        if "preview" in sent.values:
            return Response(whole(line=line, echo=todo_quick.shown(found, zone())))
        # A form that is sent twice adds once.
        key = str(sent.values.get("key") or new_key())[:_MAX_KEY]
        added = services().todos.add(By(me(), message_id=f"form-{key}", call_id="add"), todo_quick.drafts(found))
        return answered(todo_said.of_added(added, found.notes, zone=zone()))

    try:
        return errors.on_page(act, _add_again)
    except InvalidInput as wrong:
        if not negotiate.is_fragment(request):
            raise
        told = todo_quick.mistake(wrong, request.form.get("line", ""))
        return Response(render_template("todos/_echo.html", **told, swaps=True), status=400)


@blueprint.post("/todos/quick")
def echo() -> Response:
    """How a line is understood, before anything is made of it."""
    line = request.form.get("line", "")
    if not line.strip():
        return Response("")
    try:
        found = todo_quick.understood(line, request.form.getlist("plain"), now=utc_now(), zone=zone())
    except InvalidInput as wrong:
        return Response(render_template("todos/_echo.html", **todo_quick.mistake(wrong, line)))
    return Response(render_template("todos/_echo.html", echo=todo_quick.shown(found, zone())))


@blueprint.post("/todos/<todo_id>/complete")
def complete(todo_id: str) -> Response:
    """Tick one off."""
    return _acted("completed", services().todos.complete(By(me()), todo_id))


@blueprint.post("/todos/<todo_id>/reopen")
def reopen(todo_id: str) -> Response:
    """Take the tick back."""
    return _acted("reopened", services().todos.reopen(By(me()), todo_id))


@blueprint.post("/todos/<todo_id>/move")
def move(todo_id: str) -> Response:
    """Put one behind another (`after`; empty: before all), or one place `up` or `down` (`way`)."""
    way = request.form.get("way")
    after_id = _beside(todo_id, way) if way in {"up", "down"} else request.form.get("after") or None
    return _acted("moved", services().todos.move(By(me()), todo_id, after_id=after_id))


@blueprint.post("/todos/undo")
def undo() -> Response:
    """Undo a change (`change_id`), all that an answer did (`message_id`), or the latest one."""
    change_id, message_id = (request.form.get(name) or None for name in ("change_id", "message_id"))
    if message_id and message_id.startswith(importing.PREFIX):
        return answered(todo_said.of_undone(importing.undo(services().todos, me(), message_id)))
    undone = services().todos.undo(By(me()), change_id, message_id=message_id)
    return answered(todo_said.of_undone(undone))


@blueprint.get("/todos/changes")
def changes() -> str:
    """What was done to my list lately, each with its undo."""
    found = services().todos.changes(me(), CHANGES_SHOWN)
    told = todo_said.told(found, now=utc_now(), zone=zone())
    return sheet("todos/_changes.html", "Changes", told=told)


def me() -> int:
    """Whose list it is."""
    return identity.require().user.id


def zone() -> str:
    """The zone of their days and times."""
    return identity.require().user.zone


def board() -> Board:
    """The list as the address filters it."""
    choice, now = Choice.of(request.args), utc_now()
    return Board(choice, services().database.run(read, me(), choice, now=now, zone=zone()), now, zone())


def whole(
    *,
    said: Said | None = None,
    line: str = "",
    echo: Mapping[str, object] | None = None,
    problem: Mapping[str, Any] | None = None,
    problem_at: str = "",
) -> str:
    """The page.

    Args:
        said: What has just been done.
        line: What was typed to be added, and not taken.
        echo: How that is understood.
        problem: What was wrong, at the part of the page that is named.
    """
    shown = board()
    return render_template(
        "todos/page.html",
        user=identity.require().user,
        board=shown,
        agent=todo_panel.shown(),
        toast=todo_said.values(said, shown.suffix) if said else None,
        line=line,
        echo=echo,
        problem=problem,
        problem_at=problem_at,
        key=new_key(),
        max_line_chars=todo_quick.MAX_CHARS,
    )


def answered(said: Said) -> Response:
    """What follows a form: to scripts the list as it has become, to others the page again."""
    shown_choice = Choice.of(request.args)
    if not negotiate.is_fragment(request):
        place = shown_choice.url_of()
        mark = f"said={said.change_id}" if said.change_id else ""
        return negotiate.see_other(f"{place}{'&' if '?' in place else '?'}{mark}" if mark else place)
    shown = board()
    values = todo_said.values(said, shown.suffix)
    return Response(render_template("todos/listed.html", board=shown, said=values, is_new_way=False))


def sheet(name: str, title: str, **values: Any) -> str:
    """What opens above the list: to scripts alone, to others as a page of its own."""
    choice = Choice.of(request.args)
    values |= {"title": title, "suffix": choice.suffix, "back_url": choice.url_of()}
    if negotiate.is_fragment(request):
        return render_template(name, **values)
    return render_template("todos/sheet.html", user=identity.require().user, part=name, **values)


def answered_by_sheet(act: Callable[[], Response], again: Callable[[dict[str, Any]], str]) -> Response:
    """Do what a sheet's form asks for; its mistake stands at its field, also for scripts."""
    try:
        return errors.on_page(act, lambda problem: Response(again(problem)))
    except AppError as wrong:
        if not negotiate.is_fragment(request) or errors.status_of(wrong) not in _MISTAKES:
            raise
        return Response(again(errors.problem_of(wrong)), status=errors.status_of(wrong))


def _acted(kind: str, done: Done) -> Response:
    return answered(todo_said.of_done(kind, done, zone=zone()))


def _add_again(problem: dict[str, Any]) -> Response:
    return Response(whole(line=request.form.get("line", ""), problem=problem, problem_at="quick"))


def _said_before() -> Said | None:
    """What a form without script has done, before it led here."""
    change_id = request.args.get("said", "")
    if not change_id:
        return None
    try:
        return todo_said.again(services().database.run(todo_changes.get, me(), change_id))
    except NotFound:
        return None


def _beside(todo_id: str, way: str | None) -> str | None:
    """Behind which todo one stands that is moved by one place, among those it stands with."""
    todo = services().todos.get(me(), todo_id)
    if todo.parent_id:
        ids = [other.id for other in services().todos.get(me(), todo.parent_id).subtasks]
    else:
        ids = services().todos.in_order(me())
    place = ids.index(todo_id) if todo_id in ids else 0
    if way == "down":
        return ids[min(place + 1, len(ids) - 1)] if len(ids) > 1 and place + 1 < len(ids) else _refuse("last")
    if place == 0:
        return _refuse("first")
    return ids[place - 2] if place > 1 else None


def _refuse(place: str) -> str:
    raise InvalidInput([FieldError("way", f"leads nowhere: it is the {place} already")])
