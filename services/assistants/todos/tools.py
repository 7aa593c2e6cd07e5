"""The agent's tools: what a model, or the built-in engine, can do to a person's list, in that person's name.

Each is a typed method; its name, docstring and annotations are what a model is shown (`schema`). All go through the
operations that the pages and the API use (services/todos/actions.py), with the person's id from the turn: no argument
says whose list it is, so that foreign ids are unknown ones. What a tool refuses is an `AppError`, told as a result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from services.assistants.todos import schema
from services.errors import FieldError, InvalidInput, NotFound
from services.todos import dates, fields
from services.todos.actions import By, Done, Filter, Todo, Todos

LIST_LIMIT: Final = 50
MAX_SUBTASKS: Final = 30
MAX_OPTIONS: Final = 8
_OPTION_CHARS: Final = 120
_QUESTION_CHARS: Final = 500
_NOTES_CHARS: Final = 300
_MAX_TAGS: Final = 100

Importance = Literal["low", "medium", "high"]
View = Literal["open", "today", "week", "overdue", "someday", "done", "all"]

_ITEM: Final = "What is to be done, in a few words, without its date."
_START: Final = 'When it is: "YYYY-MM-DD HH:MM:SS" in the person\'s zone, or "YYYY-MM-DD" where no time was said.'
_DUE: Final = 'By when it must be done ("by", "until", "due"): a date as in start_time.'
_ID: Final = "The id of the todo, from list_todos or search_todos."
_TAGS: Final = "Tags, without #. They replace those that it has."
_PROJECT: Final = "The project that it belongs to."
_REPEATS: Final = 'How it repeats, in words ("every monday", "every 3 days after completion") or as an RRULE.'
_EMPTY: Final = " An empty text takes it away."


@dataclass(slots=True)
class Asked:
    """What a run wants to know from the person: the run ends with it."""

    question: str
    options: list[str]


@dataclass(slots=True)
class Tools:
    """One run's tools.

    Args:
        may_delete: Todos that the person has agreed to have deleted.
        answers: The conversation's answers before this one, the newest first: what `undo` may undo.

    Attributes:
        made: Todos that this run, or an earlier try at its question, has added: its own to delete.
        unconfirmed: What it would have deleted, had the person agreed: {todo_id, item}.
        asked: Set once the person is asked something.
    """

    todos: Todos
    user_id: int
    message_id: str
    now: datetime
    zone: str
    may_delete: frozenset[str] = frozenset()
    answers: Sequence[str] = ()
    made: set[str] = field(default_factory=set)
    unconfirmed: list[dict[str, str]] = field(default_factory=list)
    asked: Asked | None = None

    def use(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Use a tool.

        Raises:
            BadArguments: They do not fit it.
            AppError: It refuses; what it says is for anybody to see.
        """
        function = TOOLS[name]
        taken = schema.checked(function, arguments)
        by = By(self.user_id, "ai", self.message_id, call_id)
        result: dict[str, Any] = function(self, by, **taken)
        return result

    # -- changing

    def create_todo(
        self,
        by: By,
        item: Annotated[str, _ITEM],
        start_time: Annotated[str | None, _START] = None,
        importance: Annotated[Importance | None, "Medium unless the person says otherwise."] = None,
        due_time: Annotated[str | None, _DUE] = None,
        tags: Annotated[list[str] | None, "Tags, without #."] = None,
        project: Annotated[str | None, _PROJECT] = None,
        notes: Annotated[str | None, "Whatever else there is to say of it."] = None,
        recurrence: Annotated[str | None, _REPEATS] = None,
        subtasks: Annotated[list[str] | None, "Its subtasks, one short text for each."] = None,
    ) -> dict[str, Any]:
        """Add one todo to the list."""
        values = _given(
            item=item, start_time=start_time, importance=importance, due_time=due_time, tags=tags, project=project,
            notes=notes, recurrence=recurrence, subtasks=subtasks,
        )  # fmt: skip
        drafted = fields.drafted(values, now=self.now, zone=self.zone)
        done = self.todos.create(by, drafted.draft)
        self.made.add(done.todo.id)
        return _changed(done, "created", drafted.remarks)

    def update_todo(
        self,
        by: By,
        todo_id: Annotated[str, _ID],
        item: Annotated[str | None, "Its new name."] = None,
        start_time: Annotated[str | None, _START + _EMPTY] = None,
        due_time: Annotated[str | None, _DUE + _EMPTY] = None,
        importance: Annotated[Importance | None, "Its new importance."] = None,
        tags: Annotated[list[str] | None, _TAGS] = None,
        project: Annotated[str | None, _PROJECT + _EMPTY] = None,
        notes: Annotated[str | None, "Its new notes." + _EMPTY] = None,
        recurrence: Annotated[str | None, _REPEATS + _EMPTY] = None,
    ) -> dict[str, Any]:
        """Change a todo: its name, date, importance, tags, project, notes or repetition. What is left out stays."""
        values = _given(
            item=item, start_time=start_time, due_time=due_time, importance=importance, tags=tags, project=project,
            notes=notes, recurrence=recurrence,
        )  # fmt: skip
        if not values:
            raise InvalidInput([FieldError("todo_id", "comes with nothing to change")])
        cleared = {name: None if value == "" else value for name, value in values.items()}
        changed = fields.changed(cleared, now=self.now, zone=self.zone)
        return _changed(self.todos.update(by, _id(todo_id), changed.values), "updated", changed.remarks)

    def complete_todo(self, by: By, todo_id: Annotated[str, _ID]) -> dict[str, Any]:
        """Mark a todo as done. One that repeats comes back at its next date."""
        return _changed(self.todos.complete(by, _id(todo_id)), "completed")

    def reopen_todo(self, by: By, todo_id: Annotated[str, _ID]) -> dict[str, Any]:
        """Mark a todo that was done as open again."""
        return _changed(self.todos.reopen(by, _id(todo_id)), "reopened")

    def delete_todo(self, by: By, todo_id: Annotated[str, _ID]) -> dict[str, Any]:
        """Delete a todo. What the person made is not deleted before they agree: then you get needs_confirmation, \
and they are asked."""
        todo_id = _id(todo_id)
        if todo_id in self.may_delete or todo_id in self.made:
            return _changed(self.todos.delete(by, todo_id), "deleted")
        todo = self.todos.get(self.user_id, todo_id)
        if all(one["todo_id"] != todo_id for one in self.unconfirmed):
            self.unconfirmed.append({"todo_id": todo_id, "item": todo.item})
        return {
            "todo_id": todo_id,
            "status": "needs_confirmation",
            "item": todo.item,
            "message": "Not deleted. The person is asked with buttons; it can be deleted once they have agreed.",
        }

    def move_todo(
        self,
        by: By,
        todo_id: Annotated[str, _ID],
        after_id: Annotated[str | None, "The id of the todo that it comes after; left out: it comes first."] = None,
    ) -> dict[str, Any]:
        """Move a todo to another place in the list that is ordered by hand. To change its date use update_todo."""
        done = self.todos.move(by, _id(todo_id), after_id=_id(after_id) if after_id else None)
        return _changed(done, "moved")

    def add_subtasks(
        self,
        by: By,
        todo_id: Annotated[str, "The id of the todo that they belong to."],
        items: Annotated[list[str], "What is to be done, one short text for each."],
    ) -> dict[str, Any]:
        """Break a todo down into subtasks."""
        if not items or len(items) > MAX_SUBTASKS:
            raise InvalidInput([FieldError("items", f"must have 1 to {MAX_SUBTASKS} entries")])
        parent = self.todos.get(self.user_id, _id(todo_id))
        drafts = [fields.draft({"item": item, "parent_id": parent.id}, now=self.now, zone=self.zone) for item in items]
        added = self.todos.add(by, drafts)
        self.made.update(todo.id for todo in added.todos)
        return {
            "todo_id": parent.id,
            "status": "created",
            "item": parent.item,
            "subtasks": [{"todo_id": todo.id, "item": todo.item} for todo in added.todos],
            "change_id": added.change_id,
        }

    def undo(self, by: By) -> dict[str, Any]:
        """Undo what your last answer in this conversation did. What the person did themselves only they can undo."""
        for message_id in self.answers:
            try:
                undone = self.todos.undo(by, message_id=message_id)
            except NotFound:
                continue
            items = list(dict.fromkeys(change.item for change in undone.changes))
            told: dict[str, Any] = {
                "status": "undone",
                "todo_id": undone.changes[0].todo_id,
                "items": items[:LIST_LIMIT],
            }
            if undone.refused:
                told["refused"] = [one.why.message for one in undone.refused[:LIST_LIMIT]]
            return {**told, "change_id": undone.change_id}
        raise NotFound("There is nothing of mine to undo in this conversation.")

    # -- looking

    def list_todos(
        self,
        by: By,  # noqa: ARG002 - every tool takes it
        view: Annotated[View | None, "Which: open unless said otherwise."] = None,
        tag: Annotated[str | None, "Only those with this tag."] = None,
        project: Annotated[str | None, "Only those of this project."] = None,
        importance: Annotated[Importance | None, "Only those of this importance."] = None,
        since: Annotated[str | None, "Only those of this day or later, YYYY-MM-DD."] = None,
        until: Annotated[str | None, "Only those of this day or earlier, YYYY-MM-DD."] = None,
    ) -> dict[str, Any]:
        """List todos, at most 50."""
        chosen: dict[str, Any] = {"tag": tag and tag.lstrip("#"), "project": project, "importance": importance}
        for name, words in (("since", since), ("until", until)):
            if words:
                chosen[name] = dates.read(words, now=self.now, zone=self.zone).when.day
        return self._found(view or "open", **chosen)

    def search_todos(
        self,
        by: By,  # noqa: ARG002 - as above
        query: Annotated[str, "Words that stand in it."],
        view: Annotated[View | None, "Among which: all unless said otherwise."] = None,
    ) -> dict[str, Any]:
        """Find todos by the words in their names and notes, at most 50."""
        return self._found(view or "all", text=query)

    def list_tags(self, by: By) -> dict[str, Any]:  # noqa: ARG002 - as above
        """List the tags and projects that the person uses."""
        return {
            "tags": [{"tag": tag, "count": count} for tag, count in self.todos.tags(self.user_id)[:_MAX_TAGS]],
            "projects": [{"project": name, "count": n} for name, n in self.todos.projects(self.user_id)[:_MAX_TAGS]],
        }

    # -- asking

    def ask_user(
        self,
        by: By,  # noqa: ARG002 - as above
        question: Annotated[str, "One short question."],
        options: Annotated[list[str] | None, "Up to 8 answers to choose from, each of them a whole reply."] = None,
    ) -> dict[str, Any]:
        """Ask the person when it is not clear what they want, such as which of several todos. It ends your answer."""
        asked = " ".join(question.split())[:_QUESTION_CHARS]
        if not asked:
            raise InvalidInput([FieldError("question", "is empty")])
        given = [" ".join(option.split())[:_OPTION_CHARS] for option in options or ()]
        self.asked = Asked(asked, list(dict.fromkeys(option for option in given if option))[:MAX_OPTIONS])
        return {"status": "asked", "question": asked, "options": self.asked.options}

    def _found(self, view: View, **wanted: Any) -> dict[str, Any]:
        chosen = Filter(view=view, limit=LIST_LIMIT + 1, **{name: value for name, value in wanted.items() if value})
        found = self.todos.listing(self.user_id, chosen, now=self.now)
        return {
            "todos": [brief(todo) for todo in found[:LIST_LIMIT]],
            "count": min(len(found), LIST_LIMIT),
            "more": len(found) > LIST_LIMIT,
        }


