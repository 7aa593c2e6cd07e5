"""What the agent did, told in sentences: a tool's call and its result, in words with the item's name. Pure.

The same sentences stand on pages, in exports, and in what the built-in engine answers. A result is read by what it
says, not by which tool gave it, and nothing in it is trusted: names are data, to be escaped by whoever shows them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

# A piece of a sentence, and whether it is the name of an item.
Piece = tuple[str, bool]
State = Literal["running", "done", "failed", "asks", "looked"]

_NAME_CHARS: Final = 120
_WORDS_CHARS: Final = 300
_MORE_ITEMS: Final = 3
_TAGS: Final = 10
_TODO_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_ESCAPED: Final = re.compile(r"([\\`*_{}\[\]()#+!|<>~&$])")


@dataclass(frozen=True, slots=True)
class Sentence:
    """What one step did.

    Attributes:
        pieces: Its words in order.
        state: `running`: it has no result yet; `asks`: nothing is done before the person agrees; `looked`: nothing
            was changed.
        todo_id: The item that it leads to; empty where there is none, as after a deletion.
        change_ids: The changes that it made, in order: by these it can be undone. None where it changed nothing.
    """

    pieces: Sequence[Piece]
    state: State = "done"
    todo_id: str = ""
    change_ids: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """In plain words."""
        return "".join(words for words, _ in self.pieces)

    @property
    def markdown(self) -> str:
        """In Markdown, names emphasised and every other mark of theirs escaped."""
        return "".join(f"*{escaped(words)}*" if is_name else escaped(words) for words, is_name in self.pieces)

    @property
    def url(self) -> str:
        """Where the item is shown in the list; empty where there is none."""
        return f"/todos?item={self.todo_id}" if self.todo_id else ""


def tell(name: str, arguments: Mapping[str, Any], output: object = None, *, today: date | None = None) -> Sentence:
    """A step in a sentence.

    Args:
        name: The tool's.
        arguments: As it was called.
        output: Its result; None while there is none.
        today: A date of this year is told without it.
    """
    if output is None:
        return Sentence(_doing(name, arguments), "running", _id(arguments.get("todo_id")))
    result = output if isinstance(output, Mapping) else {"error": str(output)}
    status = str(result.get("status") or "")
    if status == "needs_confirmation":
        return Sentence(
            [("Asks before deleting ", False), *_items(result, arguments)], "asks", _id(result.get("todo_id"))
        )
    if wrong := _wrong(result, status):
        return Sentence(_failed(name, arguments, result, wrong), "failed")
    if status not in _DONE:
        return Sentence(_looked(name, arguments, result), "looked", _id(result.get("todo_id") or result.get("id")))
    # What an undoing was about may be gone as well.
    todo_id = "" if status in ("deleted", "undone") else _id(result.get("todo_id"))
    return Sentence(_DONE[status](arguments, result, today), "done", todo_id, _changes(result))


def waiting_for(name: str, arguments: Mapping[str, Any]) -> str:
    """What is being waited for while a tool works, in plain words."""
    return "".join(words for words, _ in _doing(name, arguments))


def day(value: object, *, today: date | None = None) -> str:
    """A date, or a date with its time, as `Tue 15 Jan 14:00`; the year is left out if it is today's; empty: none."""
    text = str(value or "")
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return ""
    shown = f"{when:%a} {when.day} {when:%b}"
    if today is None or when.year != today.year:
        shown += f" {when.year}"
    return shown if len(text) <= len("2026-01-15") else f"{shown} {when:%H:%M}"


def escaped(text: str) -> str:
    """Words as Markdown that shows just them."""
    return _ESCAPED.sub(r"\\\1", text)


# -- what was done

_Told = Callable[[Mapping[str, Any], Mapping[str, Any], date | None], list[Piece]]


def _created(arguments: Mapping[str, Any], result: Mapping[str, Any], today: date | None) -> list[Piece]:
    if parts := _parts(result):
        return [(f"Added {_counted(len(parts), 'subtask')} to ", False), *_items(result, arguments)]
    facts = [*_facts({**arguments, **result}, today), *_with_parts(result)]
    return [("Added ", False), *_items(result, arguments), *_listed(", ", facts)]


