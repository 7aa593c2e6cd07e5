"""Chapters that follow each other: choices, going back, other beginnings; and what stands in their way."""

from typing import Any

import pytest

from tests.blueprints.stories.tellers import JSON, SSE, Teller, chapter, read, text_of
from tests.blueprints.streams import Stream
from tests.model_server import ModelServer

# Each tells several chapters.
pytestmark = pytest.mark.slow


def story_of(events: list[Any]) -> dict[str, Any]:
    told: dict[str, Any] = events[-1]["story"]
    return told


@pytest.mark.req("Y6", "Y19", "R33", "D1-20")
def test_the_second_chapter_goes_on_from_a_choice_of_the_first(teller: Teller) -> None:
    first = story_of(teller.tell())

    second = teller.tell(chapter_number=2, choice=first["choices"][1], story_session=first["story_id"])

    told = story_of(second)
    assert told["story_id"] == first["story_id"]
    assert (second[0]["chapter_number"], told["chapter_number"]) == (2, 2)
    assert "Mia" in text_of(second)
    stored = teller.story(first["story_id"])
    assert [one["chapter_number"] for one in stored["chapters"]] == [1, 2]
    assert stored["chapters"][1]["choice"] == first["choices"][1]
    assert stored["chapters"][1]["parent_id"] == first["chapter_id"]
    assert stored["chapters"][1]["story_content"] == text_of(second)
    assert stored["path"] == [first["chapter_id"], told["chapter_id"]]


@pytest.mark.req("Y6", "R33", "D1-20")
def test_a_choice_may_be_a_number_a_surprise_or_the_childs_own_idea(teller: Teller) -> None:
    first = story_of(teller.tell())
    said: dict[str, dict[str, str]] = {
        "number": {"choice": "2"},
        "surprise": {"choice": "Surprise me!"},
        "own": {"choice": "They bake a cake with the moon"},
        "custom": {"custom_user_input": "They bake a cake with the moon"},
    }

    for name, fields in said.items():
        events = teller.tell_anew(chapter_number=2, story_session=first["story_id"], **fields)
        (made,) = [
            one for one in teller.story(first["story_id"])["chapters"] if one["id"] == story_of(events)["chapter_id"]
        ]
        if name == "number":
            assert made["choice"] == first["choices"][1]
        elif name == "surprise":
            assert made["choice"] in first["choices"]
        else:
            assert (made["choice"], made["custom_user_input"]) == (None, "They bake a cake with the moon")


@pytest.mark.req("Y3", "Y6")
def test_without_a_session_a_chapter_goes_on_with_the_newest_story_of_its_theme(teller: Teller) -> None:
    older, newer = story_of(teller.tell_anew()), story_of(teller.tell_anew())
    space = story_of(teller.tell_anew(theme="space"))

    second = story_of(teller.tell(chapter_number=2))
    titled = story_of(teller.tell_anew(title="The Blue Door"))
    again = story_of(teller.tell(chapter_number=2, title="The Blue Door"))

    assert second["story_id"] == newer["story_id"]
    assert again["story_id"] == titled["story_id"]
    assert len({older["story_id"], newer["story_id"], space["story_id"], titled["story_id"]}) == 4
    assert "The Blue Door" in [story["title"] for story in teller.shelf()]


@pytest.mark.req("Y6")
def test_a_client_may_have_its_own_name_for_a_story(teller: Teller) -> None:
    first = story_of(teller.tell(story_session="my story"))
    second = story_of(teller.tell(story_session="my story", chapter_number=2))
    # Each child has its own stories under a name.
    other = teller.add_child(name="Ben", age=9)
    unknown = teller.get(child_id=other["id"], story_session="my story", chapter_number=2)

    assert second["story_id"] == first["story_id"]
    assert (unknown.status_code, unknown.json["code"]) == (409, "CHAPTER_MISSING")
    # Chapter 1 of a story that there is: another beginning of it.
    beginning = story_of(teller.tell_anew(story_session="my story"))
    assert beginning["story_id"] == first["story_id"]
    stored = teller.story(first["story_id"])
    assert [one["chapter_number"] for one in stored["chapters"]] == [1, 2, 1]
    assert stored["path"] == [beginning["chapter_id"]]


