"""Cards as a table (CSV) for spreadsheets and other programs. Pure.

Source: RFC 4180; OWASP, "CSV Injection".
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from services.store.cards import Card
from services.store.decks import Deck

MIME: Final = "text/csv; charset=utf-8"
HEADER: Final = ("deck", "front", "back", "due", "reviews", "lapses")
# What a spreadsheet takes for a formula; a text that begins so gets an apostrophe before it.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def table(decks: Iterable[tuple[Deck, Sequence[Card]]]) -> bytes:
    """A row for each card; UTF-8 with the mark that spreadsheets know it by."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    for deck, cards in decks:
        for card in cards:
            told = (card.due.isoformat(timespec="seconds"), card.reps, card.lapses)
            writer.writerow((_cell(deck.title), _cell(card.front), _cell(card.back), *told))
    return text.getvalue().encode("utf-8-sig")


def _cell(text: str) -> str:
    return f"'{text}" if text.lstrip(" \n").startswith(_FORMULA) else text
