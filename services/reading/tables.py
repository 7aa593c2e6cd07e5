"""Tables as CSV: one line for each row, whose cells say their columns: it can be found and understood alone. Pure."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Final

from services.reading import texts
from services.reading.kinds import BROKEN, EMPTY, MAX_DOCUMENT_CHARS, TOO_MUCH_TEXT, Refused
from services.reading.marks import CELL

_SAMPLE_CHARS: Final = 16_384
_MAX_CELL_CHARS: Final = 1_000_000
_NUMBER: Final = re.compile(r"[-+]?[\d.,:/ %€$£-]+")
_MAX_NAME_CHARS: Final = 60


def text_of(content: bytes) -> str:
    """A table's rows as lines.

    Raises:
        Refused: `NOT_TEXT`, `EMPTY`, `BROKEN`, or `TOO_MUCH_TEXT`.
    """
    text = texts.decoded(content)
    csv.field_size_limit(_MAX_CELL_CHARS)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text[:_SAMPLE_CHARS]))
    lines: list[str] = []
    left = MAX_DOCUMENT_CHARS
    try:
        for line in _lines(rows):
            left -= len(line) + 1
            if left < 0:
                raise Refused(TOO_MUCH_TEXT)
            lines.append(line)
    except csv.Error:
        raise Refused(BROKEN) from None
    if not lines:
        raise Refused(EMPTY)
    return "\n".join(lines)


def _lines(rows: Iterator[list[str]]) -> Iterator[str]:
    columns: list[str] | None = None
    is_first = True
    for row in rows:
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells):
            continue
        if is_first and _names_columns(cells):
            columns = cells
            yield CELL.join(cells)
        elif columns is None:
            yield CELL.join(cell for cell in cells if cell)
        else:
            yield "; ".join(_named(columns, cells))
        is_first = False


def _named(columns: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    for number, cell in enumerate(cells):
        if cell:
            yield f"{columns[number]}: {cell}" if number < len(columns) else cell


def _names_columns(cells: Sequence[str]) -> bool:
    """Whether a first row says what its columns are: short, each its own, and no numbers."""
    return (
        len(cells) > 1
        and len({cell.casefold() for cell in cells}) == len(cells)
        and all(cell and len(cell) <= _MAX_NAME_CHARS and not _NUMBER.fullmatch(cell) for cell in cells)
    )


def _delimiter(sample: str) -> str:
    """The sign that parts most lines into the same number of cells."""
    lines = [line for line in sample.splitlines()[:50] if line.strip()]
    best, most = ",", 0
    for sign in (",", ";", "\t", "|"):
        counts = [line.count(sign) for line in lines]
        usual = max(set(counts), key=counts.count, default=0)
        score = counts.count(usual) if usual else 0
        if score > most:
            best, most = sign, score
    return best
