"""Themes as they are written: one text file each, `themes/<id>.txt`, read once and checked. Pure but for that reading.

A file is a row of parts. A part begins with `[kind id]`; then come `key: value` lines; a value goes on over the
following lines, and blank lines part its paragraphs. Lines that begin with # are comments. Prose is written thrice:

    3:  for ages 3 to 5: short plain sentences (4-9 words), sounds, repetition, no subordinate clauses
    6:  for ages 6 to 8: sentences of 7-13 words, some talk, one new word now and then
    9:  for ages 9 to 12: richer language, longer sentences (12-20 words), talk, thoughts, humour

The parts of a theme, with the words each prose is to have (3 / 6 / 9), and how many of it a theme needs:

    [theme]             (no id)
                        refrain: (2 or more lines; the small hear one of them in every chapter. Without
                        quotation marks it is spoken by {pal}; with them it stands as it is.)
                        lacks: ground, dry       (may be left out; what the common passages then do without: grass,
                        stones and beetles underfoot; dry land)
    [setting id]  >= 3  place: the old mill      (with its article; used as {place})
                        3: 6: 9:  35 / 65 / 100  where {name} is when the story begins. No time of day, no weather (an
                        opening sentence such as "It was a Tuesday, ..." stands before it), nobody else yet.
    [companion id] >= 4 names: Pip, Tuppence     (two or more)
                        kind: a small grey owl   noun: owl   pronoun: he | she
                        3: 6: 9:  30 / 50 / 80   how {name} meets {pal}. They meet here for the first time.
    [quest id]    >= 3  goal: the lost bell      (used as {goal} after "find", "about", "for": a noun phrase)
                        title: the Lost Bell     (the story is called "Mia and the Lost Bell")
                        ends: brought the lost bell home  (after "{name} and {pal}")
                        teaches: Courage: being brave means ... (what it is: what it says, one line)
                        problem 3: 6: 9:  50 / 90 / 150   what is wrong and what they set out to do; {pal} is there
                        climax 3: 6: 9:   60 / 110 / 190  the difficulty is met, gently; after a [way]
                        ending 3: 6: 9:   50 / 90 / 140   home again, all is well. "The end." is added.
                        calm 3: 6: 9:     50 / 90 / 140   a quiet way to the same success, told instead of the climax in
                        bedtime mode. The ending must be true after it, too.
    [way quest/id] >= 3 for each quest: how they go about it, told before the climax
                        choice: Sing to the bell (2-7 words, begins with a verb, no mark at its end)
                        did: sang to the bell    (past tense; after "{name} and {pal}")
                        glimpse 3: 6: 9:  10 / 15 / 20    what they see that makes it possible
                        3: 6: 9:          25 / 50 / 80    what they do, and that it nearly works: the climax follows
    [beat id]     >= 8  what may happen in a chapter between the first and the last, whole, with an end of its own
                        title: The Silver Footprints
                        choice: did: glimpse 3: 6: 9:     as of a way
                        3: 6: 9:          75 / 140 / 230  begins after "{name} and {pal} {did}.", so do not say it again
                        echo 3: 6: 9:     10 / 15 / 25    remembers this beat near the end of the story
                        teaches: as of a quest   (may be left out)
                        gives: lantern   needs: boat      (your own words; what needs "boat" comes after its gift)
                        stage: early | late               (may be left out)
    [moment id]   >= 6  a small calm thing on the way: a rest, a snack, a song, a joke. Told after a beat.
                        3: 6: 9:          30 / 55 / 90    may have needs: gives:
    [turn id]     >= 4  ends a chapter: the plot moves, and there is more than one way to go on. What the
                        ways are is not said: glimpses of the offered beats follow it.
                        3: 6: 9:          20 / 40 / 60    may have needs: gives:
    [opening id]        0 or more: first sentences of this theme; the common ones are used as well
                        3: 6: 9:          8 / 12 / 18

Slots (nothing else may stand in braces):

    {name} {name's}                      the child
    {they} {them} {their} {theirs} {themself}, with a capital at the start of a sentence: {They} {Their}
    {was} {wasn't} {is} {has}            after {they}: "they were", "she was". Every other verb: past tense,
                                         or with 'd and 'll ("{they}'d", "{they}'ll"), which suit all three
    {pal} {pal's} {noun} {kind}          the companion's name, "owl", "a small grey owl" ({Kind} begins a sentence)
    {pal:they} {pal:them} {pal:their} {pal:They} {pal:Their}   the companion's (she or he; "was" is right)
    {place} {Place} {goal} {Goal}
    {did} {prior} {idea} {interest}      only in the common passages (common.txt)

So that whatever is drawn goes together: beats, moments and turns hold for every setting, companion, quest and order
of their theme. A companion only does what an owl, a robot and a snail could do alike: speaks, looks, laughs, thinks,
hurries. Things that are found are carried on: name them in `gives`. Nobody is hurt, lost alone, mocked or left
behind; no weapons, no death, no illness, no brands; fears are small and pass within the passage. The last word of a
prose is a sentence's end. Quotation marks are straight (") and stand in pairs inside a paragraph; so are apostrophes.
No dashes where a comma will do.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from services.stories.grammar.parts import Companion, Part, Prose, Quest, Tale

__all__ = ["TIERS", "Unreadable", "common", "load", "parse", "parse_tale", "told_by"]

TIERS: Final = ("3", "6", "9")
_FOLDER: Final = Path(__file__).with_name("themes")
_HEADER: Final = re.compile(r"\[([a-z]+)(?: ([a-z0-9/-]+))?\]")
_TIERED: Final = ("glimpse", "echo", "problem", "climax", "ending", "calm")
_PLAIN: Final = "place|names|kind|noun|pronoun|goal|title|ends|teaches|choice|did|needs|gives|lacks|stage|refrain|words"
_KEY: Final = re.compile(rf"((?:(?:{'|'.join(_TIERED)}) )?[369]|{_PLAIN}):(?: (.*)|)$")
SLOTS: Final = frozenset(
    re.findall(
        r"\S+",
        "name name's they them their theirs themself They Them Their Theirs was wasn't is has pal pal's noun kind Kind "
        "pal:they pal:them pal:their pal:They pal:Their place Place goal Goal did prior idea interest",
    )
)
_SLOT: Final = re.compile(r"\{([^{}]*)\}")
# "{they} was" is wrong for one of the three pronouns: the verb has a slot of its own.
_DISAGREES: Final = re.compile(r"\{[tT]hey\} (?:was|wasn't|were|is|are|has|have|isn't|hasn't|doesn't|does|do)\b")


class Unreadable(ValueError):
    """A theme's file is not as the format says. Carries the file and the part."""


