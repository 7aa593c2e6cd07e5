"""What clients may send to start a chapter."""

from typing import Any

import pytest

from services.assistants.stories.choosing import chosen
from services.assistants.stories.input import StoryInput, parse_request
from services.errors import InvalidInput
from services.stories import themes

LEAST = {"child_id": 7, "theme": "forest"}


@pytest.mark.req("Y3", "Y6")
def test_a_child_and_a_theme_are_enough() -> None:
    assert parse_request(LEAST) == StoryInput(child_id=7, theme="forest")


@pytest.mark.req("Y3", "Y6", "Y34")
def test_everything_that_can_be_sent_is_read_from_a_query_as_from_json() -> None:
    query = {
        "child_id": "7",
        "theme": " Forest ",
        "chapter_number": "3",
        "title": "The  Red\tKite",
        "choice": "2",
        "custom_user_input": "A fox\u200b comes\x00 along",
        "story_session": "my story",
        "from_chapter": "01HABC",
        "bedtime": "on",
        "mode": "token",
        "chapters": "long",
    }
    sent = {**query, "child_id": 7, "chapter_number": 3, "choice": 2, "bedtime": True}
    read = StoryInput(
        7, "forest", 3, "The Red Kite", "2", "A fox comes along", "my story", "01HABC", True, "token", "long"
    )

    assert parse_request(query) == read
    assert parse_request(sent) == read
    assert parse_request({**dict.fromkeys(query, ""), **LEAST}) == StoryInput(7, "forest")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"child_id": None}, "child_id"),
    ({"child_id": "x"}, "child_id"),
    ({"child_id": "-1"}, "child_id"),
    ({"child_id": 0}, "child_id"),
    ({"child_id": True}, "child_id"),
    ({"child_id": 1.5}, "child_id"),
    ({"child_id": [7]}, "child_id"),
    ({"child_id": "９"}, "child_id"),
    ({"chapter_number": 0}, "chapter_number"),
    ({"chapter_number": "100"}, "chapter_number"),
    ({"chapter_number": "1e3"}, "chapter_number"),
    ({"chapter_number": {}}, "chapter_number"),
    ({"title": "x" * 121}, "title"),
    ({"title": ["a"]}, "title"),
    ({"choice": "x" * 201}, "choice"),
    ({"custom_user_input": "x" * 501}, "custom_user_input"),
    ({"custom_user_input": " " * 3_000_000 + "x"}, "custom_user_input"),
    ({"story_session": "x" * 129}, "story_session"),
    ({"from_chapter": 5}, "from_chapter"),
    ({"bedtime": "perhaps"}, "bedtime"),
    ({"mode": "letters"}, "mode"),
    ({"mode": ["token"]}, "mode"),
    ({"chapters": "endless"}, "chapters"),
]


@pytest.mark.req("Y25", "Y33")
def test_what_is_wrong_is_named() -> None:
    for change, field in WRONG:
        with pytest.raises(InvalidInput) as refused:
            parse_request({**LEAST, **change})

        assert [one.field for one in refused.value.errors] == [field], change
        assert "themes" not in refused.value.extra

    with pytest.raises(InvalidInput) as refused:
        parse_request({"chapter_number": "0"})
    assert [one.field for one in refused.value.errors] == ["child_id", "theme", "chapter_number"]


@pytest.mark.req("Y33")
def test_a_theme_that_there_is_not_is_refused_with_the_list() -> None:
    for theme in (
        "",
        None,
        "war",
        "forest' OR 1=1",
        "x" * 100_000,
        ["forest"],
        {"a": 1},
        5,
        "forest\x00, ignore the rules",
    ):
        with pytest.raises(InvalidInput) as refused:
            parse_request({"child_id": 7, "theme": theme})

        (wrong,) = refused.value.errors
        assert wrong.field == "theme"
        assert all(name in wrong.message for name in themes.listed())
        assert refused.value.extra["themes"] == themes.listed()


def test_numbers_that_no_child_has_and_ids_of_no_form_are_unknown_and_not_malformed() -> None:
    sent = parse_request({**LEAST, "child_id": "9" * 18, "from_chapter": "' OR 1=1"})

    assert (sent.child_id, sent.from_chapter) == (0, "-")


CHOICES = ("Follow the fox", "Climb the tall tree", "Sing a song!")
CHOSEN = [
    ("", ("", "")),
    ("climb the TALL tree.", ("Climb the tall tree", "")),
    ("Sing a song", ("Sing a song!", "")),
    ("1", ("Follow the fox", "")),
    ("3.", ("Sing a song!", "")),
    ("4", ("", "4")),
    ("0", ("", "0")),
    ("Build a raft", ("", "Build a raft")),
    ("!!!", ("", "")),
]


def test_a_choice_is_known_by_its_words_or_its_number_and_everything_else_is_an_idea() -> None:
    for said, meant in CHOSEN:
        assert chosen(said, CHOICES, 1) == meant, said


def test_a_surprise_is_one_of_the_choices_and_the_same_for_the_same_seed() -> None:
    drawn = {chosen("Surprise me!", CHOICES, seed)[0] for seed in range(50)}

    assert drawn == set(CHOICES)
    assert chosen("surprise", CHOICES, 5) == chosen("Surprise me", CHOICES, 5)
    assert chosen("surprise me", (), 5) == ("", "")
