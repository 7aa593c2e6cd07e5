"""Who and what a story is about, and what is true in it so far: drawn once, then carried on. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from services.stories import ages, themes
from services.stories.grammar.avoiding import Avoid, avoid
from services.stories.grammar.brief import Brief
from services.stories.grammar.draws import Draws
from services.stories.grammar.parts import Companion, Part, Quest, Tale
from services.stories.grammar.reading import common, load, told_by
from services.stories.grammar.voice import Voice, as_wish

__all__ = ["Cast", "Past", "cast_for", "spared"]

MAX_KEPT: Final = 120
"""How many entries a row in `memory` holds at most; a story of 99 chapters stays under it."""

# Which written theme is nearest to one that is not written, or that cannot be told without a child's avoided words.
_NEAREST: Final[Mapping[str, str]] = {
    "adventure": "forest", "animals": "forest", "space": "robots", "ocean": "pirates", "forest": "animals",
    "magic": "fairy-tale", "dragons": "magic", "dinosaurs": "animals", "pirates": "ocean", "robots": "space",
    "bedtime": "friendship", "fairy-tale": "magic", "mystery": "forest",
}  # fmt: skip
_ENOUGH_BEATS: Final = 3
SIGNED: Final = ("opening", "setting", "companion", "pal", "quest")
"""What `memory["signature"]` holds of a story, in this order, between bars."""
Piece = TypeVar("Piece", Part, Companion, Quest)


@dataclass(frozen=True, slots=True)
class Past:
    """What the chapters so far have left behind, read out of `memory`; what is not ours or is broken is empty."""

    used: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    did: tuple[str, ...] = ()
    teaches: tuple[str, ...] = ()
    offers: Mapping[str, str] = field(default_factory=dict)
    next: str = ""
    recap: str = ""
    idea: str = ""

    @classmethod
    def of(cls, memory: Mapping[str, Any]) -> "Past":
        """Read tolerantly: a chapter before this one may have been told by a model, or by another version of us."""
        offers = memory.get("offers")
        return cls(
            used=_row(memory, "used"),
            has=_row(memory, "has"),
            did=_row(memory, "did"),
            teaches=_row(memory, "teaches"),
            offers={str(words): str(where) for words, where in offers.items()} if isinstance(offers, Mapping) else {},
            next=_text(memory, "next"),
            recap=_text(memory, "recap"),
            idea=as_wish(_text(memory, "idea")),
        )


@dataclass(frozen=True, slots=True)
class Cast:
    """One story's people, places and purpose.

    Attributes:
        is_new: They were drawn for this chapter, so that the reader has yet to meet them.
    """

    tale: Tale
    setting: Part
    companion: Companion
    pal: str
    quest: Quest
    refrain: str
    opening: str
    title: str
    is_new: bool
    voice: Voice


def cast_for(brief: Brief, draws: Draws) -> Cast:
    """The story's cast out of `memory`, or a new one; nobody in it has a word that the child avoids."""
    tier = ages.tier(brief.age, brief.level)
    shuns = avoid(brief.avoid)
    known = None if brief.number == 1 else _remembered(brief, shuns, tier)
    return known or _drawn(brief, draws, shuns, tier)


def spared(pieces: Iterable[Piece], shuns: Avoid, tier: str) -> list[Piece]:
    """The pieces that do without the avoided words; all of them, where none does."""
    every = list(pieces)
    return [piece for piece in every if shuns.spares(piece, tier)] or every


def _remembered(brief: Brief, shuns: Avoid, tier: str) -> Cast | None:
    memory = brief.memory
    name = _text(memory, "tale")
    if name not in told_by():
        return None
    tale = load(name)
    setting = _by_id(tale.settings, _text(memory, "setting"))
    companion = _by_id(tale.companions, _text(memory, "companion"))
    quest = _by_id(tale.quests, _text(memory, "quest"))
    pal = _text(memory, "pal")
    if setting is None or companion is None or quest is None or pal not in companion.names:
        return None
    if not all(shuns.spares(piece, tier) for piece in (companion, quest)) or shuns.hits(pal, setting.place):
        return None
    title = _text(memory, "title") or brief.title
    refrain = next((line for line in tale.refrains if line == memory.get("refrain")), "")
    opening = _text(memory, "opening")
    return _cast(
        brief, tale, setting, companion, pal, quest, refrain=refrain, opening=opening, title=title, is_new=False
    )