class _Raw:
    """A part as it stands in the file."""

    def __init__(self, kind: str, name: str, source: str) -> None:
        self.kind, self.id, self.source = kind, name, source
        self.values: dict[str, str] = {}

    def refuse(self, why: str) -> Unreadable:
        return Unreadable(f"{self.source} [{self.kind} {self.id}]: {why}")

    def get(self, key: str) -> str:
        if not self.values.get(key):
            raise self.refuse(f"has no {key}")
        return self.values[key]

    def prose(self, key: str = "") -> Prose:
        return {tier: self.get(f"{key} {tier}".strip()) for tier in TIERS}

    def maybe(self, key: str) -> Prose:
        return self.prose(key) if any(f"{key} {tier}" in self.values for tier in TIERS) else {}

    def row(self, key: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in self.values.get(key, "").split(",") if word.strip())


def parse(text: str, source: str) -> Iterator[_Raw]:
    """The parts of a file, in its order.

    Raises:
        Unreadable: A line stands outside a part, a key twice in one, or braces hold no known slot.
    """
    part: _Raw | None = None
    key = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if header := _HEADER.fullmatch(line.strip()):
            if part is not None:
                yield _checked(part)
            part, key = _Raw(header[1], header[2] or "", source), ""
        elif part is None:
            if line.strip():
                raise Unreadable(f"{source}: {line[:40]!r} stands before the first part")
        elif named := _KEY.fullmatch(line.rstrip()):
            key = named[1]
            if key in part.values and key != "refrain":
                raise part.refuse(f"has {key} twice")
            part.values[key] = f"{part.values[key]}\n{named[2] or ''}" if key in part.values else named[2] or ""
        elif key:
            part.values[key] += "\n" + line
        elif line.strip():
            raise part.refuse(f"{line[:40]!r} follows no key")
    if part is not None:
        yield _checked(part)


def _checked(part: _Raw) -> _Raw:
    for key, value in part.values.items():
        part.values[key] = value.strip() if key == "refrain" else _flowed(value)
        unknown = [slot for slot in _SLOT.findall(value) if slot not in SLOTS]
        if unknown or value.count("{") != value.count("}") or value.count("{") != len(_SLOT.findall(value)):
            raise part.refuse(f"{key} has braces that are no slot: {unknown}")
        if wrong := _DISAGREES.search(value):
            raise part.refuse(f"{key} has {wrong[0]!r}, which does not suit every pronoun")
    return part


