"""What happens in a chapter, and what may happen in the next: beats, ways, choices. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from services.stories.grammar.avoiding import Avoid
from services.stories.grammar.brief import Brief
from services.stories.grammar.cast import Cast, Past
from services.stories.grammar.draws import Draws
from services.stories.grammar.parts import Part
from services.stories.grammar.reading import common

__all__ = ["Plot"]

_WORD: Final = re.compile(r"[^\W\d_]{4,}")
# Words that say nothing of what somebody would like to happen.
_COMMON: Final = frozenset(
    ("with", "from", "that", "this", "they", "them", "into", "have", "want", "would", "like", "what", "when", "where",
     "there", "about", "their", "some", "your", "then", "than", "over", "help", "look", "find", "goes", "went")
)  # fmt: skip
_SURPRISES: Final = ("surprise", "surprise me")
_DEFAULT_OFFERS: Final = 1
"""The small choose nothing, but the chapter still ends with a glimpse of what comes."""


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


class Plot:
    """The beats of one chapter, out of a cast and what has happened to it."""

    def __init__(self, brief: Brief, cast: Cast, past: Past, draws: Draws, shuns: Avoid, tier: str) -> None:
        self._brief, self._cast, self._past = brief, cast, past
        self._draws, self._shuns, self._tier = draws, shuns, tier

    def chosen(self) -> Part | None:
        """What the child chose, else the beat nearest to its own words, else what was glimpsed first; or None."""
        where = self._offered(_plain(self._brief.choice))
        ends = self._brief.is_last or self._brief.bedtime
        near = None if where or ends else self._nearest()
        return near or self._at(where or self._past.next)

    def _offered(self, asked: str) -> str:
        """Where the choice leads: by its words, by its number from 1, or drawn for a surprise."""
        offers = [(_plain(words), there) for words, there in self._past.offers.items()]
        if asked in _SURPRISES and offers:
            return self._draws.order("surprise", [there for _, there in offers], str)[0]
        if asked.isdecimal() and len(asked) < 3 and 1 <= int(asked) <= len(offers):
            return offers[int(asked) - 1][1]
        return next((there for words, there in offers if words == asked), "")

    def own_words(self) -> str:
        """What the child said that is not one of the offered choices: a choice in other words, or an idea."""
        asked = _plain(self._brief.choice)
        offered = self._offered(asked) or asked in _SURPRISES
        spoken = self._brief.idea or ("" if offered else self._brief.choice)
        return "" if self._shuns.hits(spoken) else spoken

    def beat(self) -> Part:
        """What happens where nothing was chosen and nothing glimpsed."""
        return self._free(self._past.used, self._past.has, self._brief.number)[0]

    def way(self) -> Part:
        """One way to the end of the quest, drawn."""
        return self._draws.order("way", self._ways(), lambda way: way.id)[0]

    def offers(self, told: Iterable[Part], count: int) -> list[Part]:
        """What the next chapter may begin with: beats, or before the last chapter the ways of the quest."""
        if self._brief.number + 1 >= self._brief.chapters:
            found = self._draws.order("ways", self._ways(), lambda way: way.id)
        else:
            parts = list(told)
            used = (*self._past.used, *(part.id for part in parts))
            has = (*self._past.has, *(tag for part in parts for tag in part.gives))
            found = self._free(used, has, self._brief.number + 1)
        return found[: max(count, _DEFAULT_OFFERS)]

    def passage(self, kind: str, has: Iterable[str], skip: Iterable[str] = ()) -> Part | None:
        """A moment or a turn of the theme that can be told now; None if there is none left."""
        tale = self._cast.tale
        own = tale.moments if kind == "moment" else tale.turns
        shared = tuple(part for part in common()[kind] if tale.shares(part))
        holds, passed = set(has), set(skip)
        worn = [entry.removeprefix(f"{kind}:") for entry in self._past.used if entry.startswith(f"{kind}:")]
        for pool in ([part for part in own if set(part.needs) <= holds], shared):
            fit = [part for part in pool if part.id not in passed]
            fresh = [part for part in fit if part.id not in worn and self._shuns.spares(part, self._tier)]
            if fresh:
                return self._draws.order(f"{kind}{self._brief.number}", fresh, lambda part: part.id)[0]
        again = [part for part in (*own, *shared) if not part.needs and self._shuns.spares(part, self._tier)]
        return self._draws.freshest(kind, again, lambda part: part.id, worn) if again and kind == "turn" else None

    def _ways(self) -> list[Part]:
        ways = list(self._cast.quest.ways)
        return [way for way in ways if self._shuns.spares(way, self._tier)] or ways

    def _free(self, used: Iterable[str], has: Iterable[str], number: int) -> list[Part]:
        """The beats that can be told now, best first; one that was told comes again only where there is no other."""
        worn, holds = list(used), set(has)
        beats = self._cast.tale.beats
        spared = [beat for beat in beats if self._shuns.spares(beat, self._tier)] or list(beats)
        fit = [beat for beat in spared if set(beat.needs) <= holds] or spared
        drawn = self._draws.order(f"beat{number}", fit, lambda beat: beat.id)
        unused = [beat for beat in drawn if beat.id not in worn]
        if not unused:
            return sorted(drawn, key=lambda beat: max(i for i, name in enumerate(worn) if name == beat.id))
        late = number * 2 > self._brief.chapters
        wrong = {"early": late, "late": not late, "any": False}
        return sorted(unused, key=lambda beat: (wrong[beat.stage], not beat.needs))

    def _nearest(self) -> Part | None:
        """The beat that shares the most words with what the child said; None if none shares any."""
        spoken = set(_WORD.findall(self.own_words().casefold())) - _COMMON
        free = self._free(self._past.used, self._past.has, self._brief.number)
        found = max(free, key=lambda beat: len(spoken & _words_of(beat)))
        return found if spoken & _words_of(found) else None

    def _at(self, where: str) -> Part | None:
        kind, _, name = where.partition(":")
        pool: Mapping[str, tuple[Part, ...]] = {"beat": self._cast.tale.beats, "way": self._cast.quest.ways}
        found = next((part for part in pool.get(kind, ()) if part.id == name), None)
        return found if found and self._shuns.spares(found, self._tier) else None


def _words_of(beat: Part) -> set[str]:
    return set(_WORD.findall(f"{beat.title} {beat.choice} {beat.did}".casefold()))