def brief(todo: Todo) -> dict[str, Any]:
    """A todo as far as a tool tells of it: what is empty is left out."""
    whole = fields.as_json(todo)
    told: dict[str, Any] = {"todo_id": whole["id"]}
    told |= {name: whole[name] for name in _TOLD if whole.get(name)}
    if notes := whole.get("notes"):
        told["notes"] = notes if len(notes) <= _NOTES_CHARS else f"{notes[:_NOTES_CHARS]}…"
    if recurrence := whole.get("recurrence"):
        told["recurrence"] = recurrence.get("text") or recurrence.get("rule")
    if parts := whole.get("subtasks"):
        told["subtasks"] = [{"todo_id": one["id"], "item": one["item"], "status": one["status"]} for one in parts]
    return told


_TOLD: Final = (
    "item", "start_time", "due_time", "zone", "importance", "tags", "project", "parent_id", "status", "completed_at",
)  # fmt: skip


def _changed(done: Done, status: str, remarks: Sequence[str] = ()) -> dict[str, Any]:
    whole = fields.as_json(done.todo)
    told: dict[str, Any] = {"todo_id": done.todo.id, "status": status, "item": done.todo.item}
    told |= {name: whole[name] for name in ("start_time", "due_time", "importance", "tags", "project") if whole[name]}
    if whole["recurrence"]:
        told["recurrence"] = whole["recurrence"]["text"]
    if whole["subtasks"]:
        told["parts"] = [{"todo_id": one["id"], "item": one["item"]} for one in whole["subtasks"]]
    if done.following is not None:
        after = fields.as_json(done.following)
        told["following"] = {"todo_id": after["id"], "start_time": after["start_time"], "due_time": after["due_time"]}
    if remarks:
        told["remarks"] = list(remarks)
    return {**told, "change_id": done.change_id}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _id(todo_id: str) -> str:
    """An id as the store has it. Anything else is nobody's."""
    return todo_id.strip().casefold()[:64]


# What a model may call, by name.
TOOLS: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
    function.__name__: function
    for function in (
        Tools.create_todo, Tools.update_todo, Tools.complete_todo, Tools.reopen_todo, Tools.delete_todo,
        Tools.list_todos, Tools.search_todos, Tools.list_tags, Tools.move_todo, Tools.add_subtasks, Tools.undo,
        Tools.ask_user,
    )
}  # fmt: skip
SCHEMAS: Final = tuple(schema.schema(function) for function in TOOLS.values())
