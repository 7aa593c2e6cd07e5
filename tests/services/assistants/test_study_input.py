"""What clients may send to the study chat."""

from typing import Any

import pytest

from services.assistants.study.input import LENGTHS, MAX_MEDIA, MAX_MESSAGE_CHARS, WAYS, MediaRef, parse_message
from services.errors import InvalidInput


def wrong(**fields: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        parse_message({"message": "Hello", **fields})
    return {error.field: error.message for error in refused.value.errors}


@pytest.mark.req("U4")
def test_the_specifications_body_is_read() -> None:
    media = [{"id": "m1", "url": "https://example.org/a.png"}, {"id": "m2"}]

    sent = parse_message({"interaction_id": "c1", "message": " Why? ", "media_files": media, "max_tokens": 5000})

    assert (sent.message, sent.interaction_id, sent.max_tokens) == ("Why?", "c1", 5000)
    assert sent.media == (MediaRef("m1", "https://example.org/a.png"), MediaRef("m2"))
    assert sent.limit_tokens == 5000


def test_a_form_sends_texts_and_repeats_its_files() -> None:
    sent = parse_message({"message": "Why?", "media": ["m1", "m2", "m1"], "max_tokens": "300", "fresh": "on"})

    assert sent.media == (MediaRef("m1"), MediaRef("m2"))
    assert (sent.max_tokens, sent.fresh) == (300, True)


@pytest.mark.parametrize(("length", "limit"), LENGTHS.items())
def test_a_length_is_a_limit_unless_one_is_given(length: str, limit: int) -> None:
    assert parse_message({"message": "Why?", "length": length}).limit_tokens == limit
    assert parse_message({"message": "Why?", "length": length, "max_tokens": 7}).limit_tokens == 7


@pytest.mark.parametrize("way", WAYS)
def test_a_way_on_needs_no_words(way: str) -> None:
    assert parse_message({"way": way}).message == WAYS[way]
    assert parse_message({"way": way, "message": "With cats, please"}).message == "With cats, please"


def test_the_text_is_made_harmless() -> None:
    assert parse_message({"message": "a\x00b\r\nc\rd\ud800"}).message == "ab\nc\nd�"


@pytest.mark.req("U12", "R25")
def test_every_bad_field_is_named() -> None:
    told = wrong(message=" \n", media_files=7, max_tokens="many", length="endless", way="backwards", fresh="perhaps")

    assert set(told) == {"message", "media_files", "max_tokens", "length", "fresh", "way"}


@pytest.mark.parametrize("message", [None, "", "   ", "\x00", 7, [], {}])
def test_a_message_must_be_a_text(message: Any) -> None:
    assert set(wrong(message=message)) == {"message"}


def test_a_message_has_a_limit() -> None:
    assert parse_message({"message": "x" * MAX_MESSAGE_CHARS}).message
    assert "10,000" in wrong(message="x" * (MAX_MESSAGE_CHARS + 1))["message"]


@pytest.mark.parametrize("max_tokens", [0, -1, 16_001, 1.5, True, "1e9", "", "٣"])
def test_max_tokens_is_a_whole_number_within_bounds(max_tokens: Any) -> None:
    if max_tokens == "":
        assert parse_message({"message": "x", "max_tokens": ""}).max_tokens is None
    else:
        assert set(wrong(max_tokens=max_tokens)) == {"max_tokens"}


@pytest.mark.parametrize(
    "media", ["[", "[1.5]", [None], [{}], [{"id": ""}], [{"id": 1.5}], [{"id": "x" * 65}], {"id": 1}]
)
def test_media_must_name_files(media: Any) -> None:
    assert all(name.startswith("media_files") for name in wrong(media_files=media))


def test_so_many_files_and_no_more() -> None:
    parse_message({"message": "x", "media_files": [{"id": str(n)} for n in range(MAX_MEDIA)]})

    assert "at most 8" in wrong(media_files=[{"id": str(n)} for n in range(MAX_MEDIA + 1)])["media_files"]


@pytest.mark.parametrize("name", [7, "c1", " c1 "])
def test_an_interaction_is_named_by_a_text_or_a_number(name: Any) -> None:
    assert parse_message({"message": "x", "interaction_id": name}).interaction_id == str(name).strip()


def test_an_interaction_of_odd_form_is_unknown_not_malformed() -> None:
    assert parse_message({"message": "x", "interaction_id": "../../etc"}).interaction_id == "-"
    assert set(wrong(interaction_id=["c1"])) == {"interaction_id"}
