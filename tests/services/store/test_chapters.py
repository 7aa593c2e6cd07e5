import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import insert, select

from services import errors
from services.store import conversations, story_reviews, users
from services.store.chapters import Chapter, ChapterRow
from services.store.database import Database, Session
from services.store.schema import metadata
from services.store.stories import StoryRow
from services.store.threads import Conversation, Message
from tests.factories import make_answer
from tests.services.store.families import Family
from tests.services.store.lists import at_once


@pytest.mark.slow
def test_a_chapter_is_kept_with_all_that_it_told(family: Family) -> None:
    mira = family.child()
    message_id = family.begin(family.place(mira), choice="", idea="A cake", bedtime=True, is_last=True)
    begun = family.stories.chapter(family.user_id, message_id)
    assert begun.is_running
    assert (begun.idea, begun.bedtime, begun.is_last, begun.text, begun.words) == ("A cake", True, True, "", None)
    assert family.stories.shelf(family.user_id)[0].running == begun.stream_id
    family.stories.withheld(family.user_id, message_id, 3, "A bad paragraph.", "weapons", "model")
    family.now += timedelta(seconds=4)

    kept = family.end(
        message_id,
        "Once upon a time. The end.",
        title="The Egg",
        choices=[],
        choice_question="",
        is_last=True,
        estimated_reading_time=2,
        vocabulary_level="beginner",
        educational_elements=["Patience: waiting"],
        recap="An egg was found.",
        memory={"signature": "egg", "facts": ["The egg is blue."]},
        words=6,
        grade=1.25,
        extras={},
    )
    assert kept.title == "", "extras were empty"

    again = family.end(
        family.again(kept, from_partial=False),
        title="The Egg",
        choices=["a", "b"],
        choice_question="What now?",
        is_last=False,
        estimated_reading_time=2,
        vocabulary_level="beginner",
        educational_elements=["Patience: waiting"],
        recap="An egg was found.",
        memory={"signature": "egg", "facts": ["The egg is blue."]},
        words=6,
        grade=1.25,
    )

    assert (kept.withheld, again.withheld) == (1, 0)
    assert (again.choices, again.choice_question, again.is_last) == (("a", "b"), "What now?", False)
    assert (again.reading_minutes, again.vocabulary_level, again.grade, again.words) == (2, "beginner", 1.25, 6)
    assert again.memory == {"signature": "egg", "facts": ["The egg is blue."]}
    assert (again.safety_score, again.checked_by, again.engine) == (0.9, ("rules",), "built-in")
    assert (kept.first_chunk_ms, kept.duration_ms) == (250, 4000)
    assert family.stories.openings(family.user_id, mira.id) == ["egg"]
    assert family.stories.shelf(family.user_id)[0].story.recap == "An egg was found."
    measured = family.begin(family.place(mira))
    figures = {"kind": "figures", "first_piece_ms": 120, "duration_ms": 900}
    family.settle(measured, text="Once.", outcome="failed", extras={"message": [figures]}, error_code="MODEL_BROKEN")
    failed = family.stories.chapter(family.user_id, measured)
    assert (failed.first_chunk_ms, failed.duration_ms, failed.error_code) == (120, 900, "MODEL_BROKEN")


@pytest.mark.slow
@pytest.mark.req("Y39")
def test_what_came_before_a_kill_is_kept_and_goes_on_in_the_same_place(family: Family) -> None:
    mira = family.child()
    message_id = family.begin(family.place(mira), choice="Go up")
    family.now += timedelta(hours=3)

    cut = family.end(message_id, "Once upon", outcome="interrupted")

    assert (cut.text, cut.duration_ms, cut.choices, cut.words) == ("Once upon", None, (), 2)
    assert not family.stories.shelf(family.user_id)[0].story.told
    half = family.end(family.again(cut, from_partial=True), " a", outcome="stopped")
    whole = family.end(family.again(half, from_partial=True), " time.")
    shown = family.story(cut.story_id)
    assert [one.text for one in shown.path] == ["Once upon a time."]
    assert [one.id for one in shown.tries(whole)] == [cut.id, half.id, whole.id]
    assert [one.id for one in shown.tree] == [whole.id]
    assert whole.choices == ("Go up", "Go down")
    assert [one.counted for one in shown.chapters] == [True, False, False]
    # A complete one that is told again stays where it is.
    other = family.end(family.again(whole, from_partial=False), "There was.", outcome="stopped")
    shown = family.story(cut.story_id)
    assert [one.id for one in shown.path] == [other.id]
    assert [one.id for one in shown.tree] == [whole.id]
    assert family.place(mira, 2).parent == whole


