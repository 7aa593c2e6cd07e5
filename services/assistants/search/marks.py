"""How a source's number may be written: `[1]`, `[1, 2]`, `[1-3]`, `[[1]]`, `[1†source]`, `[Source 1]`, `【1】`."""

import re
from collections.abc import Sequence
from typing import Final

# The longest mark; and how long an address behind one is waited for.
_MARK_CHARS: Final = 80
_ADDRESS_CHARS: Final = 500
_MAX_RANGE: Final = 20
_WORDS: Final = ("source", "sources", "passage", "passages", "document", "documents")

_NUMBER = r"\d{1,3}(?!\d)(?::\d{1,3})?"
_ITEM = rf"(?:(?:{'|'.join(_WORDS)})[ \t]*)?[#^]?{_NUMBER}(?:[ \t]*[-–—][ \t]*{_NUMBER})?"
_BODY = rf"[ \t]*{_ITEM}(?:[ \t]*(?:[,;、，&]|and\b)[ \t]*{_ITEM})*[ \t]*(?:†[^\[\]【】［］\n]{{0,60}})?"
_MARK = re.compile(
    rf"\[\[(?P<double>{_BODY})\]\]|\[(?P<square>{_BODY})\]|【(?P<lens>{_BODY})】|［(?P<wide>{_BODY})］", re.IGNORECASE
)
# How a mark may begin that has not come to its end.
_HALF = re.compile(
    r"(?:\[\[?|【|［)[ \t]*(?P<word>[A-Za-z]*)[ \t]*[#^]?"
    r"(?P<rest>(?:(?<!\d)\d{1,3}(?!\d)|[ \t,;、，&\-–—:#^A-Za-z])*(?:†[^\[\]【】［］\n]{0,60})?)\]?"
)
_FIGURES = re.compile(r"(?P<first>\d{1,3})(?::\d{1,3})?(?:[ \t]*[-–—][ \t]*(?P<last>\d{1,3}))?")
_ADDRESS = re.compile(r"\([ \t]*<?[^\s()<>]{0,400}>?(?:[ \t]+\"[^\"\n]{0,60}\")?[ \t]*\)")
_HALF_ADDRESS = re.compile(r"\([^()\n]*")


def mark_at(text: str, at: int) -> tuple[int, Sequence[int]] | None:
    """The mark that stands at this place: where it ends, and the numbers in it, ranges told one by one."""
    found = _MARK.match(text, at, at + _MARK_CHARS)
    if found is None:
        return None
    body = next(group for group in found.groups() if group is not None)
    return found.end(), _numbers(body)


def may_become_mark(text: str, at: int) -> bool:
    """Whether a mark may begin at this place, if more comes."""
    half = _HALF.fullmatch(text, at) if len(text) - at <= _MARK_CHARS else None
    if half is None:
        return False
    word = half["word"].lower()
    return any(known.startswith(word) for known in _WORDS) and (not half["rest"] or not word or word in _WORDS)


def address_end(text: str, at: int) -> int:
    """Where the address ends that begins at this place and makes a link of what is before it; -1 if there is none."""
    found = _ADDRESS.match(text, at, at + _ADDRESS_CHARS)
    return found.end() if found else -1


def may_become_address(text: str, at: int) -> bool:
    """Whether an address may begin at this place, if more comes."""
    return len(text) - at < _ADDRESS_CHARS and _HALF_ADDRESS.fullmatch(text, at) is not None


def _numbers(body: str) -> Sequence[int]:
    found: list[int] = []
    for match in _FIGURES.finditer(body.partition("†")[0]):
        first, last = int(match["first"]), int(match["last"] or match["first"])
        found += range(first, last + 1) if 0 <= last - first < _MAX_RANGE else (first, last)
    return list(dict.fromkeys(found))
