"""What is sent about children: a profile as a `ChildDraft`, a child's number. Pure.

JSON and forms send the same flat fields; lists may be texts parted by commas or lines.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from services.errors import FieldError, InvalidInput, NotFound
from services.store import children
from services.store.children import LEVELS, MAX_ID, OLDEST, PRONOUNS, YOUNGEST, Child, ChildDraft, Level, Pronouns
from services.stories.safety import Kind, judge_input

MAX_NAME: Final = 40
MAX_ENTRY: Final = 40
MAX_INTERESTS: Final = 10
MAX_AVOID: Final = 20
MAX_DAILY: Final = 50
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_WHOLE: Final = re.compile(r"\s*(-?[0-9]{1,9})\s*", re.ASCII)
_PARTED: Final = re.compile(r"[,;\n]")
_TIME: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::[0-5][0-9])?", re.ASCII)
_IN_NAME: Final = frozenset(" '’-.")
_WORDS: Final = re.compile(r"\w+")
# No story can be told without these: who wants one of them left out would never be told any.
_NEEDED: Final = frozenset(
    _WORDS.findall(
        "a an the and or but so as if then than that this these those there here it its is was are were be been am do"
        " did has have had he she they we you i him her them us me his their our your my of to in on at by for from"
        " with into up down out over not no yes who what when where how all one again together end"
    )
)
_LEVEL_NAMES: Final = {
    **{level: level for level in LEVELS},
    "easy": "beginner",
    "medium": "intermediate",
    "usual": "intermediate",
    "hard": "advanced",
}
_PRONOUN_NAMES: Final = {
    **{word: word for word in PRONOUNS},
    **{"her": "she", "she/her": "she", "him": "he", "he/him": "he", "them": "they", "they/them": "they"},
}


def drafted(values: Mapping[str, Any], *, now: Child | None = None) -> ChildDraft:
    """A child's profile, as it is sent.

    Args:
        values: name, age, level, pronouns, interests, avoid, daily_limit, bedtime; unknown names mean nothing.
        now: The child as it is: what is not sent stays so. None: a new one, which needs a name and an age.

    Raises:
        InvalidInput: Names every field that is wrong; the words for a story that are not for a child among them.
    """
    reader = _Reader(values)
    draft = reader.draft(now.draft() if now is not None else None)
    reader.check()
    return draft


def known_id(value: Any) -> int:
    """A child's number, from an address or a body.

    Raises:
        NotFound: It is none, so that no child has it.
    """
    number = _number(value)
    if number is None or not 0 < number <= MAX_ID:
        raise NotFound(children.UNKNOWN)
    return number


def child_id(value: Any) -> int | None:
    """The same where it may be left out."""
    return None if value is None or value == "" else known_id(value)


def one_line(text: str) -> str:
    """A text on one line, without what cannot be seen."""
    return " ".join(_CONTROL.sub("", unicodedata.normalize("NFC", text)).split())


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        found = _WHOLE.fullmatch(value)
        return int(found[1]) if found else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class _Reader:
    """Reads what was sent, and notes every mistake under its field's name."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._mistakes: list[FieldError] = []

    def draft(self, now: ChildDraft | None) -> ChildDraft:
        """All of it."""
        is_new = now is None
        was = now or ChildDraft("", OLDEST)
        age = self._age() if is_new or "age" in self._values else was.age
        draft = replace(
            was,
            age=age,
            name=self._name(age) if is_new or "name" in self._values else was.name,
        )
        read: Mapping[str, Callable[[], Any]] = {
            "level": self._level,
            "pronouns": self._pronouns,
            "interests": lambda: self._entries("interests", MAX_INTERESTS, age, "interest"),
            "avoid": lambda: self._entries("avoid", MAX_AVOID, age, "avoid"),
            "daily_limit": self._daily_limit,
            "bedtime": self._bedtime,
        }
        draft = replace(draft, **{name: value() for name, value in read.items() if name in self._values})
        self._spares_the_hero(draft)
        return draft

    def check(self) -> None:
        """Raise for everything that was noted."""
        if self._mistakes:
            raise InvalidInput(self._mistakes)

    def _wrong(self, name: str, message: str) -> None:
        self._mistakes.append(FieldError(name, message))

    def _name(self, age: int) -> str:
        value = self._values.get("name")
        text = one_line(value[: MAX_NAME * 4]) if isinstance(value, str) else ""
        if value is not None and not isinstance(value, str):
            self._wrong("name", "must be a text")
        elif not text:
            self._wrong("name", "is missing")
        elif len(text) > MAX_NAME or len(cast(str, value)) > MAX_NAME * 4:
            self._wrong("name", f"must have at most {MAX_NAME} characters")
        elif not _is_name(text):
            self._wrong("name", "must be letters, and between them blanks, hyphens, apostrophes or full stops")
        else:
            self._judge("name", text, age, "name")
        return text

    def _age(self) -> int:
        value = self._values.get("age")
        number = _number(value)
        if value is None or value == "":
            self._wrong("age", "is missing")
        elif number is None or not YOUNGEST <= number <= OLDEST:
            self._wrong("age", f"must be a whole number from {YOUNGEST} to {OLDEST}")
        return number if number is not None and YOUNGEST <= number <= OLDEST else OLDEST

    def _spares_the_hero(self, draft: ChildDraft) -> None:
        """A child is in all its stories, by its name."""
        if self._mistakes or not draft.avoid:
            return
        without = judge_input(draft.name, age=draft.age, avoid=draft.avoid, kind="name")
        if not without.allowed and judge_input(draft.name, age=draft.age, kind="name").allowed:
            self._wrong("avoid", "must not be the name of the child, who is in every story")

    def _level(self) -> Level:
        return cast(Level, self._one_of("level", _LEVEL_NAMES, LEVELS, "intermediate"))

    def _pronouns(self) -> Pronouns:
        return cast(Pronouns, self._one_of("pronouns", _PRONOUN_NAMES, PRONOUNS, "they"))

    def _one_of(self, name: str, names: Mapping[str, str], told: Sequence[str], usual: str) -> str:
        value = self._values.get(name)
        if value is None or value == "":
            return usual
        found = names.get(value.strip().casefold()) if isinstance(value, str) else None
        if found is None:
            self._wrong(name, f"must be one of {', '.join(told)}")
        return found or usual

    def _entries(self, name: str, most: int, age: int, kind: Kind) -> tuple[str, ...]:
        value = self._values.get(name)
        if isinstance(value, str):
            value = _PARTED.split(value[: (most + 1) * (MAX_ENTRY + 2) * 4])
        if value is None:
            return ()
        if not isinstance(value, Sequence) or not all(isinstance(entry, str) for entry in value):
            self._wrong(name, "must be a list of texts")
            return ()
        kept: dict[str, str] = {}
        for entry in value:
            text = one_line(entry[: MAX_ENTRY * 4])
            if len(text) > MAX_ENTRY or len(entry) > MAX_ENTRY * 4:
                self._wrong(name, f"must each have at most {MAX_ENTRY} characters")
                return ()
            if text:
                kept.setdefault(text.casefold(), text)
        if len(kept) > most:
            self._wrong(name, f"must be at most {most}")
            return ()
        for text in kept.values():
            if kind == "avoid" and _NEEDED.issuperset(_WORDS.findall(text.casefold())):
                self._wrong(name, f"must be things; no story can do without “{text}”")
                break
            if not self._judge(name, text, age, kind):
                break
        return tuple(kept.values())

    def _daily_limit(self) -> int | None:
        value = self._values.get("daily_limit")
        if value is None or value == "":
            return None
        number = _number(value)
        if number is None or not 0 <= number <= MAX_DAILY:
            self._wrong("daily_limit", f"must be a whole number from 0 to {MAX_DAILY}, or nothing")
            return None
        return number

    def _bedtime(self) -> str | None:
        value = self._values.get("bedtime")
        if isinstance(value, Mapping):
            value = value.get("from")
        if value is None or value == "":
            return None
        found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None:
            self._wrong("bedtime", "must be a time of day such as 19:30, or nothing")
            return None
        return f"{int(found[1]):02}:{found[2]}"

    def _judge(self, name: str, text: str, age: int, kind: Kind) -> bool:
        verdict = judge_input(text, age=age, kind=kind)
        if not verdict.allowed:
            self._wrong(name, f"does not fit a story. {verdict.reason}".strip())
        return verdict.allowed


def _is_name(text: str) -> bool:
    """Letters with their marks, and a few signs between them."""
    kinds = [unicodedata.category(sign)[0] for sign in text]
    return kinds[0] == "L" and all(kind in "LM" or sign in _IN_NAME for kind, sign in zip(kinds, text, strict=True))