@pytest.mark.req("D1-20", "B2")
def test_going_back_to_choose_otherwise_makes_a_branch(teller: Teller) -> None:
    first = story_of(teller.tell())
    wish = {"chapter_number": 2, "story_session": first["story_id"], "from_chapter": first["chapter_id"]}

    one = story_of(teller.tell(**wish, choice="1"))
    two = story_of(teller.tell(**wish, choice="2"))

    stored = teller.story(first["story_id"])
    by_id = {chapter["id"]: chapter for chapter in stored["chapters"]}
    assert by_id[first["chapter_id"]]["next"] == [one["chapter_id"], two["chapter_id"]]
    assert by_id[one["chapter_id"]]["choice"] != by_id[two["chapter_id"]]["choice"]
    assert stored["path"] == [first["chapter_id"], two["chapter_id"]]
    # The other way can be read without taking it.
    other = teller.client.get(f"/api/v1/stories/{first['story_id']}?chapter={one['chapter_id']}").json
    assert other["path"] == [first["chapter_id"], one["chapter_id"]]
    read_there = {chapter["id"]: chapter["story_content"] for chapter in other["chapters"]}
    assert read_there == {**read_there, one["chapter_id"]: one["story_content"], two["chapter_id"]: None}
    assert teller.story(first["story_id"])["path"] == stored["path"]
    third = story_of(teller.tell(chapter_number=3, from_chapter=one["chapter_id"]))
    assert teller.story(first["story_id"])["path"] == [first["chapter_id"], one["chapter_id"], third["chapter_id"]]


@pytest.mark.req("Y33", "Y25", "D1-20")
def test_a_chapter_without_the_one_before_it_is_refused_and_says_which(teller: Teller) -> None:
    refused = teller.get(chapter_number=2)

    assert (refused.status_code, refused.json["code"]) == (409, "CHAPTER_MISSING")
    assert refused.content_type == "application/problem+json"
    assert refused.json["message"] == "Chapter 1 must be told before chapter 2."
    first = story_of(teller.tell())
    for number in (3, 99):
        beyond = teller.post(chapter_number=number, story_session=first["story_id"])
        assert (beyond.status_code, beyond.json["code"]) == (409, "CHAPTER_MISSING")
        assert f"Chapter {number - 1} " in beyond.json["message"]
    assert teller.get(chapter_number=2, story_session="unheard of").json["code"] == "CHAPTER_MISSING"
    assert len(teller.shelf()) == 1


@pytest.mark.req("Y33", "R5")
def test_a_story_or_a_chapter_of_somebody_else_or_of_another_child_is_not_found(
    teller: Teller, stranger: Teller
) -> None:
    theirs, mine = story_of(stranger.tell()), story_of(teller.tell())
    other = teller.add_child(name="Ben", age=9)
    fields: list[dict[str, Any]] = [
        {"story_session": theirs["story_id"], "chapter_number": 2},
        {"story_session": theirs["story_id"]},
        {"from_chapter": theirs["chapter_id"], "chapter_number": 2},
        {"child_id": other["id"], "story_session": mine["story_id"], "chapter_number": 2},
        {"child_id": other["id"], "from_chapter": mine["chapter_id"], "chapter_number": 2},
        {"from_chapter": "nothing", "chapter_number": 2},
    ]

    for wrong in fields:
        for answer in (teller.get(**wrong), teller.post(**wrong)):
            assert (answer.status_code, answer.json["code"]) == (404, "NOT_FOUND"), wrong
    assert teller.client.get(f"/api/v1/stories/{theirs['story_id']}").status_code == 404
    assert len(teller.shelf()) == len(stranger.shelf()) == 1


