"""The words of a text, and the pieces of it that are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.store.words import CLOSE, MAX_INDEXED_CHARS, OPEN, indexed, is_prefix, snippet, wanted, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Two Sum, twice: two_sum!", ["two", "sum", "twice", "two", "sum"]),
        ("Ärger STRASSE straße café", ["arger", "strasse", "strasse", "cafe"]),
        ("ＦＵＬＬ width, ﬁne", ["full", "width", "fine"]),
        ("中文学", ["中文", "文学", "学"]),
        ("Python入門 3", ["python", "入門", "門", "3"]),
        ("हिन्दी", ["हिनदी"]),
        ("100% <b>x</b> 'or' 1=1 -- \"a*\"", ["100", "b", "x", "b", "or", "1", "1", "a"]),
        ("\x00\ud800 🙂 — …", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_digits_folded(text: str, found: list[str]) -> None:
    assert list(words(text)) == found


def test_what_is_indexed_names_its_owner_and_each_word_once() -> None:
    assert indexed(7, "Two and two") == ["7:two", "7:and"]


@pytest.mark.slow
def test_what_is_indexed_of_one_text_is_bounded() -> None:
    many = indexed(1, " ".join(f"w{number}" for number in range(100_000)))
    wide = indexed(1, "".join(chr(0x20000 + number) for number in range(MAX_INDEXED_CHARS)))

    assert 0 < sum(len(word) for word in many) < MAX_INDEXED_CHARS * 3
    assert 0 < sum(len(word.encode()) for word in wide) <= 400_000
    assert max(map(len, indexed(1, "x" * 1000))) <= 42


def test_a_query_is_bounded() -> None:
    assert len(wanted(" ".join(f"w{number}" for number in range(100)))) == 8
    assert wanted("a a A ä") == ["a"]
    assert wanted("%_*") == []


def test_one_letter_is_a_word_of_its_own() -> None:
    assert [is_prefix(word) for word in ("a", "ab", "中", "1")] == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "q", "shown"),
    [
        ("Walk the graph.", "graph", "Walk the \x02graph\x03."),
        ("Walk the Graphs", "graph the", "Walk \x02the\x03 \x02Graphs\x03"),
        ("Straße und Café", "strasse cafe", "\x02Straße\x03 und \x02Café\x03"),
        ("今日は学校", "学校", "今日は\x02学校\x03"),
        ("a b ab", "a", "\x02a\x03 b ab"),
        ("one\n\n  two", "two", "one \x02two\x03"),
        ("<b>graph</b>", "graph", "<b>\x02graph\x03</b>"),
        ("\x02forged\x03 graph", "graph", "forged \x02graph\x03"),
        ("nothing here", "graph", "nothing here"),
    ],
)
def test_a_snippet_marks_what_matches(text: str, q: str, shown: str) -> None:
    assert snippet(text, wanted(q)) == shown


def test_a_snippet_of_a_long_text_is_a_piece_around_the_first_match() -> None:
    text = "before " * 100 + "the needle in it " + "after " * 100

    shown = snippet(text, ["needle"])

    assert shown.startswith("…before ")
    assert shown.endswith(" after…")
    assert "the \x02needle\x03 in it" in shown
    assert len(shown) < 180
    assert len(snippet("word " * 100, ["none"])) < 165


@pytest.mark.slow
@given(st.text(max_size=400), st.text(max_size=20))
def test_a_snippet_is_made_of_the_text(text: str, q: str) -> None:
    shown = snippet(text, wanted(q))

    plain = shown.replace(OPEN, "").replace(CLOSE, "").strip("…").strip()
    assert plain in " ".join(text.replace(OPEN, "").replace(CLOSE, "").split()) or "…" in text
    assert shown.count(OPEN) == shown.count(CLOSE)


@pytest.mark.slow
@given(st.text(max_size=200))
def test_a_text_is_found_by_each_of_its_words(text: str) -> None:
    found = list(words(text))

    for word in found:
        for part in words(word):
            assert any(known.startswith(part) for known in found)
