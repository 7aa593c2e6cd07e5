"""A model's words as a story's prose, while they come. Pure.

Models are asked for plain paragraphs, and write headings, lists, markup, JSON, "Sure! Here is your story" and "I hope
you liked it" besides. What is no story (`asides`, `wrapped`) is left out here, sentence by sentence, before anything is
checked: what comes out of here is exactly what is checked, and shown. Paragraphs are parted by one blank line; a text
that has none is given some.
"""

import re
from typing import Final

from services.assistants.stories import asides
from services.assistants.stories.wrapped import begins_wrapped, unwrapped
from services.stories.safety.pieces import speaks_after

# What is longer without an end of a sentence is taken as it is.
_MAX_SENTENCE_CHARS: Final = 1_200
_PARAGRAPH_WORDS: Final = 90
# A story that comes as JSON is read when it is whole; beyond this it is no story.
_MAX_WRAPPED_CHARS: Final = 60_000
# A word with its space has six characters or so; what is longer by far is no prose, and ends in time too.
_CHARS_A_WORD: Final = 14
# So many times as much may be written besides the story.
_BESIDES: Final = 4
# Who never ends a sentence is cut all the same.
_LENIENCE: Final = 1.25
# Repeating the last words before going on is common; the whole story again is not.
_MAX_REPEATED: Final = 4
_KNOWN_CHARS: Final = 2_000

_LINE_ENDS: Final = {0x85: "\n", 0x2028: "\n", 0x2029: "\n\n"}
# From the first mark of a row only, so that a model that writes nothing but marks costs no more than any other.
_END: Final = re.compile(
    r"(?<![.!?\u2026])(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)[.!?\u2026]++[\"'\u201d\u2019\u00bb)\]*_]*+(?=\s)"
)
_ENDS: Final = re.compile(r"[.!?\u2026][\"'\u201d\u2019\u00bb)\]*_]*\Z")
_LINE: Final = re.compile(r"\n[ \t]*(\n\s*)?")
_NUMBER: Final = re.compile(r"\s*(?:\d{1,2}|[A-Da-d])[.)]\Z")
_THE_END: Final = re.compile(r"\W*(?:the end|fin|end)\W*\Z", re.IGNORECASE)


