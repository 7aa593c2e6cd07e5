"""The answer without a model: sentences of the student's files and of the bundled notes, with their sources. Pure.

It makes nothing up and says where each part is from. The same turn gives the same answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.assistants.base import Turn
from services.assistants.study import notes, onwards
from services.assistants.study.citing import of_excerpt, of_note
from services.assistants.study.notes import Note
from services.assistants.study.passages import Passage, clip, ranked, under_headings
from services.assistants.study.summary import extracted
from services.llm import builtin
from services.llm.tokens import estimate

NOTHING: Final = "I found nothing about this in your files or in the notes of this site."
NOTHING_IN_FILES: Final = "None of the words of your question stands in what you have attached. It begins like this:"
_NOTHING_MORE: Final = "There is nothing more about this in your files or in the notes of this site."
_ELSEWHERE: Final = "Ask in other words, or attach a PDF, a text or Markdown, and ask about that."
# How many notes are named where none fits.
_NEAREST: Final = 3
# How many sentences of files are quoted, by the length that was chosen.
_SENTENCES: Final[Mapping[str, int]] = {"short": 2, "medium": 5, "long": 10}
_SENTENCE_CHARS: Final = 400
_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "": (notes.SHORT, notes.EXPLAINED),
    "simpler": (notes.SHORT, notes.ANOTHER),
    "deeper": (notes.DEEPER,),
    "example": (notes.EXAMPLE,),
    "another": (notes.ANOTHER,),
}
_BY_LENGTH: Final[Mapping[str, tuple[str, ...]]] = {
    "short": (notes.SHORT,),
    "long": (notes.SHORT, notes.EXPLAINED, notes.EXAMPLE, notes.DEEPER),
}


@dataclass(frozen=True, slots=True)
class Extract:
    """An authored answer and the sources that its numbers stand for.

    Attributes:
        is_found: Whether it answers; one that found nothing says only so.
        related: Questions that go on from it.
    """

    text: str
    sources: Sequence[Mapping[str, Any]] = ()
    is_found: bool = True
    related: Sequence[str] = ()


def authored(turn: Turn) -> Extract:
    """The answer to a stored turn."""
    facts = turn.facts
    way, length = str(facts.get("way") or ""), str(facts.get("length") or "medium")
    about = str(facts.get("topic") or turn.question)
    entries = list(facts.get("excerpts") or ())
    note = notes.best(about)
    quoted = _quoted(entries, about, _SENTENCES.get(length, 5), skip=_said_before(turn) if way else "")
    parts, sources = [], [of_excerpt(entry) for entry in entries]
    if quoted:
        parts.append("**From your files**\n\n" + "\n".join(quoted))
    elif entries and note is None and not way:
        start = [f"- {clip(entry['text'], _SENTENCE_CHARS)} [{entry['number']}]" for entry in entries[:2]]
        parts.append(f"{NOTHING_IN_FILES}\n\n" + "\n".join(start))
    if note is not None:
        wanted = _SECTIONS[way] if way else _BY_LENGTH.get(length, _SECTIONS[""])
        text, of_it = _from_note(note, wanted, len(entries) + 1)
        parts.append(text)
        sources += of_it
    if not parts:
        return Extract(_NOTHING_MORE if way and entries else _nothing(about), is_found=False)
    if note is not None and not way and length != "short":
        parts.append(f"**Check yourself**\n\n{note.sections[notes.CHECK]}")
    text = "\n\n".join(parts)
    return Extract(text, sources, related=onwards.from_material(f"{about} {turn.question}", entries, text, note))


def tokens_of(turn: Turn) -> int:
    """The most that the built-in engine takes for a turn: the question, the answer, and what it sums up for it."""
    facts, extract = turn.facts, authored(turn)
    said = estimate(len(builtin.remainder(extract.text, turn.partial)))
    tokens = estimate(len(turn.question)) + min(said, int(facts.get("max_tokens") or said)) if extract.is_found else 0
    earlier = facts.get("earlier") or ()
    return tokens + (estimate(len(extracted(str(facts.get("summary") or ""), earlier))) if earlier else 0)


def _said_before(turn: Turn) -> str:
    return "\n".join(said["content"] for said in turn.facts.get("history") or () if said.get("role") == "assistant")


def _quoted(entries: Sequence[Mapping[str, Any]], question: str, count: int, *, skip: str) -> list[str]:
    """The best sentences of the files, each with its number: the best passage's first, as they stand in it."""
    pieces = [
        Passage(sentence, heading, source=(entry["number"], place))
        for entry in entries
        for place, (heading, sentence) in enumerate(under_headings(str(entry["text"])))
        if len(sentence) > 15 and (not skip or clip(sentence, _SENTENCE_CHARS) not in skip)
    ]
    by_passage: dict[int, list[Passage]] = {}
    for _, passage in ranked(pieces, question)[:count]:
        by_passage.setdefault(passage.source[0], []).append(passage)
    return [
        f"- {clip(passage.text, _SENTENCE_CHARS)} [{number}]"
        for number, found in by_passage.items()
        for passage in sorted(found, key=lambda passage: passage.source)
    ]


def _from_note(note: Note, wanted: Sequence[str], first: int) -> tuple[str, list[dict[str, Any]]]:
    texts, sources = [f"**{note.title}** ({note.subject}, from the notes of this site)"], []
    for number, section in enumerate(wanted, start=first):
        body = note.sections[section]
        head, mark = "" if section == notes.SHORT else f"**{section}**\n\n", f" [{number}]"
        # A formula, a list or a table must keep its last line to itself.
        texts.append(head + (body + mark if body[-1] in ".?!" else f"{body}\n\n{mark.strip()}"))
        sources.append(of_note(number, note.title, note.id, section, body))
    return "\n\n".join(texts), sources


def _nothing(about: str) -> str:
    near = " ".join(f"“{note.title}”," for note in notes.nearest(about, _NEAREST)).rstrip(",")
    return f"{NOTHING} {f'The closest notes: {near}.' if near else _ELSEWHERE}"