def _drawn(brief: Brief, draws: Draws, shuns: Avoid, tier: str) -> Cast:
    tale = _tale(brief, shuns, tier)
    shelf = _shelf(brief.memory)
    setting = draws.freshest("setting", spared(tale.settings, shuns, tier), _id, shelf.get("setting", ()))
    companion = draws.freshest("companion", spared(tale.companions, shuns, tier), _id, shelf.get("companion", ()))
    quest = draws.freshest("quest", spared(tale.quests, shuns, tier), _id, shelf.get("quest", ()))
    openings = spared((*common()["opening"], *tale.openings), shuns, tier)
    opening = draws.freshest("opening", openings, _id, shelf.get("opening", ()))
    names = [name for name in companion.names if name.casefold() != brief.name.casefold() and not shuns.hits(name)]
    pal = draws.freshest("pal", names or companion.names, str, shelf.get("pal", ()))
    refrain = draws.order("refrain", [line for line in tale.refrains if not shuns.hits(line)] or [""], str)[0]
    title = brief.title.strip() or f"{brief.name} and {quest.title}"
    return _cast(
        brief, tale, setting, companion, pal, quest, refrain=refrain, opening=opening.id, title=title, is_new=True
    )


def _cast(
    brief: Brief, tale: Tale, setting: Part, companion: Companion, pal: str, quest: Quest, *,
    refrain: str, opening: str, title: str, is_new: bool,
) -> Cast:  # fmt: skip
    voice = Voice(brief.name, brief.pronouns, pal, companion, setting.place, quest.goal)
    return Cast(tale, setting, companion, pal, quest, refrain, opening, title, is_new, voice)


def _tale(brief: Brief, shuns: Avoid, tier: str) -> Tale:
    """The theme that was asked for; the nearest one that can do without the avoided words, where it cannot."""
    found = themes.find(brief.theme)
    asked = found.id if found else "adventure"
    order = dict.fromkeys((asked, _NEAREST.get(asked, ""), _NEAREST.get(_NEAREST.get(asked, ""), ""), *told_by()))
    written = [name for name in order if name in told_by()]
    for name in written:
        if _can_do_without(load(name), shuns, tier):
            return load(name)
    return load(written[0])


def _can_do_without(tale: Tale, shuns: Avoid, tier: str) -> bool:
    rows: tuple[Iterable[Part | Companion | Quest], ...] = (
        tale.settings, tale.companions, tale.quests, tale.moments, tale.turns,
    )  # fmt: skip
    every = all(any(shuns.spares(piece, tier) for piece in row) for row in rows)
    told = [quest for quest in tale.quests if shuns.spares(quest, tier)]
    ways = any(shuns.spares(way, tier) for quest in told for way in quest.ways)
    return every and ways and sum(shuns.spares(beat, tier) for beat in tale.beats) >= _ENOUGH_BEATS


def _shelf(memory: Mapping[str, Any]) -> dict[str, list[str]]:
    """What the stories on the shelf have used, by kind."""
    found: dict[str, list[str]] = {}
    rows = memory.get("shelf")
    for signature in rows if isinstance(rows, list | tuple) else ():
        for kind, value in zip(SIGNED, str(signature).split("|"), strict=False):
            found.setdefault(kind, []).append(value)
    return found


def _row(memory: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = memory.get(key)
    return tuple(item for item in value if isinstance(item, str))[-MAX_KEPT:] if isinstance(value, list | tuple) else ()


def _text(memory: Mapping[str, Any], key: str) -> str:
    value = memory.get(key)
    return value if isinstance(value, str) else ""


def _id(piece: Part | Companion | Quest) -> str:
    return piece.id


def _by_id(pieces: Iterable[Piece], name: str) -> Piece | None:
    return next((piece for piece in pieces if piece.id == name), None)
