"""A model's words as a story's prose, while they come. Pure.

Models are asked for plain paragraphs, and write headings, lists, markup, JSON, "Sure! Here is your story" and "I hope
you liked it" besides. What is no story is left out here, sentence by sentence, before anything is checked: what comes
out of here is exactly what is checked, and shown. Paragraphs are parted by one blank line; a text that has none is
given some.
"""

import json
import re
from typing import Any, Final

# What is longer without an end of a sentence is taken as it is.
_MAX_SENTENCE_CHARS: Final = 1_200
_PARAGRAPH_WORDS: Final = 90
# A story that comes as JSON is read when it is whole; beyond this it is no story.
_MAX_WRAPPED_CHARS: Final = 60_000
_MAX_FENCE_CHARS: Final = 40
_MAX_TITLE_WORDS: Final = 10
# A word with its space has six characters or so; what is longer by far is no prose, and ends in time too.
_CHARS_A_WORD: Final = 14
# Who never ends a sentence is cut all the same.
_LENIENCE: Final = 1.25
# Repeating the last words before going on is common; the whole story again is not.
_MAX_REPEATED: Final = 4

_END: Final = re.compile(
    r"(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)[.!?\u2026]+[\"'\u201d\u2019\u00bb)\]*_]*(?=\s)"
)
_ENDS: Final = re.compile(r"[.!?\u2026][\"'\u201d\u2019\u00bb)\]*_]*\Z")
_LINE: Final = re.compile(r"\n[ \t]*(\n\s*)?")
_HEADING: Final = re.compile(
    r"#{1,6}\s|\*{2}[^*\n]{1,100}\*{2}:?\s*\Z|(?:story\s+)?title\s*:|chapter\s+[\w-]+\s*(?:[:.\u2013\u2014-]|\Z)", re.I
)
_RULE: Final = re.compile(r"(?:[-*_=~#]\s*){3,}\Z|`{3,}|~{3,}|\|.*\|")
_ITEM: Final = re.compile(r"(?:\d{1,2}[.)]|[-\u2022*+]|[A-Da-d]\))\s+")
_NUMBER: Final = re.compile(r"\s*(?:\d{1,2}|[A-Da-d])[.)]\Z")
_FENCE: Final = re.compile(r"`{3,}\w*\s*")
_QUOTED: Final = re.compile(r">\s*")
_TAG: Final = re.compile(r"</?[A-Za-z!][^<>]{0,200}>")
_SCRIPT: Final = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_SPEECH: Final = re.compile(r"\"[^\"]*(?:\"|\Z)|\u201c[^\u201d]*(?:\u201d|\Z)")
_BLANKS: Final = re.compile(r"[ \t]{2,}|\t")
_LINK: Final = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,300}\)")
_MARKS: Final = re.compile(r"\*+|`+|~~|(?<!\w)_+|_+(?!\w)")
_BRACKETED: Final = re.compile(
    r"\[[^\[\]]*\]\W*|[\[(]\s*(?:word count|illustration|image|picture|end of|to be continued|note)\b.*", re.I
)
_LABEL: Final = re.compile(
    r"(?:word count|age|reading level|theme|moral|choices?|options?|note|summary|recap|story|chapter text|output|"
    r"answer|assistant)\s*:\s*",
    re.IGNORECASE,
)
# A whole sentence that speaks of the telling and is no part of it, wherever it stands.
_META: Final = re.compile(
    r"\bas an? (?:ai|artificial|large language|language model|assistant)\b|\blanguage model\b"
    r"|\b(?:i(?:'|\u2019)?m|i am|i)\b[^.!?]{0,20}\b(?:sorry|unable|cannot|can(?:'|\u2019)?t|won(?:'|\u2019)?t)\b"
    r"[^.!?]{0,60}\b(?:write|create|generate|continue|help with|assist|fulfil|comply|request|content|story)"
    r"|\bhere(?:'|\u2019)?s?(?: is| are)?\b[^.!?]{0,50}\b(?:story|chapter|tale|continuation|version|rewrite)\b"
    r"[^.!?]{0,80}[.!]?\Z"
    r"|\blet me know if\b|\b(?:i )?hope (?:you|this|your child|they)\b[^.!?]{0,60}\b(?:story|chapter|enjoy|like|help)"
    r"|\bwould you like me to\b|\bfeel free to\b|\bword count\b"
    r"|\bthe (?:user|prompt|system)\b[^.!?]{0,30}\b(?:asked|says|wants|request)"
    r"|\bsystem prompt\b|\bend of (?:the )?(?:chapter|story|part)\b|\bto be continued\b",
    re.IGNORECASE,
)
_POLITE: Final = re.compile(
    r"(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|great|alright|all right|no problem|got it|understood|"
    r"happy to help|with pleasure)[\s,.!]*\Z",
    re.IGNORECASE,
)
_POLITE_AND: Final = re.compile(
    r"(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok)[,!.]?\s+(?=here|i(?:'|\u2019)|let)", re.I
)
_THE_END: Final = re.compile(r"\W*(?:the end|fin|end)\W*\Z", re.IGNORECASE)
# Where a model puts the story when it answers in JSON, the likeliest first.
_KEYS: Final = ("story", "story_content", "text", "content", "chapter", "chapter_text", "body", "paragraphs")
_MAX_DEPTH: Final = 6


