"""What people say in passing: "I paid the rent", "mark it as done", "eggs, milk and bread", "..., important". Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.assistants.todos import pieces
from services.todos.quick import Quick
from services.when import of_instant, parse

_I: Final = re.IGNORECASE
# What is done with todos, in the past; the others end in -ed.
_PAST: Final[Mapping[str, str]] = {
    "paid": "pay", "bought": "buy", "sent": "send", "wrote": "write", "took": "take", "got": "get", "made": "make",
    "read": "read", "fed": "feed", "met": "meet", "brought": "bring", "gave": "give", "sold": "sell", "built": "build",
    "told": "tell", "swept": "sweep", "hung": "hang", "found": "find", "went to": "go to", "spoke to": "speak to",
    "done": "do", "did": "do", "booked": "book", "called": "call", "cleaned": "clean", "cancelled": "cancel",
    "canceled": "cancel", "picked up": "pick up", "fixed": "fix", "washed": "wash", "renewed": "renew",
    "emailed": "email", "mailed": "mail", "phoned": "phone", "ordered": "order", "returned": "return",
    "watered": "water", "walked": "walk", "repaired": "repair", "submitted": "submit", "signed": "sign",
    "printed": "print", "posted": "post", "packed": "pack", "ironed": "iron", "vacuumed": "vacuum", "filed": "file",
    "visited": "visit", "collected": "collect", "reviewed": "review", "cooked": "cook", "watched": "watch",
    "mowed": "mow", "replied to": "reply to", "answered": "answer", "texted": "text", "uploaded": "upload",
}  # fmt: skip
_DID: Final = re.compile(
    rf"i(?:'ve| have)? (?:just |already |finally )*(?P<verb>{'|'.join(map(re.escape, _PAST))}) (?P<rest>.+?)"
    r"(?:,? (?:already|today|yesterday|now|just now|this (?:morning|afternoon|evening)|last night))*[\s.!]*",
    _I,
)
_IT: Final = re.compile(r"(?:it|that|this|that one|this one|the last one|that (?:todo|task)|this (?:todo|task))", _I)
_THEM: Final = re.compile(r"(?:them|those|these|them all|all of (?:them|those|these)|both|both of them)", _I)
_ID: Final = re.compile(r"\(([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\)")
_LEVEL: Final = re.compile(
    r"\s*(?:,|;|-|–|\()\s*(?:(?:it(?:'s| is)|this is|that's|very|really) )*"
    r"(?P<word>important|urgent|unimportant|not (?:urgent|important)|(?:high|low) (?:priority|importance))[\s.!)]*$",
    _I,
)
_ADDING: Final = re.compile(r"^(?:please )?(?:add|put|create|get)\b", _I)
_FINISHED: Final = re.compile(
    r"\b(?:did i|have i|i have|i've|i)\b.*\b(?:finish|finished|complete|completed|do|done|get done|got done|achieve)\b",
    _I,
)
_PLANNED: Final = re.compile(
    r"\b(?:have|need|got|want|must|should|do) (?:i )?(?:have |need |want )?to\b|\bdo i have\b|\bto do\b|\bshould i\b",
    _I,
)
_NAMED_DONE: Final = re.compile(r"(?P<name>.{1,100}?)(?:,|:| -| is)? (?:done|finished|completed)", _I)
_UNWANTED: Final = re.compile(
    r"(?:cancel|forget|drop|scrap|no need for) (?:about )?(?P<name>.{1,100})|"
    r"i (?:don'?t|do not|no longer) need (?:to )?(?P<need>.{1,100}?)(?: any ?more)?",
    _I,
)
_NOTHING: Final = re.compile(r"(?:never ?mind|nothing|forget (?:it|that)|no thanks?|not now)", _I)
_WHOLE: Final = re.compile(r"(?:my |the )?(?:whole |entire )?(?:to-?do )?list", _I)
_SCHEDULE: Final = re.compile(r"^(?:please )?schedule (?:an? )?", _I)
_LONGEST: Final = 3


def did(sentence: str) -> tuple[str, str] | None:
    """Of "I paid the rent" what the todo may be called: "pay the rent", and "the rent"."""
    found = _DID.fullmatch(sentence.strip())
    if found is None:
        return None
    return f"{_PAST[found['verb'].casefold()]} {found['rest']}", found["rest"]


def is_it(name: str) -> bool:
    """Whether a todo is meant that was spoken of."""
    return bool(_IT.fullmatch(name.strip()) or _THEM.fullmatch(name.strip()))


def done_names(sentence: str) -> list[str]:
    """What the todo may be called that this says is done: "I paid the rent", "paid the rent", "dentist done"."""
    text = sentence.strip(" .!")
    found = did(text) or did(f"i {re.sub(r'^(?:just|already) ', '', text, flags=_I)}")
    said = _NAMED_DONE.fullmatch(text)
    return [*(found or ()), *((said["name"],) if said else ())]


def unwanted(sentence: str) -> str:
    """What "cancel the dentist" and "I don't need the gym any more" are about; empty for anything else."""
    found = _UNWANTED.fullmatch(sentence.strip(" .!"))
    return (found["name"] or found["need"]) if found else ""


def is_nothing(sentence: str) -> bool:
    """Whether somebody takes back what they were about to say."""
    return bool(_NOTHING.fullmatch(sentence.strip(" .!")))


def is_whole_list(name: str) -> bool:
    """Whether "my list" is meant, which is everything in it."""
    return bool(_WHOLE.fullmatch(name.strip(" .!")))


def may_be_new(kind: str, sentence: str) -> bool:
    """Whether what changes a todo that there is may be a new one, if there is none: "schedule a call for Tuesday"."""
    if kind == "reschedule":
        return bool(_SCHEDULE.match(sentence) or re.search(r"\b(?:is|are) due\b", sentence, _I))
    return kind == "importance" and not re.match(r"(?:mark|set|make|flag|change)\b", sentence.strip(), _I)


def as_new(sentence: str) -> str:
    """The line of such a todo."""
    return re.sub(r"\b(?:is|are) (?=due\b)", "", _SCHEDULE.sub("", sentence), flags=_I)


def is_them(name: str) -> bool:
    """Whether all of those are meant that were spoken of."""
    return bool(_THEM.fullmatch(name.strip()))


def spoken_of(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids of the todos that "it" or "them" may mean: those of the last answer that did something."""
    for said in reversed(list(messages)):
        if ids := list(dict.fromkeys(_ID.findall(str(said.get("did") or "")))):
            return ids
    return []