def _updated(arguments: Mapping[str, Any], result: Mapping[str, Any], today: date | None) -> list[Piece]:
    named = _items(result, arguments)
    asked = {name for name in arguments if name not in ("todo_id", "item")}
    values = {name: result.get(name, arguments[name]) for name in asked}
    if asked and asked <= {"start_time", "due_time", "zone"}:
        if facts := _facts(values, today):
            return [("Moved ", False), *named, *_listed(": " if facts[0].startswith("due ") else " to ", facts)]
        return [("Took the date from ", False), *named]
    facts = _facts(values, today) + [words for words in (_CHANGED.get(name, "") for name in sorted(asked)) if words]
    if "item" in arguments and not asked:
        return [("Renamed a todo to ", False), *named]
    return [("Changed ", False), *named, *_listed(": ", facts)]


def _completed(arguments: Mapping[str, Any], result: Mapping[str, Any], today: date | None) -> list[Piece]:
    told = [("Completed ", False), *_items(result, arguments), *_listed(", ", _with_parts(result))]
    following = result.get("following") or result.get("next")
    if isinstance(following, Mapping):
        told += _listed("; next on ", _days(following, today)[:1])
    return told


def _plainly(words: str) -> _Told:
    return lambda arguments, result, _today: [(words, False), *_items(result, arguments)]


def _deleted(arguments: Mapping[str, Any], result: Mapping[str, Any], _today: date | None) -> list[Piece]:
    return [("Deleted ", False), *_items(result, arguments), *_listed(", ", _with_parts(result))]


def _undone(arguments: Mapping[str, Any], result: Mapping[str, Any], _today: date | None) -> list[Piece]:
    named = _items(result, arguments, otherwise="")
    return [("Undid the change to ", False), *named] if named else [("Undid the last change", False)]


_DONE: Final[Mapping[str, _Told]] = {
    "created": _created,
    "updated": _updated,
    "completed": _completed,
    "reopened": _plainly("Reopened "),
    "deleted": _deleted,
    "moved": _plainly("Moved "),
    "undone": _undone,
}
# What a change is called whose new value would be too much to say.
_CHANGED: Final = {"notes": "new notes", "parent_id": "where it belongs"}


