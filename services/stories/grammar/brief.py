"""What the storyteller is asked for, and what it tells. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Brief", "Told"]


@dataclass(frozen=True, slots=True)
class Brief:
    """One chapter to tell.

    Attributes:
        name: The child's, who is the hero.
        pronouns: "she", "he" or "they".
        number: Which chapter, from 1.
        chapters: How many the story is to have.
        choice: The words of the choice that was made at the end of the chapter before, or "".
        idea: The child's own idea, or "". It is quoted, never followed.
        title: The story's, where somebody gave it one.
        memory: `Told.memory` of the chapter before (other keys do no harm). For a first chapter: `{"shelf": [...]}`,
            the value of `memory["signature"]` of the child's latest stories (20 are enough), so that the new one
            begins unlike all of them. Without it two openings may be alike, by chance.
        seed: Kept with the turn. The same brief gives the same text on any machine; another seed, another telling.
        is_last: The chapter ends the story.
        bedtime: The chapter ends the story, and calmly.
    """

    name: str
    pronouns: str
    age: int
    theme: str
    seed: int
    level: str = "intermediate"
    interests: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    number: int = 1
    chapters: int = 5
    choice: str = ""
    idea: str = ""
    title: str = ""
    memory: Mapping[str, Any] = field(default_factory=dict)
    is_last: bool = False
    bedtime: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A chapter.

    Attributes:
        text: Paragraphs, parted by blank lines.
        title: Of the story in chapter 1, of the chapter later.
        choices: What the child may choose; none for the small and in the last chapter.
        question: What to ask with the choices; "" in the last chapter.
        recap: What has happened so far, in a few sentences, for the next chapter and for the shelf.
        educational: What the chapter is about, as "Patience: waiting quietly ...".
        memory: JSON for the next chapter's brief.
    """

    text: str
    title: str
    choices: tuple[str, ...]
    question: str
    recap: str
    educational: tuple[str, ...]
    memory: dict[str, Any]
