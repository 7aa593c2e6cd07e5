"""What clients send to the search: taken in two encodings, refused by field."""

from typing import Any

import pytest

from services.assistants.search.input import MAX_BASES, MAX_QUERY_CHARS, SearchInput, check_query, parse_search
from services.errors import InvalidInput


def wrong(data: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        parse_search(data)
    return {error.field: error.message for error in caught.value.errors}


@pytest.mark.req("Q9")
def test_a_question_and_where_to_look() -> None:
    assert parse_search({"query": " Why? ", "kb_ids": ["b1", "b2", "b1"], "conversation_id": "c1"}) == SearchInput(
        "Why?", ("b1", "b2"), "c1"
    )


@pytest.mark.parametrize("nothing", [None, "", [], ["", "  "]])
def test_no_base_means_all_that_may_be_read(nothing: Any) -> None:
    assert parse_search({"query": "Why?", "kb_ids": nothing}).base_ids == ()


@pytest.mark.parametrize(
    "data", [{"kb_ids": "b1"}, {"kb_ids[]": ["b1"]}, {"kb_ids[]": "b1"}, {"kb_ids": "", "kb_ids[]": "b1"}]
)
def test_a_forms_field_may_be_one_value_or_have_brackets(data: dict[str, Any]) -> None:
    assert parse_search({"query": "Why?", **data}).base_ids == ("b1",)


def test_ids_that_cannot_be_ours_are_nobodys() -> None:
    sent = parse_search({"query": "Why?", "kb_ids": ["../etc", "b" * 65], "conversation_id": "no id'--"})

    assert (sent.base_ids, sent.conversation_id) == (("-",), "-")


def test_the_question_is_cleaned() -> None:
    assert parse_search({"query": "a\x00b\r\nc\ud800"}).query == "ab\nc\ufffd"
    assert check_query("  in other words ") == "in other words"


@pytest.mark.parametrize("query", [None, "", "   ", "\x00\x01", 5, ["a"], {"a": 1}, True])
def test_a_question_is_needed(query: Any) -> None:
    assert set(wrong({"query": query})) == {"query"}


def test_a_question_of_100_kb_is_refused_at_its_field() -> None:
    assert wrong({"query": "word " * 20_000}) == {"query": f"must have at most {MAX_QUERY_CHARS:,} characters"}


def test_every_wrong_field_is_named() -> None:
    assert set(wrong({"kb_ids": ["b1", 2, None], "conversation_id": 5})) == {
        "query",
        "kb_ids[1]",
        "kb_ids[2]",
        "conversation_id",
    }
    assert set(wrong({"query": "Why?", "kb_ids": {"a": 1}})) == {"kb_ids"}
    assert set(wrong({"query": "Why?", "kb_ids": 7})) == {"kb_ids"}
    assert set(wrong({"query": "Why?", "kb_ids": ["b"] * (MAX_BASES + 1)})) == {"kb_ids"}
