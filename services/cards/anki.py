"""Decks as a file for Anki (.apkg), by the package `genanki`, made in memory and in a native thread.

As many cards as one person may have take two seconds: no stream of this process is to wait for them.

A note's fields are HTML to Anki, and more: `[sound:…]` plays a file, `[latex]` runs LaTeX, and MathJax typesets what
stands between `\\(` and `\\)` once the browser has read the entities. Cards are untrusted text: what means something
in HTML is written as an entity, what means something to MathJax is parted by a word joiner; formulas of ours go to
MathJax, except those with commands that could do more than typeset.
"""

import html
import io
import itertools
import re
import sqlite3
import threading
import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

import genanki
import gevent

from services.store.cards import Card
from services.store.decks import Deck

# One at a time: a second would only share the processor with the first.
_ROOM: Final = threading.BoundedSemaphore(1)
MIME: Final = "application/octet-stream"
# Anki joins notes of one type by this number: it never changes.
_NOTE_TYPE: Final = 1_607_392_319
_MATH: Final = re.compile(r"\$\$([^$\n]{1,400})\$\$|(?<!\w)\$(\S(?:[^$\n]{0,200}\S)?)\$(?!\w)")
_UNSAFE_TEX: Final = re.compile(
    r"\\(?:href|url|require|unicode|class|cssId|style|data|html\w*|def|let|newcommand|renewcommand|newenvironment"
    r"|include\w*|input|write|read|open\w*|catcode|csname|loop|mmlToken|bbox|special)",
    re.IGNORECASE,
)
_BOLD: Final = re.compile(r"(?:\*\*|__)(?=\S)([^*\n]{1,300}?)(?:\*\*|__)")
_CODE: Final = re.compile(r"`([^`\n]{1,300})`")
_ESCAPED: Final = re.compile(r"\\([_*`#\[\]|\\])")
_OPENS_MATH: Final = re.compile(r"\\(?=[()\[\]]|begin|end|ref|eqref)")
_CSS: Final = ".card { font: 20px/1.5 sans-serif; text-align: center; } .nightMode.card { color-scheme: dark; }"


def package(decks: Iterable[tuple[Deck, Sequence[Card]]], *, now: datetime) -> bytes:
    """The decks with their cards; importing a later export again updates the notes instead of repeating them."""
    with _ROOM:
        made: bytes = gevent.get_hub().threadpool.apply(_package, (list(decks), now.timestamp()))
    return made


def _package(decks: Sequence[tuple[Deck, Sequence[Card]]], timestamp: float) -> bytes:
    model = genanki.Model(
        _NOTE_TYPE,
        "Rill flashcard",
        fields=[{"name": "Front"}, {"name": "Back"}],
        templates=[{"name": "Card", "qfmt": "{{Front}}", "afmt": '{{FrontSide}}<hr id="answer">{{Back}}'}],
        css=_CSS,
    )
    names: set[str] = set()
    made = [_deck(deck, cards, model, names) for deck, cards in decks]
    return _zipped(genanki.Package(made), timestamp)


def field(text: str) -> str:
    """A side of a card as Anki's HTML: its emphasis, code and formulas, and nothing else that it says."""
    pieces, at = [], 0
    for found in _MATH.finditer(text):
        pieces.append(_words(text[at : found.start()]))
        pieces.append(_formula(found))
        at = found.end()
    pieces.append(_words(text[at:]))
    return "".join(pieces)


def _formula(found: re.Match[str]) -> str:
    tex = found[1] or found[2]
    if _UNSAFE_TEX.search(tex) or "\\)" in tex or "\\]" in tex:
        return _escaped(_without_math(found[0]))
    return f"\\[{_escaped(tex)}\\]" if found[1] else f"\\({_escaped(tex)}\\)"


def _words(text: str) -> str:
    # What stood behind an escape comes back last: it must not be taken for emphasis.
    own = text.replace("\ue000", "").replace("\ue001", "")
    held = _ESCAPED.sub(lambda found: f"\ue000{ord(found[1])}\ue001", own)
    marked = _CODE.sub(r"<code>\1</code>", _BOLD.sub(r"<b>\1</b>", _escaped(_without_math(held))))
    back = re.sub("\ue000([0-9]+)\ue001", r"&#\1;", marked)
    return back.replace("&#92;", "&#92;&#8288;").replace("\n", "<br>")


def _without_math(text: str) -> str:
    return _OPENS_MATH.sub("\\\\\u2060", text)


def _escaped(text: str) -> str:
    escaped = html.escape(text, quote=True)
    return escaped.replace("[", "&#91;").replace("]", "&#93;").replace("{{", "{&#123;").replace("}}", "}&#125;")


def _deck(deck: Deck, cards: Sequence[Card], model: genanki.Model, names: set[str]) -> genanki.Deck:
    made = genanki.Deck(_number(deck.id), _name(deck.title, names))
    for card in cards:
        made.add_note(
            genanki.Note(model=model, fields=[field(card.front), field(card.back)], guid=genanki.guid_for(card.id))
        )
    return made


def _name(title: str, names: set[str]) -> str:
    """A deck's name in Anki, where `::` parts levels and a name is given once."""
    plain = " ".join(re.sub(r"[:\"<>\x00-\x1f]+", " ", title).split()) or "Deck"
    name = next(
        name for number in itertools.count(1) if (name := plain if number == 1 else f"{plain} ({number})") not in names
    )
    names.add(name)
    return f"Rill::{name}"


def _number(deck_id: str) -> int:
    """A deck's number in Anki: always the same one, within 31 bits."""
    return 1 << 30 | int.from_bytes(sha256(deck_id.encode()).digest()[:4], "big") >> 2


def _zipped(package: genanki.Package, timestamp: float) -> bytes:
    # Not write_to_file: it leaves its temporary database behind.
    database = sqlite3.connect(":memory:")
    try:
        package.write_to_db(database.cursor(), timestamp, itertools.count(int(timestamp * 1000)))
        database.commit()
        collection = database.serialize()
    finally:
        database.close()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("collection.anki2", collection)
        archive.writestr("media", "{}")
    return file.getvalue()
