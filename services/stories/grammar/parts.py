"""What a theme is made of, once read. The format of the files is told in `reading`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Companion", "Part", "Prose", "Quest", "Tale"]

Prose = Mapping[str, str]
"""The same passage for "3", "6" and "9": children from that age on."""


@dataclass(frozen=True, slots=True)
class Part:
    """A passage of a story, and what it does to it.

    Attributes:
        kind: "setting", "beat", "moment", "turn", "opening", ...
        prose: What is told, by tier.
        glimpse: What the child sees of it before choosing it.
        echo: A sentence that remembers it at the end of the story.
        choice: The words of the choice that leads here.
        did: The same, done: "followed the silver footprints".
        needs: Facts without which it cannot be told; of a passage that all themes share: what a theme must not lack.
        gives: Facts that hold after it.
        stage: "early", "late" or "any" of the chapters between the first and the last.
    """

    kind: str
    id: str
    prose: Prose
    glimpse: Prose = field(default_factory=dict)
    echo: Prose = field(default_factory=dict)
    choice: str = ""
    did: str = ""
    title: str = ""
    place: str = ""
    teaches: str = ""
    words: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    stage: str = "any"


@dataclass(frozen=True, slots=True)
class Companion:
    """Who goes along. `kind` has its article ("a small grey owl"), `noun` has none ("owl")."""

    id: str
    names: tuple[str, ...]
    kind: str
    noun: str
    pronoun: str
    prose: Prose


@dataclass(frozen=True, slots=True)
class Quest:
    """What a story is about, from the problem to its end. One of `ways` is chosen before the last chapter."""

    id: str
    goal: str
    title: str
    ends: str
    teaches: str
    problem: Prose
    climax: Prose
    ending: Prose
    calm: Prose
    ways: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tale:
    """A theme, whole. `lacks`: what there is none of where it plays, such as "ground" under the sea."""

    id: str
    refrains: tuple[str, ...]
    settings: tuple[Part, ...]
    companions: tuple[Companion, ...]
    quests: tuple[Quest, ...]
    beats: tuple[Part, ...]
    moments: tuple[Part, ...]
    turns: tuple[Part, ...]
    openings: tuple[Part, ...] = ()
    lacks: tuple[str, ...] = ()

    def shares(self, part: Part) -> bool:
        """Whether a passage that all themes share can be told where this one plays."""
        return not set(part.needs) & set(self.lacks)
