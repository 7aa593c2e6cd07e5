from collections.abc import Callable
from datetime import timedelta

import pytest

from services import errors
from services.store import conversations
from services.store.asking import ROOT
from services.store.story_places import Place, client_name
from tests.services.store.families import Family
from tests.services.store.lists import at_once


def refusal(call: Callable[[], object]) -> tuple[str, str | None]:
    """The code of a conflict, and the chapter that it is about."""
    with pytest.raises(errors.Conflict) as caught:
        call()
    return caught.value.code, caught.value.extra.get("chapter_id")


@pytest.mark.slow
def test_a_first_chapter_begins_a_story_and_the_next_one_follows_it(family: Family) -> None:
    mira = family.child()
    place = family.place(mira, session="my story")
    assert place == Place(mira, 1, "dragons", client_name=client_name(mira.id, "my story"))

    first = family.end(family.begin(place, title="", length="short"))

    for by in ({}, {"session": "my story"}, {"session": first.story_id}, {"from_chapter": first.id}):
        found = family.place(mira, 2, **by)
        assert found.story is not None
        assert (found.story.id, found.story.length) == (first.story_id, "short")
        assert found.parent == first
        assert (found.number, found.conversation_id) == (2, first.story_id)
        assert found.parent_message_id == first.id
    second = family.tell(mira, 2)
    assert (second.number, second.parent_id, second.story_id) == (2, first.id, first.story_id)
    assert family.story(first.story_id).path == (first, second)


@pytest.mark.slow
def test_a_chapter_needs_the_one_before(family: Family) -> None:
    mira = family.child()
    assert refusal(lambda: family.place(mira, 2)) == ("CHAPTER_MISSING", None)
    assert refusal(lambda: family.place(mira, 2, session="unknown")) == ("CHAPTER_MISSING", None)
    message_id = family.begin(family.place(mira))
    story_id = family.stories.chapter(family.user_id, message_id).story_id

    for by in ({}, {"session": story_id}):
        assert refusal(lambda by=by: family.place(mira, 2, **by)) == ("CHAPTER_RUNNING", message_id)
    cut = family.end(message_id, "Once upon", outcome="interrupted")
    for by in ({}, {"session": story_id}, {"from_chapter": cut.id}):
        assert refusal(lambda by=by: family.place(mira, 2, **by)) == ("CHAPTER_UNFINISHED", cut.id)
    with pytest.raises(errors.Conflict, match=r"Chapter 3 must be told before chapter 4\."):
        family.place(mira, 4, session=story_id)

    whole = family.end(family.again(cut, from_partial=True), " a time.")

    assert whole.text == "Once upon a time."
    assert (whole.number, whole.place_id, whole.counted) == (1, cut.place_id, False)
    # Whichever try is named: it is the chapter that came to its end.
    for by in ({}, {"session": story_id}, {"from_chapter": cut.id}, {"from_chapter": whole.id}):
        assert family.place(mira, 2, **by).parent == whole
    assert family.story(story_id).path == (whole,)
    assert refusal(lambda: family.place(mira, 3, from_chapter=whole.id, session=story_id)) == ("CHAPTER_MISSING", None)


@pytest.mark.slow
def test_a_story_that_has_ended_goes_on_from_an_earlier_chapter_only(family: Family) -> None:
    mira = family.child()
    first = family.tell(mira)
    last = family.tell(mira, 2, told={"is_last": True, "choices": []})

    for by in ({}, {"session": first.story_id}, {"from_chapter": last.id}):
        assert refusal(lambda by=by: family.place(mira, 3, **by)) == ("STORY_ENDED", last.id)
    assert family.story(first.story_id).story.has_ended
    other = family.end(family.begin(family.place(mira, from_chapter=first.id), choice="Go down"))

    assert other.number == 2
    assert not other.is_last
    assert family.place(mira, 3, session=first.story_id).parent == other, "of the path that is shown"
    shown = family.story(first.story_id)
    assert shown.path == (first, other)
    assert [one.id for one in shown.after(first)] == [last.id, other.id]
    assert [one.id for one in shown.beside(other)] == [last.id]
    family.database.run(conversations.choose, family.user_id, first.story_id, last.id)
    assert family.story(first.story_id).path == (first, last)
    assert refusal(lambda: family.place(mira, 3, session=first.story_id)) == ("STORY_ENDED", last.id)


