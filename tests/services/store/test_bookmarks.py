"""Answers that people keep in mind."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scripts.plans import explained, reads_whole
from services import errors
from services.store import bookmarks, conversations, exports, users
from services.store.database import Database
from tests.factories import make_answer, settle

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_kept(database: Database, user: users.User, minutes: int = 0, text: str = "An answer.", **changes: Any) -> str:
    answer = database.run(make_answer, user.id, **changes)
    database.run(settle, answer.id, text)
    database.run(bookmarks.put, user.id, answer.id, now=NOON + timedelta(minutes=minutes))
    return answer.id


def ids(database: Database, user: users.User, **asked: Any) -> list[str]:
    return [kept.message_id for kept in database.run(bookmarks.listing, user.id, **asked)]


@pytest.mark.req("B4")
def test_the_one_bookmarked_last_comes_first_by_pages(database: Database, user: users.User) -> None:
    first, second, third = (make_kept(database, user, n) for n in range(3))

    assert ids(database, user) == [third, second, first]
    assert ids(database, user, limit=2) == [third, second]
    assert ids(database, user, limit=2, before=second) == [first]


def test_those_of_one_moment_are_told_apart(database: Database, user: users.User) -> None:
    made = sorted((make_kept(database, user) for _ in range(3)), reverse=True)

    assert ids(database, user) == made
    assert ids(database, user, before=made[0]) == made[1:]


def test_one_stays_where_it_is_until_it_is_taken_back(database: Database, user: users.User) -> None:
    first, second = make_kept(database, user), make_kept(database, user, 1)
    database.run(bookmarks.put, user.id, first)
    assert ids(database, user) == [second, first]

    database.run(bookmarks.remove, user.id, second)
    database.run(bookmarks.remove, user.id, second)

    assert ids(database, user) == [first]
    assert database.run(bookmarks.of_messages, [first, second]) == {first}


def test_they_are_found_by_assistant_and_by_words(database: Database, user: users.User) -> None:
    cells = make_kept(database, user, 0, "Cells hold *mitochondria*.", assistant="study", title="Biology")
    hint = make_kept(database, user, 1, "Try a hash map: 100%.", assistant="tutor", title="Two Sum")

    assert ids(database, user, assistant="study") == [cells]
    assert ids(database, user, q="MITOCHONDRIA cells") == [cells]
    assert ids(database, user, q="two map") == [hint]
    assert ids(database, user, q="100%") == [hint]
    assert ids(database, user, q="cells map") == []


@pytest.mark.req("B4")
def test_nobody_bookmarks_anothers_answer_or_a_question(
    database: Database, user: users.User, stranger: users.User
) -> None:
    theirs = make_kept(database, stranger)
    mine = database.run(make_answer, user.id)
    asked = database.run(conversations.question_of, mine.id)

    for call in (bookmarks.put, bookmarks.remove):
        for message_id in (theirs, asked.id, "unknown"):
            with pytest.raises(errors.NotFound):
                database.run(call, user.id, message_id)
    with pytest.raises(errors.NotFound):
        database.run(bookmarks.listing, user.id, before=theirs)
    assert ids(database, user) == []


def test_a_bookmark_is_exported_and_goes_with_its_conversation_and_its_person(
    database: Database, user: users.User
) -> None:
    kept = make_kept(database, user)
    conversation = database.run(conversations.message, user.id, kept)[1]

    assert database.run(exports.one, user.id, conversation.id).bookmarked == {kept}
    assert [row["message_id"] for row in database.run(users.export, user.id)["bookmarks"]] == [kept]
    database.run(conversations.delete, user.id, conversation.id)
    assert ids(database, user) == []
    make_kept(database, user)
    database.run(users.delete, user.id)
    assert ids(database, user) == []


def test_what_is_read_for_a_page_is_read_by_indexes(database: Database, user: users.User) -> None:
    kept = make_kept(database, user)
    its = database.run(conversations.message, user.id, kept)[1].id
    steps: list[str] = []

    with explained(database, lambda _, step: steps.append(step)):
        database.run(bookmarks.listing, user.id, before=kept)
        database.run(bookmarks.of_messages, [kept])
        database.run(conversations.tree, its)

    assert not [step for step in steps if reads_whole(step)]
    assert any("ix_messages_tree" in step for step in steps)