@pytest.mark.req("Y33", "Y39")
def test_a_chapter_that_is_being_told_or_broke_off_must_come_to_its_end_first(
    modelled_teller: Teller, model: ModelServer
) -> None:
    model.play(chapter(stall_after=120))
    with Stream(modelled_teller.get()) as stream:
        frames = stream.until("message")
        while not any(frame.json["type"] == "content" for frame in frames):
            frames += stream.until("message")
        place = frames[0].json
        running = modelled_teller.get(chapter_number=2)
        modelled_teller.client.post(place["stop_url"])
        stream.rest()
    unfinished = modelled_teller.get(chapter_number=2)

    assert (running.status_code, running.json["code"]) == (409, "CHAPTER_RUNNING")
    assert running.json["stream_url"] == place["stream_url"]
    assert (unfinished.status_code, unfinished.json["code"]) == (409, "CHAPTER_UNFINISHED")
    assert unfinished.json["continue_url"] == f"{place['stream_url']}/continue"
    model.play(chapter(60))
    continued = modelled_teller.client.post(unfinished.json["continue_url"], headers=JSON)
    assert continued.status_code == 201, continued.text
    with modelled_teller.follow(continued.json["stream_id"]) as stream:
        rest = [frame.json for frame in stream.rest()]
    partial = text_of([frame.json for frame in frames])
    assert rest[0]["partial"].startswith(partial)
    assert rest[-1]["story"]["success"] is True
    stored = modelled_teller.story(place["story_id"])
    (told,) = stored["chapters"]
    assert told["story_content"] == rest[0]["partial"] + text_of(rest)
    assert modelled_teller.told_today() == 1, "going on is not another chapter of the day"
    assert modelled_teller.get(headers=JSON, chapter_number=2).status_code == 201


@pytest.mark.req("D1-20", "D2-4", "Y33")
def test_the_last_chapter_ends_the_story(teller: Teller) -> None:
    first = story_of(teller.tell())

    last = story_of(teller.tell(chapter_number=2, story_session=first["story_id"], bedtime="true"))
    after = teller.get(chapter_number=3, story_session=first["story_id"])

    assert (last["is_last"], last["choices"]) == (True, [])
    assert last["story_content"].rstrip().endswith("The end.")
    assert (after.status_code, after.json["code"]) == (409, "STORY_ENDED")
    assert teller.story(first["story_id"])["has_ended"] is True
    # Going back to its first chapter it can go on otherwise.
    otherwise = teller.get(headers=JSON, chapter_number=2, from_chapter=first["chapter_id"])
    assert otherwise.status_code == 201


@pytest.mark.req("D1-20", "D2-4")
def test_a_short_story_comes_to_its_end_by_itself(teller: Teller) -> None:
    events = teller.tell(chapters="short")
    number = 1
    while not story_of(events)["is_last"]:
        number += 1
        assert number <= 10, "a short story does not end"
        events = teller.tell(chapter_number=number, story_session=story_of(events)["story_id"], choice="1")

    assert number >= 2
    assert story_of(events)["story_content"].rstrip().endswith("The end.")


@pytest.mark.req("D1-20")
def test_the_shelf_lists_stories_and_one_childs(teller: Teller, stranger: Teller) -> None:
    first = story_of(teller.tell())
    other = teller.add_child(name="Ben", age=9)
    second = story_of(read(teller.get(child_id=other["id"], theme="robots")))
    story_of(stranger.tell())

    assert [story["id"] for story in teller.shelf()] == [second["story_id"], first["story_id"]]
    (only,) = teller.client.get(f"/api/v1/stories?child_id={teller.child['id']}").json["stories"]
    assert (only["id"], only["child_name"], only["theme"], only["chapters_told"]) == (
        first["story_id"], "Mia", "ocean", 1,
    )  # fmt: skip
    page = teller.client.get(f"/api/v1/stories?before={second['story_id']}").json
    assert ([story["id"] for story in page["stories"]], page["next"]) == ([first["story_id"]], None)
    assert teller.client.get(f"/api/v1/stories?child_id={stranger.child['id']}").status_code == 404
    assert teller.client.get("/api/v1/stories?before=nothing").status_code == 404


@pytest.mark.req("Y34", "Y37", "Y39")
def test_reading_a_running_chapter_from_two_places_is_one_story(modelled_teller: Teller, model: ModelServer) -> None:
    model.play(chapter(stall_after=130))
    begun = modelled_teller.get(headers=JSON).json
    with modelled_teller.follow(begun["stream_id"]) as one, Stream(modelled_teller.get(headers=SSE)) as two:
        one.until("message")
        two.until("message")
        model.release()
        one.rest()
        two.rest()
        seen = [[frame.json for frame in stream.frames] for stream in (one, two)]

    assert text_of(seen[0]) == text_of(seen[1]) == seen[0][-1]["story"]["story_content"]
    assert len(model.calls) == 2, "one for the chapter, one for what goes with it"