def test_a_story_can_have_another_beginning(family: Family) -> None:
    mira = family.child()
    first = family.tell(mira)
    place = family.place(mira, theme="space", session=first.story_id)
    assert (place.parent_message_id, place.conversation_id, place.theme) == (ROOT, first.story_id, "space")

    other = family.end(family.begin(place))

    shown = family.story(first.story_id)
    assert shown.path == (other,)
    assert [one.id for one in shown.after(None)] == [first.id, other.id]
    assert other.parent_id is None
    assert family.story(first.story_id, through=first.id).path == (first,)


@pytest.mark.slow
def test_without_a_name_the_newest_story_of_child_theme_and_title_goes_on(family: Family) -> None:
    mira, noah = family.child("Mira"), family.child("Noah")
    old = family.tell(mira, facts={"title": "x"}, told={"title": "x"})
    family.database.run(conversations.rename, family.user_id, old.story_id, "Straße nach Rom")
    family.now += timedelta(minutes=1)
    new = family.tell(mira)
    family.tell(mira, theme="space")
    family.tell(noah)
    running = family.begin(family.place(mira))

    assert family.place(mira, 2).parent == new, "the newest is still being told"
    assert family.place(mira, 2, title="STRASSE NACH ROM ").parent == old
    assert refusal(lambda: family.place(mira, 2, title="Another")) == ("CHAPTER_MISSING", None)
    assert refusal(lambda: family.place(mira, 2, theme="ocean")) == ("CHAPTER_MISSING", None)
    family.end(running, "", outcome="failed")
    assert family.place(mira, 2).parent == new


@pytest.mark.slow
def test_what_is_somebody_elses_or_another_childs_is_not_found(family: Family, foreign_family: Family) -> None:
    mira, noah, stranger = family.child("Mira"), family.child("Noah"), foreign_family.child()
    hers, theirs = family.tell(mira), foreign_family.tell(stranger)

    for by in (
        {"child": noah, "session": hers.story_id},
        {"child": noah, "from_chapter": hers.id},
        {"child": mira, "session": theirs.story_id},
        {"child": mira, "from_chapter": theirs.id},
        {"child": mira, "from_chapter": "unknown"},
        {"child": mira, "session": "unknown", "from_chapter": hers.id},
    ):
        for number in (1, 2):
            with pytest.raises(errors.NotFound):
                family.place(by["child"], number, **{name: one for name, one in by.items() if name != "child"})
    for refused in (
        lambda: family.story(theirs.story_id),
        lambda: family.stories.about(family.user_id, theirs.story_id),
        lambda: family.stories.chapter(family.user_id, theirs.id),
        lambda: family.stories.shelf(family.user_id, before=theirs.story_id),
        lambda: family.story(hers.story_id, through=theirs.id),
    ):
        with pytest.raises(errors.NotFound):
            refused()
    assert family.stories.story_of_stream(family.user_id, theirs.stream_id) is None
    assert family.stories.story_of_stream(family.user_id, hers.stream_id) == (hers.story_id, mira.id)
    # A name is its child's own: the other child's story of that name is another one.
    family.end(family.begin(family.place(mira, session="ours")))
    assert family.place(noah, session="ours").story is None


@pytest.mark.slow
def test_two_tabs_that_choose_at_once_make_two_ways_on(family: Family) -> None:
    mira = family.child(daily_limit=3)
    first = family.tell(mira)
    place = family.place(mira, 2)

    begun = at_once(*(lambda way=way: family.begin(place, choice=way) for way in ("Go up", "Go down")))
    told = [family.end(message_id, f"They went {message_id}.") for message_id in begun]

    shown = family.story(first.story_id)
    assert sorted(one.choice for one in shown.after(first)) == ["Go down", "Go up"]
    assert {one.parent_id for one in told} == {first.id}
    assert len(shown.path) == 2
    assert family.stories.day(family.user_id, mira.id, "UTC").left == 0


@pytest.mark.slow
def test_two_tabs_with_one_name_make_one_story(family: Family) -> None:
    mira = family.child()
    places = [family.place(mira, session="one") for _ in range(3)]

    begun = at_once(*(lambda place=place: family.begin(place) for place in places))

    assert len({family.stories.chapter(family.user_id, message_id).story_id for message_id in begun}) == 1
    assert len(family.stories.shelf(family.user_id)) == 1
