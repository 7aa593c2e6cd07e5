"""A chapter out of its pieces: which of them, in which order, as many as the child's age has room for. Pure."""

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from services.stories import ages
from services.stories.grammar.avoiding import Avoid, avoid
from services.stories.grammar.brief import Brief, Told
from services.stories.grammar.cast import MAX_KEPT, Cast, Past, cast_for, spared
from services.stories.grammar.draws import Draws
from services.stories.grammar.parts import Part, Prose
from services.stories.grammar.plot import Plot
from services.stories.grammar.reading import common
from services.stories.grammar.voice import Voice, as_wish
from services.stories.measures import words

__all__ = ["THE_END", "gentle", "tell"]

THE_END: Final = "The end."
_WORD: Final = re.compile(r"\w+")
_INTEREST: Final = re.compile(r"[^\W_](?:[\w ,&'’-]{0,38}\w)?")
_ECHOES: Final = {"3": 1, "6": 2, "9": 3}
_TEACHES: Final = 3


@dataclass(slots=True)
class _Page:
    """The chapter as it grows: passages in order, of which some are only told if there is room."""

    passages: list[tuple[str, str]]
    told: list[str]

    def add(self, text: str, *, optional: str = "") -> None:
        """A passage; `optional` names one that is only told if there is room."""
        if text:
            self.passages.append((text, optional))

    def text(self, low: int, high: int) -> str:
        """All that must be told, and of the rest, in order, what it takes to come near the middle of the room."""
        total = sum(len(words(text)) for text, optional in self.passages if not optional)
        kept: list[str] = []
        for text, optional in self.passages:
            size = len(words(text))
            if optional:
                if total >= (low + high) // 2 or total + size > high:
                    continue
                total += size
                self.told.append(optional)
            kept.append(text)
        return "\n\n".join(kept)


