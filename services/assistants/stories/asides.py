"""What a model writes besides a story, sentence by sentence and line by line: headings, lists, markup, talk about the
telling. Pure.
"""

import re
from typing import Final

_MAX_TITLE_WORDS: Final = 10
_OFF: Final = re.IGNORECASE
_ENDS: Final = re.compile(r"[.!?\u2026][\"'\u201d\u2019\u00bb)\]*_]*\Z")
_HEADING: Final = re.compile(
    r"#{1,6}\s|\*{2}[^*\n]{1,100}\*{2}:?\s*\Z|(?:story\s+)?title\s*:|chapter\s+[\w-]+\s*(?:[:.\u2013\u2014-]|\Z)", _OFF
)
_NAMED: Final = re.compile(r"^(?:#{1,6}\s*)?(?:\*+)?(?:(?:story\s+)?title\s*:)?", _OFF)
_NUMBERED: Final = re.compile(r"^chapter\s+[\w-]+\s*[:.\u2013\u2014-]?\s*", _OFF)
_RULE: Final = re.compile(r"(?:[-*_=~#]\s*){3,}\Z|`{3,}|~{3,}|\|.*\|")
_ITEM: Final = re.compile(r"(?:\d{1,2}[.)]|[-\u2022*+]|[A-Da-d]\))\s+")
_QUOTED: Final = re.compile(r"\A>\s*")
_TAG: Final = re.compile(r"</?[A-Za-z!][^<>]{0,200}>")
_SCRIPT: Final = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_LINK: Final = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,300}\)")
_MARKS: Final = re.compile(r"\*+|`+|~~|(?<!\w)_+|_+(?!\w)")
_BLANKS: Final = re.compile(r"[ \t]{2,}|\t")
# What nobody sees: it could only hide words from whoever checks them.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
_SPEECH: Final = re.compile(r"\"[^\"]*(?:\"|\Z)|\u201c[^\u201d]*(?:\u201d|\Z)")
_BRACKETED: Final = re.compile(
    r"\[[^\[\]]*\]\W*|[\[(]\s*(?:word count|illustration|image|picture|end of|to be continued|note)\b.*", _OFF
)
_LABEL: Final = re.compile(
    r"(?:word count|age|reading level|theme|moral|choices?|options?|note|summary|recap|story|chapter text|output|"
    r"answer|assistant)\s*:\s*",
    _OFF,
)
# A whole sentence that speaks of the telling and is no part of it, wherever it stands.
_META: Final = re.compile(
    r"\bas an? (?:ai|artificial|large language|language model|assistant)\b|\blanguage model\b"
    r"|\b(?:i(?:'|\u2019)?m|i am|i)\b[^.!?]{0,20}\b(?:sorry|unable|cannot|can(?:'|\u2019)?t|won(?:'|\u2019)?t)\b"
    r"[^.!?]{0,60}\b(?:write|create|generate|continue|help with|assist|fulfil|comply|request|content|story)"
    r"|\A\W*(?:\w+[,!]?\s+)?here(?:(?:'|\u2019)s| is| are)\b[^.!?]{0,50}\b(?:story|chapter|tale|continuation|version"
    r"|rewrite)\b"
    r"|\blet me know if\b"
    r"|\A\W*(?:i )?hope (?:you|this|your child|they)\b[^.!?]{0,60}\b(?:story|chapter|enjoy|like|help)"
    r"|\bwould you like me to\b|\A\W*feel free to\b|\bword count\b"
    r"|\bthe (?:user|prompt)\b[^.!?]{0,30}\b(?:asked|says|wants|request)|\b(?:my|the) system prompt\b"
    r"|\A\W*end of (?:the )?(?:chapter|story|part)\b|\A\W*to be continued\b",
    _OFF,
)
_POLITE: Final = re.compile(
    r"(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|great|alright|all right|no problem|got it|understood|"
    r"happy to help|with pleasure)[\s,.!]*\Z",
    _OFF,
)
_POLITE_AND: Final = re.compile(
    r"\A(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok)[,!.]?\s+(?=here|i(?:'|\u2019)|let)", _OFF
)
_LETTER: Final = re.compile(r"[^\W_]")


def one_paragraph(text: str) -> str:
    """A short text of a model's (a title, a choice) on one line, without markup."""
    return " ".join(plain(text).split())


def plain(text: str) -> str:
    """A text without markup, and without what cannot be seen."""
    text = _INVISIBLE.sub("", text)
    bare = _MARKS.sub("", _LINK.sub(r"\1", _TAG.sub("", _SCRIPT.sub("", text))))
    return _BLANKS.sub(" ", bare).strip()


def sentence(raw: str, *, begins_line: bool, is_first: bool) -> str:
    """A sentence without markup, and without what is said before a story begins; perhaps empty.

    Args:
        is_first: Whether nothing of the story has been told yet.
    """
    text = plain(raw)
    text = _QUOTED.sub("", text) if begins_line else text
    return _POLITE_AND.sub("", text) if is_first else text


def is_decoration(line: str) -> bool:
    """Whether a line, by its beginning, is a rule, a fence or a row of a table."""
    return _RULE.match(line) is not None


def is_item(line: str) -> bool:
    """Whether a line begins as an item of a list does."""
    return _ITEM.match(line) is not None


def is_heading(line: str) -> bool:
    """Whether a line begins as a heading does."""
    return _HEADING.match(line) is not None


def is_title(line: str, *, is_apart: bool) -> bool:
    """Whether a story's first line is its title: short, without an end, and apart from the text or in capitals."""
    is_short = not _ENDS.search(line) and len(line.split()) <= _MAX_TITLE_WORDS and line[-1:] not in ",;:\u2014"
    return is_short and (is_apart or _is_capitalised(line))


def title_of(line: str) -> str:
    """The title in a heading."""
    return _NUMBERED.sub("", plain(_NAMED.sub("", line))).strip(' :*#"\u201c\u201d')


def is_aside(text: str, *, in_speech: bool, is_first: bool) -> bool:
    """Whether a sentence is about the telling, and no part of it.

    Args:
        in_speech: Whether somebody in the story is speaking: a robot there may sound like one.
    """
    if _BRACKETED.fullmatch(text) or not _LETTER.search(text):
        return True
    if not in_speech and _META.search(_SPEECH.sub("", text)):
        return True
    label = _LABEL.match(text)
    return (label is not None and label.end() == len(text)) or (is_first and _POLITE.match(text) is not None)


def _is_capitalised(line: str) -> bool:
    """Whether every longer word has a capital letter, as in a title."""
    longer = [word for word in line.split() if len(word) > 3]
    return bool(longer) and all(word[0].isupper() for word in longer)