class Prose:
    """One answer of a model's. Feed it the text; use what it returns and nothing else.

    Args:
        before: What has been told of the chapter already; what is fed goes on from it.
        max_words: After so many words it ends, with a sentence.
        is_last: Whether the story ends with this chapter; only then "The end." is part of it.
    """

    def __init__(self, before: str = "", *, max_words: int, is_last: bool = False) -> None:
        self._max_words = max_words
        self._is_last = is_last
        self._buffer = ""
        self._wrapped: bool | None = None
        self._known = {_folded(one) for one in _END.split(f"{before[-2_000:]} ") if _folded(one)}
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
        self._buffer += text
        if self._wrapped is None:
            self._wrapped = self._begins_wrapped()
        if self._wrapped is not False:
            if len(self._buffer) > _MAX_WRAPPED_CHARS:
                self._buffer, self.is_full = "", True
            return ""
        return self._taken()

    def finish(self, *, whole: bool) -> str:
        """The rest.

        Args:
            whole: Whether the answer came to its end; if not, a sentence that is none yet is left out.
        """
        if self.is_full:
            return ""
        if self._wrapped:
            story = _unwrapped(self._buffer) if whole else ""
            self._buffer, self._wrapped = story, False
            # Its end is an end, even if the whole was cut.
        out = [self._taken()]
        rest, self._buffer = self._buffer.rstrip(), ""
        if rest and not self.is_full and (whole or _ENDS.search(rest)):
            out.append(self._sentence(rest, gap="", ends_line=True))
        return "".join(out)

    def _begins_wrapped(self) -> bool | None:
        """Whether this is no prose but data; None as long as nobody knows."""
        start = self._buffer.lstrip()
        if start.startswith("`") and "\n" not in start and len(start) <= _MAX_FENCE_CHARS:
            return None
        start = _FENCE.sub("", start)
        if not start or re.fullmatch(r"\[\s*", start):
            return None
        return start[0] == "{" or re.match(r"\[\s*[\[{\"]", start) is not None

    def _taken(self) -> str:
        out: list[str] = []
        while not self.is_full:
            if self._line_begins:
                self._buffer = self._buffer.lstrip()
            if (cut := self._cut()) is None:
                break
            end, gap, ends_line = cut
            sentence, self._buffer = self._buffer[:end], self._buffer[end:].lstrip(None if ends_line else " \t")
            if not self._skips_line:
                out.append(self._sentence(sentence, gap=gap, ends_line=ends_line))
            if ends_line:
                self._line_begins, self._skips_line = True, False
            else:
                self._line_begins = False
        return "".join(out)

    def _cut(self) -> tuple[int, str, bool] | None:
        """Where the next sentence ends, what parts it from the next, and whether its line ends there."""
        found, line = _END.search(self._buffer), _LINE.search(self._buffer)
        if found is not None and self._line_begins and _NUMBER.match(self._buffer[: found.end()]):
            found = _END.search(self._buffer, found.end())
        if line is not None and (found is None or line.start() <= found.end() + 1):
            ended = _ENDS.search(self._buffer[: line.start()].rstrip()) is not None
            if not ended and line.end() == len(self._buffer) and line[1] is None:
                return None  # A line that goes on, or the end of a paragraph: what follows tells.
            return line.start(), "\n\n" if ended or line[1] else " ", True
        if found is not None:
            # What follows may be the end of the line.
            after = self._buffer[found.end() :]
            return (found.end(), " ", False) if after.strip(" \t") else None
        if len(self._buffer) > _MAX_SENTENCE_CHARS:
            at = self._buffer.rfind(" ", 1, _MAX_SENTENCE_CHARS)
            return (at, " ", False) if at > 0 else (_MAX_SENTENCE_CHARS, "", False)
        return None

    def _sentence(self, raw: str, *, gap: str, ends_line: bool) -> str:
        """A sentence as it is told, with what parts it from the last; empty if it is none of the story's."""
        if self._line_begins and self._is_no_prose(raw.strip(), is_line=ends_line, is_apart=gap != " "):
            return ""
        text = _plain(raw)
        if self._line_begins:
            text = _QUOTED.sub("", text, count=1) if text.startswith(">") else text
        if not self._has_begun:
            text = _POLITE_AND.sub("", text)
        if not text or self._is_aside(text) or self._is_repeated(text):
            return ""
        out, self._gap = self._gap + text, gap
        self._count(text)
        return out

    @property
    def _has_begun(self) -> bool:
        return self.words > 0 or self._has_before

    def _is_no_prose(self, line: str, *, is_line: bool, is_apart: bool) -> bool:
        """Whether a line, by its beginning, is a heading, an item of a list or mere decoration."""
        if _RULE.match(line):
            return True
        is_title = not self._has_begun and is_line and (is_apart or _is_capitalised(line)) and _may_be_title(line)
        is_heading = _HEADING.match(line) is not None
        if is_heading or is_title:
            self.title = self.title or _heading(line)
        elif not _ITEM.match(line):
            return False
        self._skips_line = not is_line and not line[0].isalpha()
        return True

    def _is_aside(self, text: str) -> bool:
        """Whether a sentence is about the telling, and no part of it."""
        if _THE_END.match(text):
            is_end = self._is_last and self.words > 0 and "end" in text.casefold()
            self.is_full = self.is_full or is_end
            return not is_end
        if _BRACKETED.fullmatch(text) or not re.search(r"[^\W_]", text):
            return True
        # A robot in the story may speak like one.
        if not self._in_speech and _META.search(_SPEECH.sub("", text)):
            return True
        label = _LABEL.match(text)
        return (label is not None and label.end() == len(text)) or (
            not self._has_begun and _POLITE.match(text) is not None
        )

    def _is_repeated(self, text: str) -> bool:
        """Whether this was said already, where a model begins with its last words before it goes on."""
        if self.words or self._repeated >= _MAX_REPEATED or _folded(text) not in self._known:
            return False
        self._repeated += 1
        return True

    def _count(self, text: str) -> None:
        number = len(text.split())
        self.words += number
        self._paragraph_words += number
        self._in_speech = _speaks_after(text, was=self._in_speech)
        if self._gap == "\n\n":
            self._paragraph_words, self._in_speech = 0, False
        elif (
            self._gap == " "
            and self._paragraph_words >= _PARAGRAPH_WORDS
            and not self._in_speech
            and _ENDS.search(text)
        ):
            self._gap, self._paragraph_words = "\n\n", 0
        self._chars += len(text)
        is_sentence = _ENDS.search(text) is not None and not self._in_speech
        is_far = self.words >= self._max_words * _LENIENCE or self._chars >= self._max_words * _CHARS_A_WORD
        self.is_full = self.is_full or (self.words >= self._max_words and is_sentence) or is_far