class _Teller:
    """One chapter in the making."""

    def __init__(self, brief: Brief) -> None:
        self.brief = brief
        self.tier = ages.tier(brief.age, brief.level)
        self.band = ages.band(brief.age, brief.level)
        self.shuns: Avoid = avoid(brief.avoid)
        self.draws = Draws(brief.seed)
        self.cast: Cast = cast_for(brief, self.draws)
        past = Past() if brief.number == 1 else Past.of(brief.memory)
        self.past = replace(past, has=(), offers={}, next="") if self.cast.is_new else past
        self.plot = Plot(brief, self.cast, self.past, self.draws, self.shuns, self.tier)
        self.page = _Page([], [])
        self.told: list[Part] = []
        self.used: list[str] = []
        self.asides: list[str] = []

    def say(self, prose: Prose | str, **more: str) -> str:
        return self.cast.voice.say(prose if isinstance(prose, str) else prose[self.tier], **more)

    def shared(self, kind: str, skip: str = "") -> Part:
        """One of the common passages of this kind, the least used of them."""
        pool = [part for part in spared(common()[kind], self.shuns, self.tier) if part.id != skip]
        worn = [entry.removeprefix(f"{kind}:") for entry in self.past.used if entry.startswith(f"{kind}:")]
        part = self.draws.freshest(f"{kind}{self.brief.number}", pool, lambda one: one.id, worn)
        self.used.append(f"{kind}:{part.id}")
        return part

    def begin(self) -> None:
        """How it all began: the place, the friend, the problem. In a later chapter, how it began anew."""
        cast = self.cast
        if self.brief.number == 1:
            opening = next(part for part in (*common()["opening"], *cast.tale.openings) if part.id == cast.opening)
            self.page.add(f"{self.say(opening.prose)} {self.say(cast.setting.prose)}")
        else:
            self.page.add(self.say(self.shared("again").prose))
        self.page.add(self.say(cast.companion.prose))
        self.idea()
        self.page.add(self.say(cast.quest.problem))

    def idea(self) -> None:
        wish = as_wish(self.plot.own_words())
        if wish:
            self.page.add(self.say(self.shared("idea").prose, idea=wish))

    def go_on(self, part: Part) -> None:
        """The beat or the way that this chapter begins with, and how it was come to."""
        self.idea()
        recall = ""
        if self.past.did and not self.brief.bedtime:
            recall = self.say(self.shared("recall").prose, prior=self.past.did[-1]) + " "
        bridge = self.say(self.shared("bridge").prose, did=self.say(part.did))
        self.page.add(f"{recall}{bridge} {self.say(part.prose)}")
        self.told.append(part)

    def refrain(self) -> None:
        line = self.say(self.cast.refrain)
        if self.tier != "3" or not line:
            return
        spoken = line[:-1] + "," if line.endswith(".") else line
        self.page.add(line if '"' in line else f'"{spoken}" said {self.cast.pal}.')

    def fillers(self) -> None:
        """What is only told where there is room: the child's own world, a rest on the way, a word between friends."""
        self.texture()
        for _ in range(3):
            self.moment()
        if any(f"aside:{part.id}" not in self.past.used for part in common()["aside"]):
            aside = self.shared("aside")
            self.page.add(self.say(aside.prose), optional=self.used.pop())

    def texture(self) -> None:
        pool = [part for part in common()["texture"] if self.cast.tale.shares(part)]
        worn = set(self.past.used)
        liked = [
            like.strip()
            for like in self.brief.interests
            if _INTEREST.fullmatch(like.strip()) and not self.shuns.hits(like)
        ]
        for like in self.draws.order(f"like{self.brief.number}", liked, str):
            found = set(_WORD.findall(like.casefold()))
            part = next((one for one in pool if found & set(one.words) or like.casefold() in one.words), pool[-1])
            if f"texture:{part.id}" in worn or not self.shuns.spares(part, self.tier):
                continue
            self.page.add(self.say(part.prose, interest=like), optional=f"texture:{part.id}")
            return

    def moment(self) -> None:
        has = (*self.past.has, *(tag for part in self.told for tag in part.gives))
        part = self.plot.passage("moment", has, self.asides)
        if part:
            self.asides.append(part.id)
            self.page.add(self.say(part.prose), optional=f"moment:{part.id}")

    def leave_open(self, offers: list[Part]) -> None:
        """The end of a chapter that is not the last: the plot tightens, and there is more than one way to go on."""
        has = (*self.past.has, *(tag for part in self.told for tag in part.gives))
        turn = self.plot.passage("turn", has)
        if turn:
            self.used.append(f"turn:{turn.id}")
        seen = " ".join(self.say(part.glimpse) for part in offers)
        self.page.add(f"{self.say(turn.prose)} {seen}" if turn else seen)

    def remember(self) -> str:
        """Sentences that remember what happened in the chapters before: fewer where the chapter is long already."""
        beats = {beat.id: beat for beat in self.cast.tale.beats}
        met = [beats[name] for name in dict.fromkeys(self.past.used) if name in beats]
        fit = [beat for beat in met if self.shuns.spares(beat, self.tier)]
        told = sum(len(words(text)) for text, _ in (*self.page.passages, (self.cast.quest.ending[self.tier], "")))
        count = _ECHOES[self.tier] if told < self.band.words[1] else 1
        return " ".join(self.say(beat.echo) for beat in fit[-count:])

    def close(self) -> None:
        """How it ended. At bedtime only what must be told: what comes after it is the end of the day."""
        ending = self.say(self.cast.quest.ending)
        if self.brief.bedtime:
            self.page.add(ending.split("\n\n")[0])
            self.page.add(self.say(self.shared("goodnight").prose))
        else:
            self.page.add(f"{self.remember()} {ending}".strip())
            if self.past.idea and not self.shuns.hits(self.past.idea):
                self.page.add(self.say(self.shared("kept").prose, idea=self.past.idea))
        self.page.add(THE_END)


def tell(brief: Brief) -> Told:
    """Tell one chapter.

    It always tells one: whatever `memory`, theme and avoided words are like. The same brief gives the same text.
    """
    teller = _Teller(brief)
    if brief.is_last or brief.bedtime:
        return _last(teller)
    return _first(teller) if teller.cast.is_new else _middle(teller)


def _first(teller: _Teller) -> Told:
    teller.begin()
    teller.refrain()
    teller.fillers()
    return _open(teller)


def _middle(teller: _Teller) -> Told:
    chosen = teller.plot.chosen()
    teller.go_on(chosen if chosen and chosen.kind == "beat" else teller.plot.beat())
    teller.refrain()
    teller.fillers()
    return _open(teller)


def _open(teller: _Teller) -> Told:
    offers = teller.plot.offers(teller.told, teller.band.choices)
    teller.leave_open(offers)
    question = teller.say(teller.shared("question").prose)
    choices = tuple(teller.say(part.choice) for part in offers) if teller.band.choices else ()
    return _told(teller, teller.page.text(*teller.band.words), choices, question, offers)