class Prose:
    """One answer of a model's. Feed it the text; use what it returns and nothing else.

    Args:
        before: What has been told of the chapter already; what is fed goes on from it.
        max_words: After so many words it ends, with a sentence.
        is_last: Whether the story ends with this chapter; only then "The end." is part of it.

    Attributes:
        title: What stood over the story, if anything did.
        is_full: Whether it has ended: nothing that is fed any more comes out.
    """

    def __init__(self, before: str = "", *, max_words: int, is_last: bool = False) -> None:
        self._max_words = max_words
        self._max_received = max_words * _CHARS_A_WORD * _BESIDES
        self._is_last = is_last
        self._buffer = ""
        self._received = 0
        self._wrapped: bool | None = None
        self._known = {_folded(one) for one in _END.split(f"{before[-_KNOWN_CHARS:]} ") if _folded(one)}
        self._repeated = 0
        self._gap = _gap_after(before)
        self._line_begins = True
        self._skips_line = False
        self._paragraph_words = len(before.rpartition("\n\n")[2].split()) if self._gap != "\n\n" else 0
        self._in_speech = False
        self._has_before = bool(before.strip())
        self._chars = 0
        self.words = 0
        self.title = ""
        self.is_full = False

    def feed(self, text: str) -> str:
        """The prose that is certain now."""
        if self.is_full:
            return ""
        self._received += len(text)
        self._buffer += text if text.isascii() else text.translate(_LINE_ENDS)
        if self._wrapped is None:
            self._buffer = self._buffer.lstrip()
            self._wrapped = begins_wrapped(self._buffer)
        if self._wrapped is False:
            told = self._taken()
            self.is_full = self.is_full or self._received > self._max_received
            return told
        if len(self._buffer) > _MAX_WRAPPED_CHARS:
            self._buffer, self.is_full = "", True
        return ""

    def finish(self, *, whole: bool) -> str:
        """The rest.

        Args:
            whole: Whether the answer came to its end; if not, a sentence that is none yet is left out.
        """
        if self.is_full:
            return ""
        if self._wrapped:
            self._buffer, self._wrapped = (unwrapped(self._buffer) if whole else ""), False
        out = [self._taken()]
        rest, self._buffer = self._buffer.rstrip(), ""
        if rest and not self.is_full and (whole or _ENDS.search(rest)):
            out.append(self._told(rest, gap="", ends_line=True))
        return "".join(out)

    def _taken(self) -> str:
        out: list[str] = []
        while not self.is_full:
            if self._line_begins:
                self._buffer = self._buffer.lstrip()
            if (cut := self._cut()) is None:
                break
            end, gap, ends_line = cut
            raw, self._buffer = self._buffer[:end], self._buffer[end:].lstrip(None if ends_line else " \t")
            if not self._skips_line:
                out.append(self._told(raw, gap=gap, ends_line=ends_line))
            self._line_begins = ends_line
            self._skips_line = self._skips_line and not ends_line
        return "".join(out)

    def _cut(self) -> tuple[int, str, bool] | None:
        """Where the next sentence ends, what parts it from the next, and whether its line ends there."""
        head = self._buffer[: _MAX_SENTENCE_CHARS + 2]
        found, line = _END.search(head), _LINE.search(head)
        if found is not None and self._line_begins and _NUMBER.match(head[: found.end()]):
            found = _END.search(head, found.end())
        if line is not None and (found is None or line.start() <= found.end() + 1):
            ended = _ENDS.search(head[: line.start()].rstrip()) is not None
            if not ended and line.end() == len(self._buffer) and line[1] is None:
                # A line that goes on, or the end of a paragraph: what follows tells.
                return None
            return line.start(), "\n\n" if ended or line[1] else " ", True
        if found is not None:
            # What follows may be the end of the line.
            return (found.end(), " ", False) if self._buffer[found.end() :].strip(" \t") else None
        if len(self._buffer) > _MAX_SENTENCE_CHARS:
            at = self._buffer.rfind(" ", 1, _MAX_SENTENCE_CHARS)
            return (at, " ", False) if at > 0 else (_MAX_SENTENCE_CHARS, "", False)
        return None

    def _told(self, raw: str, *, gap: str, ends_line: bool) -> str:
        """A sentence as it is told, with what parts it from the last; empty if it is none of the story's."""
        text = asides.sentence(raw, begins_line=self._line_begins, is_first=self._is_first)
        # With its markup, which may be what makes it a heading, and without, which may have hidden that it is one.
        lines = (raw.strip(), text) if self._line_begins and text else ()
        is_none = any(self._is_no_prose(line, is_line=ends_line, is_apart=gap != " ") for line in lines)
        if not text or is_none or self._is_left_out(text):
            if gap == "\n\n" and self.words:
                self._gap = gap
            return ""
        out, self._gap = self._gap + text, gap
        self._count(text)
        return out

    @property
    def _is_first(self) -> bool:
        return not self.words and not self._has_before

    def _is_no_prose(self, line: str, *, is_line: bool, is_apart: bool) -> bool:
        """Whether a line, by its beginning, is a heading, an item of a list or mere decoration."""
        if asides.is_decoration(line):
            return True
        if asides.is_heading(line) or (self._is_first and is_line and asides.is_title(line, is_apart=is_apart)):
            self.title = self.title or asides.title_of(line)
        elif not asides.is_item(line):
            return False
        self._skips_line = not is_line and not line[0].isalpha()
        return True

    def _is_left_out(self, text: str) -> bool:
        if _THE_END.match(text):
            is_end = self._is_last and self.words > 0 and "end" in text.casefold()
            self.is_full = self.is_full or is_end
            return not is_end
        if asides.is_aside(text, in_speech=self._in_speech, is_first=self._is_first):
            return True
        # Said already, where a model begins with its last words before it goes on.
        is_repeated = not self.words and self._repeated < _MAX_REPEATED and _folded(text) in self._known
        self._repeated += is_repeated
        return is_repeated

    def _count(self, text: str) -> None:
        number = len(text.split())
        self.words += number
        self._chars += len(text)
        self._paragraph_words += number
        self._in_speech = speaks_after(text, was=self._in_speech)
        is_sentence = _ENDS.search(text) is not None and not self._in_speech
        if self._gap == " " and self._paragraph_words >= _PARAGRAPH_WORDS and is_sentence:
            self._gap = "\n\n"
        if self._gap == "\n\n":
            self._paragraph_words, self._in_speech = 0, False
        is_far = self.words >= self._max_words * _LENIENCE or self._chars >= self._max_words * _CHARS_A_WORD
        self.is_full = self.is_full or (self.words >= self._max_words and is_sentence) or is_far


def _gap_after(before: str) -> str:
    """What comes between what was told and more of it."""
    if not before.strip() or before.endswith("\n\n"):
        return ""
    if before.endswith("\n"):
        return "\n"
    if before[-1].isspace():
        return ""
    return "\n\n" if _ENDS.search(before) else " "


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
