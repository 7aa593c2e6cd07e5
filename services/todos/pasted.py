"""A pasted list as lines under lines: bullets, numbers, boxes and indents, whatever they came from. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

_TAB_COLUMNS: Final = 4
_BULLET = re.compile(r"(?:[-*+•‣◦▪–—]|\(?[0-9]{1,3}[.)])[ \t]+")
_BOX = re.compile(r"(?:\[([ xX✓]?)\]|([☐☑☒✓]))[ \t]*")
_HEADING = re.compile(r"#{1,6}[ \t]+")


@dataclass(slots=True)
class Outlined:
    """One line without its mark, whether its box is ticked, and what stands under it."""

    text: str
    done: bool = False
    children: list["Outlined"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Row:
    indent: int
    text: str
    marked: bool
    done: bool


def outline(text: str) -> list[Outlined]:
    """The lines of a text; under each what is indented deeper, at one level.

    What stands under a line that ends with a colon is under it without an indent too, where it has bullets. A text
    of one line is not searched for numbers: "3. April" is a date.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    rows = [_row(line, is_alone=len(lines) == 1) for line in lines]
    found: list[Outlined] = []
    base, is_heading = 0, False
    for row in (row for row in rows if row.text):
        line = Outlined(row.text, row.done)
        if found and (row.indent > base or (is_heading and row.marked and row.indent == base)):
            found[-1].children.append(line)
            continue
        base, is_heading = row.indent, not row.marked and row.text.endswith(":") and len(row.text) > 1
        if is_heading:
            line.text = row.text[:-1].rstrip()
        found.append(line)
    return found


def _row(line: str, *, is_alone: bool) -> _Row:
    columns = line.expandtabs(_TAB_COLUMNS)
    text = columns.strip()
    indent = len(columns) - len(columns.lstrip())
    bullet = _BULLET.match(text)
    if bullet is not None and (not is_alone or not bullet[0].strip(" \t.)(").isdecimal()):
        text = text[bullet.end() :]
    else:
        bullet = None
    box = _BOX.match(text)
    if box is not None:
        text = text[box.end() :]
    heading = _HEADING.match(text)
    if heading is not None:
        text = text[heading.end() :].rstrip(":") + ":"
    done = box is not None and (box[1] or box[2] or " ") in {"x", "X", "✓", "☑", "☒"}
    return _Row(indent, text.strip(), bullet is not None or box is not None, done)
