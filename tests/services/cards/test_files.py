"""What leaves the site as a file: Anki's packages and tables."""

import csv
import io
import sqlite3
import zipfile
from collections.abc import Sequence
from contextlib import closing

import pytest

from services.cards import anki, table
from services.store.cards import Card
from services.store.decks import Deck
from tests.decks import NOON, later


def deck(*sides: tuple[str, str], name: str = "D1", title: str = "Biology") -> tuple[Deck, list[Card]]:
    cards = [
        Card(id=f"{name}-{at}", deck_id=name, front=front, back=back, due=NOON, reps=at, lapses=0)
        for at, (front, back) in enumerate(sides)
    ]
    return Deck(id=name, title=title), cards


def opened(data: bytes) -> sqlite3.Connection:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert sorted(archive.namelist()) == ["collection.anki2", "media"]
        assert archive.read("media") == b"{}"
        collection = archive.read("collection.anki2")
    database = sqlite3.connect(":memory:")
    database.deserialize(collection)
    return database


def notes(*found: tuple[Deck, Sequence[Card]]) -> list[tuple[str, str, str]]:
    with closing(opened(anki.package(found, now=NOON))) as database:
        rows = database.execute("SELECT guid, flds FROM notes ORDER BY id").fetchall()
    return [(guid, *fields.split("\x1f")) for guid, fields in rows]


@pytest.mark.slow
def test_a_package_holds_every_card_once() -> None:
    found = [deck(("a", "b"), ("c", "d")), deck(("e", "f"), name="D2", title="Physics")]

    with closing(opened(anki.package(found, now=NOON))) as database:
        assert database.execute("SELECT count(*) FROM cards").fetchone() == (3,)
        assert database.execute("SELECT count(DISTINCT did) FROM cards").fetchone() == (2,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        decks = database.execute("SELECT decks FROM col").fetchone()[0]
    assert "Rill::Biology" in decks
    assert "Rill::Physics" in decks


@pytest.mark.slow
def test_a_later_export_updates_the_same_notes() -> None:
    before = notes(deck(("a", "b")))
    after = notes(deck(("a, changed", "b")))

    assert before[0][0] == after[0][0]
    assert before[0][1] != after[0][1]
    assert anki.package([deck(("a", "b"))], now=NOON) != anki.package([deck(("a", "b"))], now=later(days=1))


def test_decks_of_one_name_are_kept_apart() -> None:
    found = [deck(("a", "b"), name=f"D{at}", title='Bio::"logy"') for at in range(3)]

    with closing(opened(anki.package(found, now=NOON))) as database:
        decks = database.execute("SELECT decks FROM col").fetchone()[0]
    for name in ("Rill::Bio logy", "Rill::Bio logy (2)", "Rill::Bio logy (3)"):
        assert f'"{name}"' in decks


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("plain", "plain"),
        ("**bold** and `code`", "<b>bold</b> and <code>code</code>"),
        ("two\nlines", "two<br>lines"),
        (r"a \_\_\_ gap", "a &#95;&#95;&#95; gap"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ('"><img src=x onerror="a">', "&quot;&gt;&lt;img src=x onerror=&quot;a&quot;&gt;"),
        ("[sound:http://evil.example/a.mp3]", "&#91;sound:http://evil.example/a.mp3&#93;"),
        (r"[latex]\input{/etc/passwd}[/latex]", r"&#91;latex&#93;\input{/etc/passwd}&#91;/latex&#93;"),
        ("{{Front}}", "{&#123;Front}&#125;"),
        ("$x^2$ is", r"\(x^2\) is"),
        ("$$a < b$$", r"\[a &lt; b\]"),
        ("costs $5 and $6", "costs $5 and $6"),
        (r"$\href{javascript:alert(1)}{x}$", r"$\href{javascript:alert(1)}{x}$"),
        (r"$a\) <b>$", "$a\\\u2060) &lt;b&gt;$"),
        # The browser reads entities before MathJax looks: only what parts the two characters helps.
        (r"\(x\)", "\\\u2060(x\\\u2060)"),
        (r"\\(x\\)", "&#92;&#8288;(x&#92;&#8288;)"),
        ("\\\ue00040\ue001x", "\\40x"),
        (r"\begin{x}", "\\\u2060begin{x}"),
        (r"$\(\href{javascript:alert(1)}{x}\)$", "$\\\u2060(\\href{javascript:alert(1)}{x}\\\u2060)$"),
    ],
)
def test_a_side_is_inert_html(text: str, field: str) -> None:
    assert anki.field(text) == field


def test_nothing_is_left_on_the_disk(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    anki.package([deck(("a", "b"))], now=NOON)

    assert list(tmp_path.iterdir()) == []


def rows(*found: tuple[Deck, Sequence[Card]]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.table(found).decode("utf-8-sig"), newline="")))


def test_a_table_has_a_row_for_each_card() -> None:
    told = rows(deck(('with "quotes", commas', "and\nlines"), ("é数", "🙂")))

    assert told[0] == list(table.HEADER)
    assert told[1] == ["Biology", 'with "quotes", commas', "and\nlines", "2026-11-21T12:00:00+00:00", "0", "0"]
    assert told[2][1:3] == ["é数", "🙂"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "  =1", "\n=1", "＝1"])
def test_nothing_in_a_table_is_a_formula(text: str) -> None:
    assert rows(deck((text, "b")))[1][1] == f"'{text}"