def weighed(words: str) -> str:
    """A line with how important it is as its mark: "call Ann, urgent" is `call Ann !high`."""
    found = _LEVEL.search(words)
    if found is None or not words[: found.start()].strip():
        return words
    word = found["word"].casefold()
    return (
        f"{words[: found.start()]} !{'low' if word.startswith(('un', 'not', 'low')) and word != 'urgent' else 'high'}"
    )


def each(sentence: str, line: Quick) -> list[Quick]:
    """The todos of "add eggs, milk and bread": three or more short names in a row; else the one."""
    if line.item.startswith("to ") and len(line.item) > len("to "):
        line = replace(line, item=line.item.removeprefix("to "))
    names = pieces.listed(line.item)
    is_row = "," in line.item and ":" not in line.item and len(names) > 2 and _ADDING.match(sentence.strip())
    if not is_row or any(len(name.split()) > _LONGEST for name in names):
        return [line]
    return [replace(line, item=name) for name in names]


def finished_since(words: str, today: date) -> date | None:
    """From which day "what did I finish this week?" asks; None if it asks for something else."""
    text = words.casefold()
    if not _FINISHED.search(text) or _PLANNED.search(text):
        return None
    if "yesterday" in text:
        return today - timedelta(days=1)
    if "last week" in text:
        return today - timedelta(days=today.weekday() + 7)
    if "week" in text:
        return today - timedelta(days=today.weekday())
    if "month" in text:
        return today.replace(day=1)
    return today if "today" in text else date.min


def completed_since(todos: Sequence[Mapping[str, Any]], since: date, zone: str) -> list[Mapping[str, Any]]:
    """Those of them that were completed on that day or later."""
    return [one for one in todos if (day := _day(one.get("completed_at"), zone)) is not None and day >= since]


def _day(moment: object, zone: str) -> date | None:
    try:
        return datetime.fromisoformat(str(moment).replace("Z", "+00:00")).astimezone(ZoneInfo(zone)).date()
    except ValueError:
        return None


def here(output: Mapping[str, Any], zone: str) -> Mapping[str, Any]:
    """A result with the times of its todos as the clocks of that zone show them."""
    todos = output.get("todos")
    return output if not todos else {**output, "todos": [_here(one, zone) for one in todos]}


def _here(todo: Mapping[str, Any], zone: str) -> Mapping[str, Any]:
    theirs = todo.get("zone")
    if not theirs or theirs == zone:
        return todo
    shown = {name: parse(str(todo[name]), theirs).instant() for name in ("start_time", "due_time") if todo.get(name)}
    return {**todo, "zone": zone} | {name: of_instant(at, zone).text for name, at in shown.items() if at is not None}