def _last(teller: _Teller) -> Told:
    quest = teller.cast.quest
    if teller.cast.is_new:
        teller.begin()
        teller.page.add(teller.say(quest.calm))
    else:
        part = teller.plot.chosen() or teller.plot.way()
        teller.go_on(part)
        teller.refrain()
        gently = teller.brief.bedtime or part.kind == "beat"
        teller.page.add(teller.say(quest.calm if gently else quest.climax))
    teller.close()
    return _told(teller, teller.page.text(*teller.band.words), (), "", [])


def _told(teller: _Teller, text: str, choices: tuple[str, ...], question: str, offers: list[Part]) -> Told:
    brief, cast = teller.brief, teller.cast
    did = [*teller.past.did, *(teller.say(part.did) for part in teller.told)]
    recap = _recap(teller, did, ended=not offers)
    teaches = [*(teller.say(part.teaches) for part in teller.told if part.teaches), teller.say(cast.quest.teaches)]
    return Told(
        text=text,
        title=_title(teller),
        choices=choices,
        question=question,
        recap=recap,
        educational=tuple(dict.fromkeys(teaches))[:_TEACHES],
        memory=_memory(teller, did, recap, offers, brief),
    )


def _title(teller: _Teller) -> str:
    if teller.brief.number == 1:
        return teller.cast.title
    titled = next((part.title for part in teller.told if part.title), teller.cast.quest.title)
    return teller.say(titled[:1].upper() + titled[1:])


def _recap(teller: _Teller, did: list[str], *, ended: bool) -> str:
    cast = teller.cast
    told = f"{teller.brief.name} and {cast.pal}, {cast.companion.kind}, set out from {cast.setting.place}. "
    if did:
        told += f"They {', then '.join(did[-4:])}. "
    if ended:
        return told + f"In the end they {teller.say(cast.quest.ends)}."
    return told + f"They are still on their way because of {cast.quest.goal}."


def _memory(teller: _Teller, did: list[str], recap: str, offers: list[Part], brief: Brief) -> dict[str, Any]:
    cast, past = teller.cast, teller.past
    gives = [tag for part in teller.told for tag in part.gives]
    beats = (part.id for part in teller.told if part.kind == "beat")
    used = [*past.used, *beats, *teller.used, *teller.page.told]
    where = {teller.say(part.choice): f"{part.kind}:{part.id}" for part in offers}
    parts = (cast.opening, cast.setting.id, cast.companion.id, cast.pal, cast.quest.id)
    return {
        "hero": brief.name,
        "tale": cast.tale.id,
        "setting": cast.setting.id,
        "companion": cast.companion.id,
        "pal": cast.pal,
        "quest": cast.quest.id,
        "refrain": cast.refrain,
        "opening": cast.opening,
        "title": cast.title,
        "signature": "|".join(parts),
        "world": cast.setting.place,
        "friend": f"{cast.pal}, {cast.companion.kind}",
        "goal": cast.quest.goal,
        "used": used[-MAX_KEPT:],
        "has": list(dict.fromkeys((*past.has, *gives))),
        "did": did[-MAX_KEPT:],
        "facts": [f"They {line}." for line in did][-MAX_KEPT:],
        "offers": where if teller.band.choices else {},
        "next": next(iter(where.values()), ""),
        "idea": as_wish(teller.plot.own_words()) or past.idea,
        "recap": recap,
    }


def gentle(brief: Brief, so_far: str, index: int, *, closes: bool = False) -> str:
    """A plain passage for where something was withheld: it brings the chapter on, or to its end.

    It speaks only of the child, the sun, a bench and soup, so that no rule has anything against it. What is in
    `so_far` already is not said again while there is another, nor what the child's stories avoid.

    Args:
        index: Which piece of the chapter it stands for; another index may give another passage.
        closes: It is the chapter's last; in a last chapter it ends with "The end.".
    """
    tier = ages.tier(brief.age, brief.level)
    voice = Voice.alone(brief.name, brief.pronouns)
    pool = common()["ease" if closes else "gentle"]
    drawn = Draws(brief.seed).order(f"gentle{index}", pool, lambda part: part.id)
    said = [voice.say(part.prose[tier]) for part in drawn]
    spared = [text for text in said if not avoid(brief.avoid).hits(text)] or said
    passage = next((text for text in spared if text not in so_far), spared[0])
    ends = closes and (brief.is_last or brief.bedtime)
    return f"{passage}\n\n{THE_END}" if ends and not so_far.rstrip().endswith(THE_END) else passage
