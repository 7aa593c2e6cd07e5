"""The assistants of the site, by name."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from services.assistants import search, stories, todos
from services.assistants.base import Assistant, Engine, Hooks
from services.assistants.study import Desk, Shelf, Study
from services.assistants.study.resolving import said_before
from services.assistants.todos.resolving import before
from services.assistants.tutor import Tutor
from services.assistants.tutor.context import MAX_MESSAGES
from services.points import Prices
from services.store.conversations import Message
from services.todos.actions import Todos

NAMES = ("tutor", "study", "search", "todos", "stories")


def build(
    engine: Engine,
    shelf: Shelf | None,
    prices: Prices,
    retriever: search.Retriever,
    search_desk: search.Desk,
    operations: Todos,
    todos_desk: todos.Desk,
    storyteller: stories.Storyteller,
) -> Mapping[str, Assistant]:
    """Every assistant, speaking through `engine`."""
    assistants: tuple[Assistant, ...] = (
        Tutor(engine),
        Study(engine, shelf, prices),
        search.Search(engine, retriever, search_desk),
        todos.TodoAgent(engine, operations, todos_desk),
        storyteller,
    )
    return MappingProxyType({assistant.name: assistant for assistant in assistants})


def hooks(
    desk: Desk, search_desk: search.Desk, todos_desk: todos.Desk, stories_desk: stories.Desk
) -> Mapping[str, Hooks]:
    """What each assistant does besides answering: at a turn's start, at its end, and to ask it in other words."""
    study = Hooks(resolve=desk.resolve, before=said_before, affords=desk.affords, starts=desk.starts, ends=desk.ends)
    searching = Hooks(resolve=search_desk.resolve, ends=search_desk.ends)
    agent = Hooks(
        resolve=todos_desk.resolve,
        before=before,
        affords=todos_desk.affords,
        starts=todos_desk.starts,
        ends=todos_desk.ends,
        tells=todos_desk.tells,
    )
    telling = Hooks(
        resolve=stories_desk.resolve,
        affords=stories_desk.affords,
        starts=stories_desk.starts,
        ends=stories_desk.ends,
        tells=stories_desk.tells,
    )
    return MappingProxyType(
        {"tutor": Hooks(resolve=_tutor), "study": study, "search": searching, "todos": agent, "stories": telling}
    )


def _tutor(_user_id: int, before: Sequence[Message], turn: Mapping[str, Any], _question: str) -> Mapping[str, Any]:
    """All as it was, but for what was said before."""
    said = [{"role": row.role, "content": row.content} for row in before if row.content]
    return {**turn["facts"], "messages": said[-MAX_MESSAGES:]}
