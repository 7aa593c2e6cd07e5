"""Conversations as trees: the path that is shown, its alternatives, and what becomes of them."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from sqlalchemy import insert

from services import errors
from services.store import conversations, users
from services.store.base import new_id, utc_now
from services.store.conversations import ROOT, Message
from services.store.database import Database
from tests.factories import make_answer, make_conversation, settle


def ask(database: Database, user: users.User, question: str, **changes: Any) -> tuple[Message, Message]:
    """A question and its answer, which has ended."""
    answer = database.run(make_answer, user.id, question=question, **changes)
    database.run(settle, answer.id, f"To {question}")
    asked = database.run(conversations.question_of, answer.id)
    return asked, database.run(conversations.message_of_run, answer.run_id)


def told(messages: list[Message]) -> list[str]:
    return [message.content for message in messages]


def shown(database: Database, user: users.User, conversation_id: str) -> list[str]:
    return told(database.run(conversations.path, user.id, conversation_id))


def test_what_is_asked_next_hangs_on_what_was_answered_last(database: Database, user: users.User) -> None:
    first, answer = ask(database, user, "A")
    second, last = ask(database, user, "B", conversation_id=answer.conversation_id)

    assert [first.parent_id, answer.parent_id, second.parent_id, last.parent_id] == [
        None, first.id, answer.id, second.id,
    ]  # fmt: skip
    assert shown(database, user, answer.conversation_id) == ["A", "To A", "B", "To B"]
    assert database.run(conversations.get, user.id, answer.conversation_id).head_id == last.id
    assert database.run(conversations.alternatives, answer.conversation_id) == {}


def test_begin_gives_the_conversation_with_its_new_head(database: Database, user: users.User) -> None:
    made = database.run(make_conversation, user.id)

    assert made.head_id == database.run(conversations.path, user.id, made.id)[-1].id


@pytest.mark.slow
def test_an_edited_question_stands_beside_the_old_one(database: Database, user: users.User) -> None:
    first, answer = ask(database, user, "A")
    its = answer.conversation_id
    second, _ = ask(database, user, "B", conversation_id=its)

    edited, _ = ask(database, user, "B, better", conversation_id=its, parent_id=second.parent_id)

    assert shown(database, user, its) == ["A", "To A", "B, better", "To B, better"]
    family = [second.id, edited.id]
    assert database.run(conversations.alternatives, its) == {second.id: family, edited.id: family}
    assert database.run(conversations.beside, [answer, edited]) == {second.id: family, edited.id: family}
    assert database.run(conversations.beside, []) == {}
    assert len(database.run(conversations.messages, user.id, its)) == 6
    assert first.parent_id is None


def test_the_first_question_has_alternatives_too(database: Database, user: users.User) -> None:
    first, answer = ask(database, user, "A")
    its = answer.conversation_id

    other, _ = ask(database, user, "Z", conversation_id=its, parent_id=ROOT)

    assert other.parent_id is None
    assert shown(database, user, its) == ["Z", "To Z"]
    assert database.run(conversations.alternatives, its)[first.id] == [first.id, other.id]
    assert database.run(conversations.beside, [other]) == {one.id: [first.id, other.id] for one in (first, other)}


def test_another_try_stands_beside_the_answer(database: Database, user: users.User) -> None:
    asked, answer = ask(database, user, "A")
    its = answer.conversation_id

    again = database.run(make_answer, user.id, conversation_id=its, question=None, parent_id=asked.id)
    database.run(settle, again.id, "Better")

    assert shown(database, user, its) == ["A", "Better"]
    family = [answer.id, again.id]
    assert database.run(conversations.alternatives, its) == {answer.id: family, again.id: family}
    assert [row.id for row in database.run(conversations.answers_to, asked.id)] == [answer.id, again.id]


def test_a_continued_answer_follows_its_first_part(database: Database, user: users.User) -> None:
    asked, answer = ask(database, user, "A")
    its = answer.conversation_id
    ask(database, user, "B", conversation_id=its)

    more = database.run(make_answer, user.id, conversation_id=its, question=None, continues_id=answer.id)

    assert more.parent_id == answer.id
    assert [row.id for row in database.run(conversations.path, user.id, its)] == [asked.id, answer.id, more.id]
    assert database.run(conversations.question_of, more.id).id == asked.id


@pytest.mark.slow
def test_an_alternative_is_chosen_down_to_its_newest_end(database: Database, user: users.User) -> None:
    first, answer = ask(database, user, "A")
    its = answer.conversation_id
    ask(database, user, "B", conversation_id=its)
    ask(database, user, "C", conversation_id=its, parent_id=answer.id)
    other, _ = ask(database, user, "Z", conversation_id=its, parent_id=ROOT)

    chosen = database.run(conversations.choose, user.id, its, first.id)

    assert shown(database, user, its) == ["A", "To A", "C", "To C"]
    assert chosen.head_id == database.run(conversations.path, user.id, its)[-1].id
    database.run(conversations.choose, user.id, its, other.id)
    assert shown(database, user, its) == ["Z", "To Z"]
    database.run(conversations.choose, user.id, its, chosen.head_id)
    assert shown(database, user, its) == ["A", "To A", "C", "To C"]


def test_recent_messages_follow_the_path_that_is_shown(database: Database, user: users.User) -> None:
    _, answer = ask(database, user, "A")
    its = answer.conversation_id
    ask(database, user, "B", conversation_id=its)
    ask(database, user, "C", conversation_id=its, parent_id=answer.id)

    assert told(database.run(conversations.recent_messages, its, 3)) == ["To A", "C", "To C"]
    assert told(database.run(conversations.recent_messages, its, 50)) == ["A", "To A", "C", "To C"]
    assert database.run(conversations.recent_messages, "unknown", 3) == []
    assert told(database.run(conversations.path_to, answer.id, 9)) == ["A", "To A"]
    assert told(database.run(conversations.path_to, answer.id, 1)) == ["To A"]
    assert database.run(conversations.path_to, "unknown", 9) == []


@pytest.mark.req("D1-6")
def test_no_tree_is_anybody_elses(database: Database, user: users.User, stranger: users.User) -> None:
    _, mine = ask(database, user, "A")
    _, other = ask(database, user, "B")
    _, theirs = ask(database, stranger, "C")

    for refused in (
        {"conversation_id": mine.conversation_id, "parent_id": theirs.id},
        {"conversation_id": mine.conversation_id, "parent_id": other.id},
        {"conversation_id": mine.conversation_id, "parent_id": "unknown"},
    ):
        with pytest.raises(errors.NotFound):
            database.run(make_answer, user.id, **refused)
    for call, arguments in (
        (conversations.path, [theirs.conversation_id]),
        (conversations.choose, [theirs.conversation_id, theirs.id]),
        (conversations.choose, [mine.conversation_id, theirs.id]),
        (conversations.choose, [mine.conversation_id, other.id]),
        (conversations.message, [theirs.id]),
        (conversations.message, ["unknown"]),
        (conversations.seen, [theirs.conversation_id]),
    ):
        with pytest.raises(errors.NotFound):
            database.run(call, user.id, *arguments)
    assert database.run(conversations.get, user.id, mine.conversation_id).length == 2
    row, conversation = database.run(conversations.message, user.id, mine.id)
    assert (row.id, conversation.id) == (mine.id, mine.conversation_id)


@pytest.mark.slow
def test_alternatives_made_at_once_are_all_kept(make_database: Callable[..., Database]) -> None:
    databases = [make_database(), make_database()]
    user = databases[0].run(users.create, "a@example.org", "hash")
    asked, answer = ask(databases[0], user, "A")
    again = {"conversation_id": answer.conversation_id, "question": None, "parent_id": asked.id}

    tries = [gevent.spawn(databases[n % 2].run, make_answer, user.id, **again) for n in range(10)]
    gevent.joinall(tries, raise_error=True)

    family = databases[0].run(conversations.alternatives, answer.conversation_id)[answer.id]
    assert set(family) == {answer.id, *(one.value.id for one in tries)}
    rows = databases[0].run(conversations.messages, user.id, answer.conversation_id)
    assert [row.position for row in rows] == list(range(12))
    head = databases[1].run(conversations.get, user.id, answer.conversation_id).head_id
    assert head == rows[-1].id, "the last one of all is shown"


@pytest.mark.slow
def test_a_path_longer_than_a_database_nests_is_read_and_deleted(database: Database, user: users.User) -> None:
    its = database.run(make_conversation, user.id).id

    def grow(s: Any) -> None:
        rows: list[dict[str, Any]] = []
        for position in range(2, 1200):
            parent_id = rows[-1]["id"] if rows else conversations.get(s, user.id, its).head_id
            said = {"id": new_id(), "conversation_id": its, "position": position, "parent_id": parent_id}
            rows.append({**said, "role": "user", "content": "x", "fallback": False, "created_at": utc_now()})
        s.execute(insert(Message), rows)
        conversations.get(s, user.id, its).head_id = rows[-1]["id"]

    database.run(grow)

    assert len(database.run(conversations.path, user.id, its)) == 1200
    assert len(database.run(conversations.recent_messages, its, 5)) == 5
    database.run(conversations.delete, user.id, its)
    assert database.run(users.export, user.id)["messages"] == []


def test_an_answer_is_unread_until_its_person_looks(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)
    its = answer.conversation_id
    assert not database.run(conversations.get, user.id, its).unread

    database.run(settle, answer.id)
    assert database.run(conversations.get, user.id, its).unread
    assert database.run(conversations.unread_count, user.id) == 1
    assert database.run(conversations.unread_count, user.id, "tutor") == 1
    assert database.run(conversations.unread_count, user.id, "study") == 0

    assert not database.run(conversations.seen, user.id, its).unread
    assert database.run(conversations.unread_count, user.id) == 0
    database.run(conversations.seen, user.id, its)

    again = database.run(make_answer, user.id, conversation_id=its)
    assert not database.run(conversations.get, user.id, its).unread, "nothing has been answered yet"
    database.run(settle, again.id)
    assert database.run(conversations.get, user.id, its).unread


def test_extras_can_be_replaced(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)
    database.run(settle, answer.id, extras={"last": 3})

    database.run(conversations.put_extras, answer.id, {"last": 3, "points_cost": 5})

    assert database.run(conversations.message_of_run, answer.run_id).extras == {"last": 3, "points_cost": 5}


def test_what_is_settled_says_whose_it_was_and_what_it_was_started_with(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id, turn={"question": "Why?", "facts": {"n": 1}, "partial": ""})

    ended = database.run(settle, answer.id)

    assert (ended.user_id, ended.assistant, ended.conversation_id) == (user.id, "tutor", answer.conversation_id)
    assert ended.turn == {"question": "Why?", "facts": {"n": 1}, "partial": ""}
