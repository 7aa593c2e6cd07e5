"""Questions that go on from an answer: written by the model below it, or made from the notes and files at hand. Pure.

A model writes them behind a line that is never shown. What it writes there is shown only if it is a few short
questions; anything else is left out, and the answer stands without them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from services.assistants.study import notes
from services.assistants.study.notes import Note
from services.assistants.study.passages import clip, terms, under_headings

RELATED: Final = "related"
MAX_QUESTIONS: Final = 3
MAX_QUESTION_CHARS: Final = 100
# What the line begins with; the prompt adds a word that no material can know.
MARK: Final = "<<<NEXT"
_MARK = re.compile(r"\n[ \t]*<<<NEXT(?=[\s>])")
# How a text may end that goes on with the line.
_MAY_GO_ON = re.compile(r"\n\s*(?:<(?:<(?:<(?:N(?:E(?:X(?:T)?)?)?)?)?)?)?\Z")
# More white space than that is no gap between an answer and the line.
_MAX_HELD_CHARS: Final = 200
_MAX_WRITTEN_CHARS: Final = 2_000
_BULLET = re.compile(r"^[\s>]*(?:[-*+•–]|\(?\d{1,2}[.):])?\s*")
_ENDS: Final = ("?", "？", "؟", "\u037e")
_NOT_IN_QUESTIONS = re.compile(r"https?://|<<<|>>>|[<>`\[\]{}|]")
_MAX_HEADING_CHARS: Final = 60


class Tail:
    """Parts an answer, as it grows, from what its model writes below the line."""

    def __init__(self) -> None:
        self._held = ""
        self._written = ""
        self._has_shown = False
        self.is_past = False

    def feed(self, text: str) -> str:
        """Take more of what the model says; what of it is to be shown now."""
        if self.is_past:
            self._written = (self._written + text)[:_MAX_WRITTEN_CHARS]
            return ""
        self._held += text
        mark = _MARK.search(self._held)
        if mark is not None and (self._has_shown or self._held[: mark.start()].strip()):
            shown, self._written, self._held = self._held[: mark.start()].rstrip(), self._held[mark.end() :], ""
            self.is_past = True
        else:
            may = _MAY_GO_ON.search(self._held)
            cut = may.start() if may and len(self._held) - may.start() <= _MAX_HELD_CHARS else len(self._held)
            shown, self._held = self._held[:cut], self._held[cut:]
        self._has_shown = self._has_shown or bool(shown.strip())
        return shown

    def finish(self) -> str:
        """The rest to be shown: what looked like the line, and was none."""
        shown, self._held = self._held, ""
        return shown

    def questions(self, asked: str) -> list[str]:
        """The questions below the line, as far as they are some; `asked`: the one that was just answered."""
        _, _, written = self._written.partition("\n")
        return chosen(written.split("\n"), asked) if self.is_past else []


def chosen(lines: Iterable[str], asked: str) -> list[str]:
    """At most three questions among lines: short, each once, and not what was just asked."""
    seen, found = {_folded(asked)}, []
    for line in lines:
        question = " ".join(_BULLET.sub("", line).strip(" \t*_\"“”'").split())
        is_one = question.endswith(_ENDS) and 8 <= len(question) <= MAX_QUESTION_CHARS
        if is_one and not _NOT_IN_QUESTIONS.search(question) and _folded(question) not in seen:
            seen.add(_folded(question))
            found.append(question)
    return found[:MAX_QUESTIONS]


def from_material(asked: str, entries: Sequence[Mapping[str, Any]], quoted: str, note: Note | None) -> list[str]:
    """Questions that the files and the notes have an answer to.

    Args:
        asked: What was asked, with what it is about.
        entries: The passages of the files, each with its `name` and `text`.
        quoted: The answer; what is in it is no way on.
        note: The one that it is from.
    """
    of_files = [
        f"What does {_short(entry['name'])} say about “{heading}”?"
        for entry in entries
        for heading in _headings(str(entry["text"]))
        if _is_new(heading, asked) and heading not in quoted
    ]
    of_notes = [f"What do the notes say about “{other.title}”?" for other in _beside(note, quoted)] if note else []
    # One from the notes in any case: files are long, and have many headings.
    return chosen([*of_files[: MAX_QUESTIONS - bool(of_notes)], *of_notes], asked)


def _headings(text: str) -> list[str]:
    found = [heading.split("\n\n")[-1].lstrip("# ").strip(" .:") for heading, _ in under_headings(text) if heading]
    return [heading for heading in dict.fromkeys(found) if len(heading) <= _MAX_HEADING_CHARS]


def _is_new(heading: str, asked: str) -> bool:
    about = set(terms(heading))
    return bool(about) and not about <= set(terms(asked))


def _beside(note: Note, text: str) -> list[Note]:
    """Notes about what this one's text speaks of, then others of its subject."""
    said = set(terms(" ".join(dict.fromkeys(text.split()))[:4_000]))
    others = [other for other in notes.bundled().values() if other.id != note.id]
    named = [other for other in others if _names(other) & said]
    return list({other.id: other for other in [*named, *(o for o in others if o.subject == note.subject)]}.values())


def _names(note: Note) -> set[str]:
    """The stems that alone name a note: those of its names of one word."""
    return {stems[0] for name in note.words if len(stems := notes.stems_of_name(name)) == 1}


def _short(name: Any) -> str:
    return clip(" ".join(str(name).split()), 40)


def _folded(question: str) -> str:
    return " ".join(question.casefold().split()).rstrip("?？؟\u037e! .")
