"""What was typed into the search, taken apart."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.knowledge.query import MAX_CHARS, MAX_TERMS, Query, parse


def day(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_a_plain_question_is_its_words_and_nothing_else() -> None:
    query = parse("How  does pg_dump\nwork, and WHY?")

    assert query.text == "How does pg_dump work, and WHY?"
    assert query.words == ("how", "does", "pg_dump", "work", "and", "why")
    assert query == Query(query.text, query.words)


def test_signs_are_conditions_and_their_words_belong_to_the_question_unless_excluded() -> None:
    query = parse('+vacuum -full "transaction id" -"hot standby" wraparound')

    assert query.must == ("vacuum",)
    assert query.phrases == ("transaction id",)
    assert query.must_not == ("full", "hot standby")
    assert query.text == "vacuum transaction id wraparound"


@pytest.mark.parametrize("typed", ["-j", "pg_dump -Fc", "a - b", "a-b", "co-operation", "--verbose", "x+y", "c++", "+"])
def test_signs_that_are_not_meant_as_conditions_are_none(typed: str) -> None:
    query = parse(typed)

    assert not query.must
    assert not query.must_not


def test_files_are_named_plainly_or_in_quotes() -> None:
    query = parse('budget file:Plan.pdf file:"my Report 3.docx" file:')

    assert query.files == ("plan.pdf", "my report 3.docx")
    assert "report" not in query.words


@pytest.mark.parametrize(
    ("typed", "after", "before"),
    [
        ("dt>=2024-01-31", day(2024, 1, 31), None),
        ("dt>2024-01-31", day(2024, 2, 1), None),
        ("dt<2024-12", None, day(2024, 12, 1)),
        ("dt<=2024-12", None, day(2025, 1, 1)),
        ("dt=2024", day(2024, 1, 1), day(2025, 1, 1)),
        ("dt>=2024-01 dt>=2024-03 dt<2024-06 dt<2024-05", day(2024, 3, 1), day(2024, 5, 1)),
    ],
)
def test_dates_are_days_months_or_years_and_the_narrowest_counts(
    typed: str, after: datetime | None, before: datetime | None
) -> None:
    query = parse(f"what changed {typed}")

    assert (query.after, query.before) == (after, before)
    assert query.text == "what changed"
    assert not query.notes


@pytest.mark.parametrize("date", ["2024-13", "2024-02-30", "yesterday", "0000", "99999", "9999-12-31x", "²⁰²⁴"])
def test_a_date_that_is_none_is_left_out_and_said(date: str) -> None:
    query = parse(f"news dt>={date}")

    assert query.after is None
    assert date[:40] in query.notes[0]


def test_the_last_day_of_all_is_a_day() -> None:
    assert parse("dt>=9999-12-31").after == day(9999, 12, 31)
    assert parse("dt<=9999-12-31").before == datetime.max.replace(tzinfo=UTC)
    assert parse("dt<9999-12-31").before == day(9999, 12, 31)
    assert parse("dt=9999-12").after == day(9999, 12, 1)
    assert parse("dt=9999").before == parse("dt>9999-12").after == datetime.max.replace(tzinfo=UTC)
    assert not parse("dt>=9999-12-31").notes


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ('the "never closed lease', ("the", "never", "closed", "lease")),
        ('lease -"never closed', ("lease", "never", "closed")),
        ('a 5" disk and a 7" disk', ("a", "5", "disk", "and", "7")),
        ("an „open one", ("an", "open", "one")),
    ],
)
def test_a_quotation_mark_that_nothing_closes_is_none(typed: str, words: tuple[str, ...]) -> None:
    query = parse(typed)

    assert query.words == words
    assert not query.phrases
    assert not query.must_not


@pytest.mark.parametrize("typed", ['"never closed phrase', "“curly” „low“", '-"', '""', '+"must be"', '"a" "b'])
def test_unbalanced_and_other_quotes_are_phrases_or_nothing(typed: str) -> None:
    query = parse(typed)

    assert all(phrase.strip() for phrase in (*query.phrases, *query.must_not))


def test_a_very_long_text_is_cut_and_said_and_takes_no_time() -> None:
    for typed in (
        '"' * 100_000,
        "+a " * 40_000,
        "-abc " * 30_000,
        'file:"' * 20_000,
        "dt>=2024 " * 12_000,
        "x" * 100_000,
    ):
        began = time.process_time()

        query = parse(typed)

        assert time.process_time() - began < 0.5
        assert query.notes[0].startswith("Only the beginning")
        assert len(query.text) <= MAX_CHARS
        for each in (query.words, query.must, query.must_not, query.phrases, query.files):
            assert len(each) <= MAX_TERMS


@pytest.mark.slow
@given(st.text(max_size=300) | st.text('+-"“”:file dt<>=0123456789-ab_ \n', max_size=300))
def test_nothing_that_is_typed_raises_and_conditions_are_plain_words(typed: str) -> None:
    query = parse(typed)

    for entry in (*query.words, *query.must, *query.must_not, *query.phrases):
        assert entry
        assert not set(entry) & set('"“”()*^:+-{}')