def _looked(name: str, arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[Piece]:
    """What was only looked at."""
    found = next((value for value in (result.get(one) for one in ("todos", "items", "tags")) if _is_list(value)), None)
    if found is None and result.get("item"):
        return [("Looked at ", False), *_items(result, arguments)]
    count = result.get("count", result.get("total"))
    count = count if isinstance(count, int) else len(found) if found is not None else None
    thing = "tag" if "tag" in name else "todo"
    words = _words(arguments.get("query") or arguments.get("text") or arguments.get("q"))
    told = f"Looked for “{words}”" if words else f"Looked at the {'tags' if thing == 'tag' else 'list'}"
    return [(told if count is None else f"{told}: {_counted(count, thing)}", False)]


# -- what went wrong

_VERBS: Final = (
    ("create", "add", "Adding"),
    ("add", "add", "Adding"),
    ("subtask", "add", "Adding"),
    ("update", "change", "Changing"),
    ("edit", "change", "Changing"),
    ("complete", "complete", "Completing"),
    ("reopen", "reopen", "Reopening"),
    ("delete", "delete", "Deleting"),
    ("move", "move", "Moving"),
    ("tag", "tag", "Tagging"),
)
_LOOKING: Final = ("list", "search", "find", "filter", "get", "read", "look")


def _wrong(result: Mapping[str, Any], status: str) -> str:
    """What a result says went wrong; empty where nothing did."""
    told = result.get("error")
    if isinstance(told, Mapping):
        told = told.get("message") or told.get("code")
    if not told and status in ("error", "failed", "not_found", "invalid"):
        told = result.get("message") or status.replace("_", " ")
    return _words(told)


def _failed(name: str, arguments: Mapping[str, Any], result: Mapping[str, Any], wrong: str) -> list[Piece]:
    verb = next((verb for sign, verb, _ in _VERBS if sign in name), "")
    named = _items(result, arguments, otherwise="")
    if _is_looking(name):
        return [("Could not look at the list: ", False), (wrong, False)]
    if not verb:
        return [(f"Could not do “{_words(name)}”: ", False), (wrong, False)]
    return [(f"Could not {verb} ", False), *(named or [("a todo", False)]), (": ", False), (wrong, False)]


def _doing(name: str, arguments: Mapping[str, Any]) -> list[Piece]:
    if _is_looking(name):
        return [("Looking at the list", False)]
    if "undo" in name:
        return [("Undoing a change", False)]
    if "ask" in name:
        return [("Asking", False)]
    verb = next((doing for sign, _, doing in _VERBS if sign in name), "Working")
    return [(f"{verb} ", False), *_items({}, arguments, otherwise="a todo")] if verb != "Working" else [(verb, False)]


def _is_looking(name: str) -> bool:
    return any(name.startswith(sign) for sign in _LOOKING)


# -- words for values


def _items(result: Mapping[str, Any], arguments: Mapping[str, Any], *, otherwise: str = "a todo") -> list[Piece]:
    """The names of what a step is about."""
    several = result.get("items")
    if isinstance(several, Sequence) and not isinstance(several, str) and several:
        names = [_name(one.get("item") if isinstance(one, Mapping) else one) for one in several]
        return _several([name for name in names if name]) or [(otherwise, False)]
    name = _name(result.get("item") or arguments.get("item"))
    return [(name, True)] if name else [(otherwise, False)] if otherwise else []


def _several(names: Sequence[str]) -> list[Piece]:
    shown, more = names[:_MORE_ITEMS], len(names) - _MORE_ITEMS
    told: list[Piece] = []
    for at, name in enumerate(shown):
        if at:
            told.append((" and " if at == len(shown) - 1 and more <= 0 else ", ", False))
        told.append((name, True))
    return [*told, (f" and {more} more", False)] if more > 0 else told


def _facts(values: Mapping[str, Any], today: date | None) -> list[str]:
    """What is worth saying of a todo besides its name."""
    facts = _days(values, today)
    recurrence = values.get("recurrence")
    facts.append(_words(recurrence.get("text") if isinstance(recurrence, Mapping) else recurrence))
    importance = values.get("importance")
    facts.append(f"{importance} importance" if importance in ("low", "high") else "")
    tags = values.get("tags")
    facts.append(" ".join(f"#{_words(tag)}" for tag in tags[:_TAGS] if tag) if isinstance(tags, list | tuple) else "")
    facts.append(f"in {project}" if (project := _words(values.get("project"))) else "")
    return [fact for fact in facts if fact]


def _days(values: Mapping[str, Any], today: date | None) -> list[str]:
    start, due = (day(values.get(name), today=today) for name in ("start_time", "due_time"))
    return [words for words in (start, f"due {due}" if due else "") if words]


def _listed(before: str, facts: Sequence[str]) -> list[Piece]:
    return [(f"{before}{', '.join(facts)}", False)] if facts else []


def _counted(count: int, thing: str) -> str:
    return f"{count or 'no'} {thing}{'' if count == 1 else 's'}"


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _name(value: object) -> str:
    return _cut(value, _NAME_CHARS)


def _words(value: object) -> str:
    return _cut(value, _WORDS_CHARS)


def _cut(value: object, chars: int) -> str:
    text = " ".join(str(value).split()) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if len(text) <= chars else f"{text[: chars - 1].rstrip()}…"


def _parts(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The subtasks that a result tells of."""
    several = result.get("subtasks")
    return [one for one in several if isinstance(one, Mapping)] if isinstance(several, list | tuple) else []


def _with_parts(result: Mapping[str, Any]) -> list[str]:
    """How many subtasks a todo came, went or was done with."""
    parts = result.get("parts")
    return [f"with {_counted(len(parts), 'subtask')}"] if isinstance(parts, list | tuple) and parts else []


def _changes(result: Mapping[str, Any]) -> tuple[str, ...]:
    found = [_id(one.get("change_id")) for one in (result, *_parts(result))]
    return tuple(one for one in found if one)


def _id(value: object) -> str:
    """What may stand in an address and a form: an id, or nothing."""
    return value if isinstance(value, str) and _TODO_ID.fullmatch(value) else ""