@pytest.mark.parametrize(
    "extras",
    [
        {"message": [{"kind": "chapter", "title": 7, "choices": "Go", "recap": None, "memory": [1]}]},
        {"message": [{"kind": "chapter", "title": "T" * 9_000, "choices": ["x" * 9_000, 1, None] * 99}]},
        {"message": [{"kind": "chapter", "grade": math.nan, "words": -1, "estimated_reading_time": 1e300}]},
        {"message": [{"kind": "figures", "first_piece_ms": "soon", "duration_ms": 1e99}]},
        {"message": ["chapter"], "check": [{"status": "approved", "score": "high", "checked_by": [1, {}]}]},
        {"check": [{"status": "approved", "score": math.inf, "checked_by": None}]},
        {"message": [{"kind": "chapter", "vocabulary_level": "odd", "educational_elements": {"a": 1}}]},
    ],
)
def test_an_answer_is_settled_whatever_it_told(family: Family, extras: Any) -> None:
    mira = family.child()
    message_id = family.begin(family.place(mira))

    assert family.settle(message_id, text="Once.", outcome="completed", extras=extras, usage={"first_token_s": "x"})

    kept = family.stories.chapter(family.user_id, message_id)
    assert (kept.text, kept.outcome, kept.is_complete) == ("Once.", "completed", True)
    assert len(kept.title) <= 500
    assert len(kept.choices) <= 20
    assert kept.vocabulary_level is None


@pytest.mark.slow
def test_a_story_is_called_as_its_first_chapter_unless_somebody_named_it(family: Family) -> None:
    mira = family.child()
    own, given, renamed = (family.begin(family.place(mira), title=title) for title in ("", "Our Story", ""))
    story_id = family.stories.chapter(family.user_id, renamed).story_id
    family.database.run(conversations.rename, family.user_id, story_id, "Named by hand")

    told = [family.end(message_id, title="The Egg") for message_id in (own, given, renamed)]

    titles = [family.stories.about(family.user_id, chapter.story_id).title for chapter in told]
    assert titles == ["The Egg", "A story for a child", "Named by hand"]
    family.tell(mira, 2, session=told[0].story_id, told={"title": "The Cave"})
    assert family.stories.about(family.user_id, told[0].story_id).title == "The Egg"
    assert family.database.run(conversations.listing, family.user_id, q="egg")
    for chapter in told:
        family.tell(mira, 1, session=chapter.story_id, told={"title": "The Nest"})
    titles = [family.stories.about(family.user_id, chapter.story_id).title for chapter in told]
    assert titles == ["The Nest", "A story for a child", "Named by hand"]


# -- the shelf


@pytest.mark.slow
def test_a_shelf_is_read_in_pages_the_newest_first(family: Family) -> None:
    mira, noah = family.child("Mira"), family.child("Noah")
    told = []
    for number in range(7):
        family.now += timedelta(seconds=number % 2)  # some at the same moment
        told.append(family.tell(noah if number == 3 else mira).story_id)

    pages, before = [], None
    while page := family.stories.shelf(family.user_id, before=before, limit=3):
        pages.append([one.story.id for one in page])
        before = page[-1].story.id

    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(story_id for page in pages for story_id in page) == sorted(told)
    assert pages[0][0] == told[6] or pages[0][1] == told[6]
    assert [one.story.id for one in family.stories.shelf(family.user_id, noah.id)] == [told[3]]
    assert family.stories.counts(family.user_id) == {mira.id: 6, noah.id: 1}
    assert {one.child_name for one in family.stories.shelf(family.user_id)} == {"Mira", "Noah"}
    family.now += timedelta(seconds=1)
    family.tell(noah, 2)
    assert family.stories.shelf(family.user_id)[0].story.told == 2


