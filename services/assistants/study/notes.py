"""The bundled notes: one Markdown file a topic, each with the same sections. Pure but for reading its files once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Final

from services.assistants.study.passages import Passage, ranked, stem, terms

NOTES: Final = Path(__file__).parent / "notes"
SHORT: Final = "In short"
EXPLAINED: Final = "Explained"
DEEPER: Final = "Deeper"
EXAMPLE: Final = "Example"
ANOTHER: Final = "Another way to see it"
CHECK: Final = "Check yourself"
SECTIONS: Final = (SHORT, EXPLAINED, DEEPER, EXAMPLE, ANOTHER, CHECK)


@dataclass(frozen=True, slots=True)
class Note:
    """What the site knows about one topic.

    Attributes:
        words: What people may call it.
        sections: Every one of `SECTIONS`, by name.
    """

    id: str
    title: str
    subject: str
    words: tuple[str, ...]
    sections: Mapping[str, str]


class BadNote(ValueError):
    """A bundled note that is not written as notes are."""


@cache
def bundled() -> Mapping[str, Note]:
    """All notes, by id, in the order of their ids."""
    return {path.stem: parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(NOTES.glob("*.md"))}


def parse(note_id: str, text: str) -> Note:
    """A note from its file: a title, `Subject:` and `Words:`, then the sections.

    Raises:
        BadNote: Something is missing.
    """
    head, *parts = text.strip().split("\n## ")
    title, *lines = head.strip().split("\n")
    given = dict(line.split(": ", 1) for line in lines if ": " in line)
    sections = {name.strip(): body.strip() for name, _, body in (part.partition("\n") for part in parts)}
    if not title.startswith("# ") or {"Subject", "Words"} - set(given) or set(sections) != set(SECTIONS):
        raise BadNote(f"note {note_id}: needs a title, Subject, Words and the sections {', '.join(SECTIONS)}")
    words = tuple(word.strip() for word in given["Words"].split(","))
    return Note(note_id, title.removeprefix("# ").strip(), given["Subject"].strip(), words, sections)


def best(question: str) -> Note | None:
    """The note that a question is about; None where none of its names is in the question.

    A word that merely stands somewhere in a note's text is not enough: a wrong page is worse than none.
    """
    asked = set(terms(question))
    named = {note.id: _named(note, asked) for note in bundled().values()}
    strongest = max(named.values(), default=0)
    if not strongest:
        return None
    closest = [note for note in bundled().values() if named[note.id] == strongest]
    passages = [
        Passage("\n".join(note.sections.values()), f"{note.title} {' '.join(note.words)}", note) for note in closest
    ]
    found = ranked(passages, question)
    note: Note = found[0][1].source if found else closest[0]
    return note


def nearest(question: str, count: int) -> list[Note]:
    """Notes that come close to a question, perhaps none: by a name that is almost in it, or a text with its words."""
    asked = terms(question)
    spelt = [
        note for note in bundled().values() if any(get_close_matches(word, _stems(note), 1, 0.8) for word in asked)
    ]
    passages = [Passage("\n".join(note.sections.values()), note.title, note) for note in bundled().values()]
    # One word of several stands in some text by chance.
    fits = [found for _, found in ranked(passages, question) if _shared(found, asked) >= min(2, len(asked))]
    return list({note.id: note for note in [*spelt, *(found.source for found in fits)]}.values())[:count]


def _shared(passage: Passage, asked: Sequence[str]) -> int:
    return sum(bool(ranked([passage], word)) for word in asked)


def _stems(note: Note) -> list[str]:
    return [word for name in (note.title, *note.words) for word in stems_of_name(name)]


def _named(note: Note, asked: set[str]) -> float:
    """How much of a question is one of the note's names: a whole name counts as its number of words, and more."""
    scores = []
    for name in (note.title, *note.words):
        stems = set(stems_of_name(name))
        if stems and stems <= asked:
            scores.append(len(stems) + (0.5 if name == note.title else 0))
    return max(scores, default=0.0)


def stems_of_name(name: str) -> list[str]:
    """The words of a name that must all be in a question; those that matter, or all where none does."""
    return terms(name) or [stem(word) for word in name.casefold().split()]
