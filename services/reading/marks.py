"""Writing down the text of a document with the few marks that say what its parts are: the form that all readers share.

`# ` (to `###### `) at the start of a line is a heading, `- ` an item of a list, ` | ` parts the cells of a table's row,
a line of three backticks begins and ends code. Whatever else would look like one of these at the start of a line is
moved by a blank, so that a text cannot pretend to be a heading. Pure.
"""

import re
from typing import Final

from services.reading.kinds import MAX_DOCUMENT_CHARS, TOO_MUCH_TEXT, Refused

FENCE: Final = "```"
_MARK: Final = re.compile(r"^(#{1,6}\s|```|~~~)", re.MULTILINE)
_SPACE: Final = re.compile(r"[ \t\r\n\f\u00a0\u200b]+")
_MAX_HEADING_CHARS: Final = 300
CELL: Final = " | "


class Lines:
    """The text so far. Blocks are parted by an empty line, rows and items by a line's end.

    Attributes:
        level: Of the heading that what is added belongs to; 0 for none.
    """

    def __init__(self) -> None:
        self.level = 0
        self._done: list[str] = []
        self._words: list[str] = []
        self._cells: list[str] | None = None
        self._rows = 0
        self._is_item = False
        self._is_code = 0
        # What parts the next line from the one before it.
        self._gap = ""
        self._chars = 0

    def add(self, text: str) -> None:
        """More of what is being written; blanks count once, outside of code."""
        if text:
            self._chars += len(text)
            # What is counted includes blanks that are left out later: they cost memory too.
            if self._chars > 2 * MAX_DOCUMENT_CHARS:
                raise Refused(TOO_MUCH_TEXT)
            self._words.append(text)

    def heading(self, level: int, text: str) -> None:
        """A whole heading."""
        self.end_block()
        self.level = level
        self.add(text)
        self.end_block()
        self.level = 0

    def end_line(self) -> None:
        """What comes next begins a line, in the same block."""
        if self._is_code:
            self._words.append("\n")
        elif self._cells is not None or self.level:
            self._words.append(" ")
        else:
            self._flush("\n")

    def end_block(self) -> None:
        """What comes next is another paragraph. In a table's row and in code it is the same line, or the next."""
        if self._is_code:
            return
        if self._cells is not None:
            self._words.append(" ")
        else:
            self._flush("\n\n")

    def begin_paragraph(self) -> None:
        """What comes next is a paragraph of its own, whatever was not ended before it."""
        if self._words:
            self.end_block()

    def end_paragraph(self) -> None:
        """A paragraph ends; an item of a list is followed by the next without an empty line."""
        if self._is_item and self._cells is None:
            self._flush("\n")
        else:
            self.end_block()

    def code(self, *, begins: bool) -> None:
        """Code, as it stands, begins or ends."""
        if begins:
            self.end_block()
            self._is_code += 1
        elif self._is_code:
            self._is_code -= 1
            if not self._is_code:
                self._flush_code()

    def item(self, *, begins: bool) -> None:
        """An item of a list begins or ends."""
        if self._is_code or self._cells is not None:
            self._words.append(" ")
            return
        self._flush("\n")
        self._is_item = begins

    def row(self, *, begins: bool) -> None:
        """A row of a table begins or ends. A table in a cell is a part of that cell."""
        self._rows += 1 if begins else -1
        if begins and self._rows == 1:
            self._flush("\n")
            self._cells = []
        elif not begins and self._rows == 0 and self._cells is not None:
            self._end_cell()
            cells = [cell for cell in self._cells if cell]
            self._cells = None
            if cells:
                self._write(_escaped(CELL.join(cells)), "\n")

    def cell(self, *, begins: bool) -> None:
        """A cell begins or ends."""
        if self._cells is None:
            self.end_block()
        elif self._rows == 1:
            self._end_cell()
        elif begins:
            self._words.append(" ")

    def text(self) -> str:
        """All of it."""
        if self._is_code:
            self._is_code = 0
            self._flush_code()
        if self._cells is not None:
            self._rows = 1
            self.row(begins=False)
        self._flush("")
        return "".join(self._done)

    def _end_cell(self) -> None:
        text = _flat("".join(self._words))
        self._words.clear()
        if text and self._cells is not None:
            self._cells.append(text)

    def _flush(self, gap: str) -> None:
        text = _flat("".join(self._words))
        self._words.clear()
        if not text:
            if len(gap) > len(self._gap) and self._done:
                self._gap = gap
            return
        if self.level:
            self._gap, self._is_item = "\n\n", False
            self._write(f"{'#' * min(self.level, 6)} {text[:_MAX_HEADING_CHARS]}", "\n\n")
            return
        mark = "- " if self._is_item else ""
        self._is_item = False
        self._write(mark + _escaped(text), gap)

    def _flush_code(self) -> None:
        text = "".join(self._words).strip("\n")
        self._words.clear()
        if text.strip():
            self._write(f"{FENCE}\n{_escaped(text)}\n{FENCE}", "\n\n")

    def _write(self, text: str, gap: str) -> None:
        if self._done:
            self._done.append(self._gap or "\n")
        self._done.append(text)
        self._gap = gap


def _flat(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _escaped(text: str) -> str:
    return _MARK.sub(r" \1", text)