@pytest.mark.slow
def test_a_thousand_stories_are_no_burden(family: Family, database: Database) -> None:
    mira = family.child()
    told = family.tell(mira, told={"memory": {"signature": "first"}})
    database.run(_copies, told, 1_000)
    asked: list[str] = []
    sqlalchemy.event.listen(database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    pages = family.stories.shelf(family.user_id), family.stories.shelf(family.user_id, mira.id, limit=20)
    place = family.place(mira, 2, title="Story 3")

    assert [len(page) for page in pages] == [50, 20]
    assert place.story is not None
    assert place.story.title == "Story 3"
    assert len(family.stories.openings(family.user_id, mira.id)) == 40
    assert len(asked) < 25


def _copies(s: Session, told: Chapter, count: int) -> None:
    """The same story again and again, of one chapter each."""
    for model, key in (
        (Conversation, told.story_id),
        (Message, None),
        (StoryRow, told.story_id),
        (ChapterRow, told.id),
    ):
        table: Any = model.__table__
        wanted = select(table).where(table.c.id == key) if key else select(table).order_by(table.c.position)
        rows = [dict(row._mapping) for row in s.execute(wanted)]
        s.execute(insert(table), [{**row, **_renumbered(row, n)} for n in range(count) for row in rows])


def _renumbered(row: Mapping[str, Any], n: int) -> dict[str, Any]:
    names = ("id", "conversation_id", "story_id", "place_id", "parent_id", "head_id", "run_id", "stream_id")
    changed = {name: f"{row[name]}-{n:04}" for name in names if row.get(name)}
    return changed | ({"title": f"Story {n}"} if "client_name" in row else {})


@pytest.mark.slow
def test_a_story_goes_with_its_conversation(family: Family) -> None:
    mira = family.child()
    gone, kept = family.tell(mira), family.tell(mira)
    family.stories.withheld(family.user_id, gone.id, 0, "Bad.", "weapons", "rules")
    family.stories.refused(family.user_id, mira.id, "choice", "Guns", "weapons")

    family.database.run(conversations.delete, family.user_id, gone.story_id)

    assert [one.story.id for one in family.stories.shelf(family.user_id)] == [kept.story_id]
    with pytest.raises(errors.NotFound, match="Chapter not found"):
        family.stories.chapter(family.user_id, gone.id)
    assert [one.field for one in family.stories.reviews(family.user_id)] == ["choice"]
    assert family.stories.streams_of_child(family.user_id, mira.id) == {kept.stream_id: False}


@pytest.mark.slow
def test_an_account_takes_its_children_along_and_exports_them(family: Family, foreign_family: Family) -> None:
    mira, stranger = family.child(), foreign_family.child()
    chapter = family.tell(mira)
    theirs = foreign_family.tell(stranger)
    family.stories.withheld(family.user_id, chapter.id, 0, "Bad.", "weapons", "rules")
    family.stories.note_word(family.user_id, mira.id, "brave")
    family.stories.set_pin(family.user_id, "2580")

    told = family.database.run(users.export, family.user_id)

    assert [row["name"] for row in told["children"]] == ["Mira"]
    assert [row["text"] for row in told["chapters"]] == ["Once upon a time."]
    assert [row["text"] for row in told["story_reviews"]] == ["Bad."]
    assert [row["word"] for row in told["story_words"]] == ["brave"]
    assert [row["told"] for row in told["child_days"]] == [1]
    assert [row["id"] for row in told["stories"]] == [chapter.story_id]
    assert "pin_hash" not in told["child_pins"][0]
    family.database.run(users.delete, family.user_id)
    left = {
        table: family.database.run(lambda s, table=table: len(s.execute(metadata.tables[table].select()).all()))
        for table in ("children", "stories", "chapters", "story_reviews", "story_words", "child_days", "child_pins")
    }
    assert left == {
        "children": 1,
        "stories": 1,
        "chapters": 1,
        "story_reviews": 0,
        "story_words": 0,
        "child_days": 1,
        "child_pins": 0,
    }
    assert foreign_family.stories.chapter(foreign_family.user_id, theirs.id) == theirs


# -- what was withheld


@pytest.mark.slow
def test_a_piece_is_withheld_once_and_only_its_adult_sees_it(
    family: Family, foreign_family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story_reviews, "MAX_KEPT", 3)
    mira = family.child()
    message_id = family.begin(family.place(mira))
    withhold = family.stories.withheld

    outcomes = at_once(
        *(lambda: withhold(family.user_id, message_id, 0, "Bad.", "weapons", "rules", rule="r") for _ in range(3))
    )

    assert sorted(outcomes) == [False, False, True]
    assert not foreign_family.stories.withheld(foreign_family.user_id, message_id, 1, "x", "weapons", "rules")
    family.end(message_id, title="The Egg")
    review = family.stories.reviews(family.user_id)[0]
    assert (review.text, review.category, review.rule, review.decided_by) == ("Bad.", "weapons", "r", "rules")
    assert (review.child_name, review.story_title, review.chapter_id, review.is_piece) == (
        "Mira",
        "The Egg",
        message_id,
        True,
    )
    assert family.stories.unseen(family.user_id) == 1
    assert foreign_family.stories.seen(foreign_family.user_id, [review.id]) == 0
    assert family.stories.seen(family.user_id, [review.id]) == 1
    assert family.stories.seen(family.user_id, [review.id]) == 0
    assert family.stories.unseen(family.user_id) == 0
    for number in range(4):
        family.stories.refused(family.user_id, mira.id, "choice", f"Guns {number}" * 2_000, "weapons", rule="w")
    found = family.stories.reviews(family.user_id)
    assert len(found) == 3, "the oldest make room"
    assert all(len(one.text) <= 4_000 and not one.is_piece for one in found)
    assert family.stories.reviews(family.user_id, before=found[1].id) == [found[2]]
    assert family.stories.reviews(family.user_id, story_id=review.story_id or "") == []
    assert family.stories.seen(family.user_id) == 3
    assert foreign_family.stories.reviews(foreign_family.user_id) == []


def test_a_message_that_is_no_chapter_is_left_alone(family: Family) -> None:
    answer = family.database.run(make_answer, family.user_id)

    assert not family.stories.withheld(family.user_id, answer.id, 0, "x", "weapons", "rules")
    with pytest.raises(errors.NotFound):
        family.stories.about(family.user_id, answer.conversation_id)