def _may_be_title(line: str) -> bool:
    return not _ENDS.search(line) and len(line.split()) <= _MAX_TITLE_WORDS and line[-1:] not in ",;:\u2014"


def _is_capitalised(line: str) -> bool:
    """Whether nearly every longer word has a capital letter, as in a title."""
    longer = [word for word in line.split() if len(word) > 3]
    return bool(longer) and all(word[0].isupper() for word in longer)


def one_paragraph(text: str) -> str:
    """A short text of a model's (a title, a choice) on one line, without markup."""
    return " ".join(_plain(text).split())


def _plain(text: str) -> str:
    bare = _MARKS.sub("", _LINK.sub(r"\1", _TAG.sub("", _SCRIPT.sub("", text))))
    return _BLANKS.sub(" ", bare).strip()


def _heading(line: str) -> str:
    text = _plain(re.sub(r"^(?:#{1,6}\s*)?(?:\*+)?(?:(?:story\s+)?title\s*:)?", "", line, flags=re.IGNORECASE))
    return re.sub(r"^chapter\s+[\w-]+\s*[:.\u2013\u2014-]?\s*", "", text, flags=re.IGNORECASE).strip(
        ' :*#"\u201c\u201d'
    )


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


def _speaks_after(text: str, *, was: bool) -> bool:
    for mark in text:
        if mark == "\u201c":
            was = True
        elif mark == "\u201d":
            was = False
        elif mark == '"':
            was = not was
    return was


def _unwrapped(text: str) -> str:
    """The story in a JSON answer; empty if there is none."""
    start, end = re.search(r"[\[{]", text), max(text.rfind("}"), text.rfind("]"))
    if start is None or end < start.start():
        return ""
    try:
        found = json.loads(text[start.start() : end + 1], strict=False)
    except (ValueError, RecursionError):
        return ""
    return _story_in(found, 0)


def _story_in(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return value
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, list):
        return "\n\n".join(text for one in value[:200] if (text := _story_in(one, depth + 1)))
    if isinstance(value, dict):
        named = next((value[key] for key in _KEYS if value.get(key)), None)
        return _story_in(named, depth + 1) if named is not None else ""
    return ""