def _flowed(value: str) -> str:
    """Lines joined; blank lines part paragraphs."""
    return "\n\n".join(" ".join(piece.split()) for piece in re.split(r"\n\s*\n", value) if piece.strip())


def _part(raw: _Raw) -> Part:
    choosable = raw.kind in ("beat", "way")
    stage = raw.values.get("stage", "any")
    if stage not in ("any", "early", "late"):
        raise raw.refuse(f"has a stage {stage!r}")
    return Part(
        kind=raw.kind,
        id=raw.id,
        prose=raw.prose(),
        glimpse=raw.prose("glimpse") if choosable else {},
        echo=raw.prose("echo") if raw.kind == "beat" else raw.maybe("echo"),
        choice=raw.get("choice") if choosable else "",
        did=raw.get("did") if choosable else "",
        title=raw.get("title") if raw.kind == "beat" else raw.values.get("title", ""),
        place=raw.get("place") if raw.kind == "setting" else "",
        teaches=raw.values.get("teaches", ""),
        words=raw.row("words"),
        needs=raw.row("needs"),
        gives=raw.row("gives"),
        stage=stage,
    )


def _companion(raw: _Raw) -> Companion:
    if raw.get("pronoun") not in ("she", "he"):
        raise raw.refuse("has a pronoun that is neither she nor he")
    if not raw.row("names"):
        raise raw.refuse("has no names")
    return Companion(raw.id, raw.row("names"), raw.get("kind"), raw.get("noun"), raw.get("pronoun"), raw.prose())


def _quest(raw: _Raw, ways: tuple[Part, ...]) -> Quest:
    if not ways:
        raise raw.refuse("has no way")
    return Quest(
        id=raw.id,
        goal=raw.get("goal"),
        title=raw.get("title"),
        ends=raw.get("ends"),
        teaches=raw.get("teaches"),
        problem=raw.prose("problem"),
        climax=raw.prose("climax"),
        ending=raw.prose("ending"),
        calm=raw.prose("calm"),
        ways=ways,
    )


def parse_tale(name: str, text: str) -> Tale:
    """A theme from its file's text.

    Raises:
        Unreadable: Something is missing, twice, misspelt or leads nowhere. Says what and where.
    """
    raws: dict[str, list[_Raw]] = {}
    seen: set[tuple[str, str]] = set()
    for raw in parse(text, f"{name}.txt"):
        if (raw.kind, raw.id) in seen:
            raise raw.refuse("stands there twice")
        seen.add((raw.kind, raw.id))
        raws.setdefault(raw.kind, []).append(raw)
    known = {"theme", "setting", "companion", "quest", "way", "beat", "moment", "turn", "opening"}
    for kind in sorted((known - {"opening"}) ^ (set(raws) - {"opening"})):
        raise Unreadable(f"{name}.txt: {'no' if kind in known else 'an unknown'} part [{kind}]")
    ways = [_part(raw) for raw in raws["way"]]
    quests = {raw.id: raw for raw in raws["quest"]}
    for way in ways:
        if way.id.partition("/")[0] not in quests:
            raise Unreadable(f"{name}.txt [way {way.id}]: there is no such quest")

    def parts(kind: str) -> tuple[Part, ...]:
        return tuple(map(_part, raws.get(kind, [])))

    return Tale(
        id=name,
        refrains=tuple(line.strip() for line in raws["theme"][0].get("refrain").splitlines() if line.strip()),
        settings=parts("setting"),
        companions=tuple(map(_companion, raws["companion"])),
        quests=tuple(
            _quest(raw, tuple(way for way in ways if way.id.startswith(f"{quest}/"))) for quest, raw in quests.items()
        ),
        beats=parts("beat"),
        moments=parts("moment"),
        turns=parts("turn"),
        openings=parts("opening"),
        lacks=raws["theme"][0].row("lacks"),
    )


@lru_cache(maxsize=32)
def load(name: str) -> Tale:
    """The theme of this id, read once in a process.

    Raises:
        Unreadable: The file is not as the format says.
        FileNotFoundError: No such theme was written.
    """
    return parse_tale(name, (_FOLDER / f"{name}.txt").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def common() -> Mapping[str, tuple[Part, ...]]:
    """What all themes share, by kind: openings, bridges, textures, closings."""
    found: dict[str, list[Part]] = {}
    for raw in parse(_FOLDER.with_name("common.txt").read_text(encoding="utf-8"), "common.txt"):
        found.setdefault(raw.kind, []).append(_part(raw))
    return {kind: tuple(parts) for kind, parts in found.items()}


@lru_cache(maxsize=1)
def told_by() -> tuple[str, ...]:
    """The themes that have been written, by id."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.txt")))
