"""A story's text as the pieces that are checked and then shown: paragraphs, or sentences. Pure.

Where a piece ends depends on the text alone, never on how it came: each word is looked at once, when what follows it
is there. Spaces and line ends belong to the piece before them, so that all pieces joined are the text.
"""

import re
from typing import Final, Literal

from services.stories.safety.ordinary import named

# A word and the space after it. No child reads longer words; longer ones are cut, so that no buffer grows for ever.
_ATOM: Final = re.compile(r"(\S{0,400})(\s{0,400})")
# Somebody who speaks is not interrupted, unless for as long as this (words).
_LONGEST_SPEECH: Final = 60

_END: Final = re.compile(r"""[.!?\u2026]["'\u201d\u2019\u00bb)\]*_]*\Z""")
_INITIAL: Final = re.compile(r"""["'\u201c\u2018(]*(?:[A-HJ-Z]\.|(?:[A-Za-z]\.){2,})\Z""")
_OPENS: Final = "\"'\u201c\u2018\u00ab(["
_ABBREVIATIONS: Final = named("mr mrs ms mx dr prof st capt col gen lt sgt rev hon mt vs eg ie")


class Pieces:
    """Cuts a text that comes in deltas into pieces.

    In "paragraph" mode each has `min_words` to `max_words` words and ends with a paragraph, else with a
    sentence, or with a word where a sentence has more words than that; the last may be shorter. In "token" mode each
    is a sentence.
    """

    def __init__(self, mode: Literal["paragraph", "token"], max_words: int, min_words: int = 50) -> None:
        self._is_sentences = mode == "token"
        self._max = max(1, max_words)
        self._min = 1 if self._is_sentences else min(max(1, min_words), self._max)
        self._rest = ""  # a word that may go on
        self._ready: list[str] = []  # the words of whole sentences that are no piece yet
        self._sentence: list[str] = []  # the words of the sentence that goes on
        self._is_speech = False

    def feed(self, text: str) -> list[str]:
        """The pieces that are whole now."""
        self._rest += text
        found: list[str] = []
        done = 0
        # A word is whole when something else follows; whether it ends a sentence depends on what.
        while (atom := _ATOM.match(self._rest, done)) and atom.end() < len(self._rest):
            self._add(atom[0], atom[1], atom[2], self._rest[atom.end()], found)
            done = atom.end()
        self._rest = self._rest[done:]
        return found

    def finish(self) -> list[str]:
        """What is left, when nothing more comes."""
        found: list[str] = []
        if self._rest:
            self._put(self._rest, found)
            self._rest = ""
        if left := "".join([*self._ready, *self._sentence]):
            found.append(left)
        self._ready, self._sentence, self._is_speech = [], [], False
        return found

    def _add(self, atom: str, word: str, space: str, following: str, found: list[str]) -> None:
        self._put(atom, found)
        lines = space.count("\n")
        if lines > 1:
            self._is_speech = False
        else:
            self._is_speech = speaks_after(word, was=self._is_speech)
        if lines or self._ends_sentence(word, following):
            self._ready += self._sentence
            self._sentence = []
            if self._is_sentences or (lines > 1 and len(self._ready) >= self._min):
                found.append("".join(self._ready))
                self._ready = []

    def _put(self, atom: str, found: list[str]) -> None:
        self._sentence.append(atom)
        if len(self._ready) + len(self._sentence) <= self._max:
            return
        if len(self._ready) >= self._min:
            found.append("".join(self._ready))
            self._ready = []
        else:
            words = self._ready + self._sentence
            found.append("".join(words[: self._max]))
            self._ready, self._sentence = [], words[self._max :]

    def _ends_sentence(self, word: str, following: str) -> bool:
        if not _END.search(word) or following.islower() or following in ",;:":
            return False
        if self._is_speech and len(self._sentence) < _LONGEST_SPEECH:
            return False
        if not word.endswith(".") or word.endswith(".."):
            return True
        return not _INITIAL.match(word) and word.strip(_OPENS)[:-1].lower() not in _ABBREVIATIONS


def speaks_after(text: str, *, was: bool) -> bool:
    """Whether somebody is speaking after this text: straight marks open and close in turn."""
    for mark in text:
        if mark == "\u201c":
            was = True
        elif mark == "\u201d":
            was = False
        elif mark == '"':
            was = not was
    return was
