"""What the built-in engine says. Pure. Names are data: their Markdown is escaped."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from services.assistants.todos import sentences
from services.assistants.todos.matching import Item
from services.assistants.todos.sentences import escaped
from services.errors import InvalidInput
from services.todos.quick import Quick

HELP: Final = """\
You can write plain sentences, for example:

- Buy milk tomorrow at 5pm #home
- Pay rent every 1st !high
- What is due today? Show everything overdue. List #home.
- Complete the report. Reopen the report.
- Move the dentist to next Friday. Postpone rent to Monday.
- Rename milk to oat milk. Tag milk with shopping.
- Add subtasks book a room, send invitations to Party.
- Delete milk. Undo."""
UNKNOWN: Final = (
    "I could not do that. I work without a language model here: I add, find, list, complete, reopen, move, change and "
    "delete todos, by plain sentences such as “Buy milk tomorrow at 5pm #home”, “What is due today?” or “Complete the "
    "report”. Write “help” for more."
)
WELCOME: Final = "You are welcome. Write what there is to do, or “help” for what I understand."
HELLO: Final = "Hello. Write what there is to do, or “help” for what I understand."
NOT_ASKED: Final = "I had not asked anything, so nothing was done."
TO_ADD: Final = "To add it, write “add” in front."
WHICH: Final = "Which todo? I do not know which one you mean: say its name."
NONE_DONE: Final = "Nothing was completed in that time."
KEPT_ALL: Final = "Nothing was done."
KEPT: Final = "Nothing was deleted."
NOTHING: Final = "There was nothing to do."
MORE: Final = "These are the first 50; say it again for the rest."
TOO_MANY: Final = "I read the first 20 sentences. Send the rest in another message."
TICKED: Final = "What is ticked in your list was left out."
WHEN: Final = "To when? Say it with a date, such as “Move the dentist to next Friday”."
_VERBS: Final[Mapping[str, str]] = {
    "complete": "Complete", "reopen": "Reopen", "delete": "Delete", "reschedule": "Move", "change": "Change",
    "top": "Move", "bottom": "Move", "after": "Move", "rename": "Rename", "importance": "Change", "tag": "Tag",
    "untag": "Untag",
    "project": "Move", "undate": "Change", "subtasks": "Add to",
}  # fmt: skip
_HIGH: Final = ("important", "urgent", "high")
_SHOWN_CHARS: Final = 80
_NOTHING_IN: Final[Mapping[str, str]] = {
    "open": "Your list is empty.",
    "all": "Your list is empty.",
    "today": "Nothing is due today.",
    "week": "Nothing is due in the next seven days.",
    "overdue": "Nothing is overdue.",
    "someday": "There is no todo without a date.",
    "done": "Nothing is done yet.",
}


def result(name: str, arguments: Mapping[str, Any], output: Mapping[str, Any], today: date) -> str:
    """A step in words; nothing for what is said otherwise."""
    if name == "ask_user" or output.get("status") == "needs_confirmation":
        return ""
    if name in ("list_todos", "search_todos") and "todos" in output:
        return _listed(arguments, output, today)
    if name == "list_tags" and "tags" in output:
        return _tags(output)
    told = sentences.tell(name, arguments, output, today=today).markdown
    remarks = " ".join(escaped(str(one)) for one in output.get("remarks") or ())
    again = " It had been done already." if output.get("already_done") else ""
    return f"{told.rstrip('.')}.{again}" + (f" {remarks}" if remarks else "")


def note(text: str) -> str:
    """What has to be said of how something was understood."""
    return escaped(text)


def refused(wrong: InvalidInput) -> str:
    """Why something was not understood."""
    text = wrong.message
    if text == InvalidInput.default_message and wrong.errors:
        text = "; ".join(f"{one.field} {one.message}" for one in wrong.errors)
    return f"{escaped(text)} That changed nothing."


def not_found(name: str, *, is_done: bool = False) -> str:
    """Nothing is called that."""
    kind = "todo that is done" if is_done else "open todo"
    return f"I found no {kind} called “{escaped(_short(name))}”." if name else "Which todo? Say its name."


def several(name: str, count: int) -> str:
    """More than one is called that."""
    return f"There are {count} todos called “{escaped(_short(name))}”. Say the whole name of the one that you mean."


def which(name: str, count: int) -> str:
    """The question back, where several may be meant."""
    return f"Which one? {count} todos fit “{_short(name)}”."


def options(kind: str, found: Sequence[Item]) -> list[str]:
    """One option for each, told apart by what each is called, and by its date or place where that is the same."""
    verb = _VERBS.get(kind, "Choose")
    names = [f"{verb} “{_short(item.item)}”" for item in found]
    with_dates = [
        f"{name} ({item.about})" if item.about and names.count(name) > 1 else name
        for name, item in zip(names, found, strict=True)
    ]
    told: list[str] = []
    for number, name in enumerate(with_dates, 1):
        told.append(name if with_dates.count(name) == 1 else f"{name} (number {number})")
    return told


def confirmation(items: Sequence[str]) -> str:
    """The question before anything of the person's own is deleted."""
    shown = ", ".join(f"*{escaped(_short(item))}*" for item in items[:5])
    if len(items) > 5:
        shown += f" and {len(items) - 5} more"
    return f"Shall I delete {shown}? Nothing is deleted until you say yes."


def importance(words: str) -> str:
    """`high`, `medium` or `low`, from whatever word for it."""
    word = words.casefold()
    if "unimportant" in word or "low" in word:
        return "low"
    return "high" if any(sign in word for sign in _HIGH) else "medium"


def repetition(line: Quick) -> str:
    """The words by which a line says how it repeats."""
    return " ".join(chip.words for chip in line.chips if chip.kind == "repeat")


def _listed(arguments: Mapping[str, Any], output: Mapping[str, Any], today: date) -> str:
    todos = output.get("todos") or ()
    if not todos:
        is_plain = set(arguments) == {"view"}
        return _NOTHING_IN.get(str(arguments.get("view")), "") if is_plain else "I found no todo like that."
    lines = [
        f"{len(todos)} {'todo' if len(todos) == 1 else 'todos'}{', the first ones' if output.get('more') else ''}:"
    ]
    for one in todos:
        facts = [
            sentences.day(one.get("start_time"), today=today),
            f"due {due}" if (due := sentences.day(one.get("due_time"), today=today)) else "",
            "high importance" if one.get("importance") == "high" else "",
            " ".join(f"#{tag}" for tag in one.get("tags") or ()),
            str(one.get("recurrence") or ""),
        ]
        told = ", ".join(fact for fact in facts if fact)
        mark = "done: " if one.get("status") == "done" else ""
        lines.append(f"- {mark}*{escaped(_short(str(one.get('item'))))}*" + (f" ({escaped(told)})" if told else ""))
    return f"{lines[0]}\n\n" + "\n".join(lines[1:])


def _tags(output: Mapping[str, Any]) -> str:
    tags = ", ".join(f"#{one['tag']} ({one['count']})" for one in output.get("tags") or ())
    projects = ", ".join(f"{one['project']} ({one['count']})" for one in output.get("projects") or ())
    told = [
        f"Tags: {escaped(tags)}." if tags else "There are no tags.",
        f"Projects: {escaped(projects)}." if projects else "",
    ]
    return " ".join(text for text in told if text)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else f"{line[: _SHOWN_CHARS - 1].rstrip()}…"
