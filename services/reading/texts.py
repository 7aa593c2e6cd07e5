"""Plain text: made sure of, tidied, and cut into stretches that can be cited. Pure."""

import re
from typing import Final

from services.reading.kinds import EMPTY, MAX_CHARS, NOT_TEXT, STRETCH_CHARS, TEXT, TOO_MUCH_TEXT, Reading, Refused

# What a person can look through for a marked passage, and what is kept as one row.
SHEET_CHARS: Final = 8_000
# What no text has; a form feed is a page's end in old ones.
_NOT_TEXT: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LINE_END: Final = re.compile(r"\r\n?")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# From the first blank of a run only: from each of them, a long run that ends no line would take time squared.
_BLANKS: Final = re.compile(r"(?<![ \t\u00a0])[ \t\u00a0]+\n")
_EMPTY_LINES: Final = re.compile(r"\n{3,}")
# PDFium writes these for a hyphen at the end of a line: the word goes on in the next.
_BROKEN_WORD: Final = re.compile(r"[\x02\ufffe]\s*")
_LIGATURES: Final = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st"}
)


def read(content: bytes) -> Reading:
    """A text in UTF-8.

    Raises:
        Refused: `NOT_TEXT`, `TOO_MUCH_TEXT`, or `EMPTY`.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(NOT_TEXT) from None
    if _NOT_TEXT.search(text):
        raise Refused(NOT_TEXT)
    text = tidy(text)
    if not text.strip():
        raise Refused(EMPTY)
    if len(text) > MAX_CHARS:
        raise Refused(TOO_MUCH_TEXT)
    return Reading(TEXT, stretches(text))


def decoded(content: bytes) -> str:
    """A document's text: UTF-8, UTF-16 that says so, or what Windows wrote before.

    Raises:
        Refused: `NOT_TEXT`, or `EMPTY`.
    """
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        if marked:
            raise Refused(NOT_TEXT) from None
        text = content.decode("cp1252", "replace")
    if _NOT_TEXT.search(text) or text.count("\ufffd") > len(text) // 50:
        raise Refused(NOT_TEXT)
    if not text.strip():
        raise Refused(EMPTY)
    return text


def sheets(text: str, chars: int = SHEET_CHARS) -> list[str]:
    """The text in sheets of at most so many characters, cut before a heading if there is one, else as `stretches`.

    Joined with what was cut away between them (white space only) they are the text.
    """
    found, start = [], 0
    while len(text) - start > chars:
        heading = text.rfind("\n#", start + chars // 3, start + chars)
        end = heading + 1 if heading >= 0 else _cut(text, start + chars // 2, start + chars)
        found.append(text[start:end].strip("\n"))
        start = end
    found.append(text[start:].strip("\n"))
    return [sheet for sheet in found if sheet.strip()]


def tidy(text: str) -> str:
    """The text without what nobody sees: controls, blanks at line ends, runs of empty lines; LF ends lines."""
    text = _CONTROLS.sub("", _LINE_END.sub("\n", text.replace("\f", "\n\n").replace("\v", "\n")))
    return _EMPTY_LINES.sub("\n\n", _BLANKS.sub("\n", _SURROGATE.sub("\ufffd", text))).strip("\n")


def of_page(text: str) -> str:
    """A page's text as PDFium gives it: words joined that a line's end parts, ligatures as letters."""
    return tidy(_BROKEN_WORD.sub("", text).translate(_LIGATURES)).strip()


def stretches(text: str) -> list[str]:
    """The text in stretches of at most `STRETCH_CHARS`, cut at an empty line, a line's end or a space if there is one.

    Joined with what was cut away between them (white space only) they are the text.
    """
    found, start = [], 0
    while len(text) - start > STRETCH_CHARS:
        # Not before the middle: a heading alone is no stretch.
        end = _cut(text, start + STRETCH_CHARS // 2, start + STRETCH_CHARS)
        found.append(text[start:end].strip("\n"))
        start = end
    found.append(text[start:].strip("\n"))
    return [stretch for stretch in found if stretch.strip()]


def _cut(text: str, after: int, limit: int) -> int:
    for mark in ("\n\n", "\n", " "):
        found = text.rfind(mark, after, limit)
        if found >= 0:
            return found + len(mark)
    return limit
