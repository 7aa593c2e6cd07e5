"""What people think of answers, and what they can take away."""

import pytest

from services import errors
from services.store import conversations, exports, feedback, users
from services.store.conversations import ROOT
from services.store.database import Database
from tests.factories import make_answer, settle


def test_an_opinion_is_kept_changed_and_taken_back(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)

    database.run(feedback.put, user.id, answer.id, value="up")
    changed = database.run(feedback.put, user.id, answer.id, value="down", reason="wrong sign")

    assert (changed.message_id, changed.value, changed.reason) == (answer.id, "down", "wrong sign")
    kept = database.run(feedback.of_conversations, [answer.conversation_id])
    assert {message_id: (row.value, row.reason) for message_id, row in kept.items()} == {
        answer.id: ("down", "wrong sign")
    }
    database.run(feedback.remove, user.id, answer.id)
    database.run(feedback.remove, user.id, answer.id)
    assert database.run(feedback.of_conversations, [answer.conversation_id]) == {}
    assert database.run(feedback.of_messages, [answer.id]) == {}


@pytest.mark.req("D1-6")
def test_only_ones_own_answers_can_be_judged(database: Database, user: users.User, stranger: users.User) -> None:
    theirs = database.run(make_answer, stranger.id)
    question = database.run(conversations.question_of, database.run(make_answer, user.id).id)

    for message_id in (theirs.id, question.id, "unknown"):
        with pytest.raises(errors.NotFound):
            database.run(feedback.put, user.id, message_id, value="up")
        with pytest.raises(errors.NotFound):
            database.run(feedback.remove, user.id, message_id)


@pytest.mark.slow
def test_an_opinion_goes_with_its_answer_and_is_exported(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)
    database.run(feedback.put, user.id, answer.id, value="down", reason="why")

    exported = database.run(users.export, user.id)
    assert [(row["message_id"], row["value"], row["reason"]) for row in exported["feedback"]] == [
        (answer.id, "down", "why")
    ]
    assert exported["messages"][0]["parent_id"] in {None, exported["messages"][1]["id"]}
    assert not [name for name in exported if name.startswith("search")], "made from the rest"

    database.run(conversations.delete, user.id, answer.conversation_id)
    assert database.run(users.export, user.id)["feedback"] == []


def test_a_whole_conversation_has_every_path_and_knows_the_one_that_is_shown(
    database: Database, user: users.User, stranger: users.User
) -> None:
    answer = database.run(make_answer, user.id, question="A")
    database.run(settle, answer.id, "To A")
    its = answer.conversation_id
    database.run(make_answer, user.id, question="Z", conversation_id=its, parent_id=ROOT)
    database.run(feedback.put, user.id, answer.id, value="up")

    whole = database.run(exports.one, user.id, its)

    assert [row.content for row in whole.messages] == ["A", "To A", "Z", ""]
    assert [row.content for row in whole.path] == ["Z", ""]
    assert whole.feedback[answer.id].value == "up"
    with pytest.raises(errors.NotFound):
        database.run(exports.one, stranger.id, its)


def test_all_conversations_come_batch_by_batch(database: Database, user: users.User, stranger: users.User) -> None:
    made = [database.run(make_answer, user.id).conversation_id for _ in range(5)]
    database.run(make_answer, stranger.id)

    seen, after = [], ""
    while batch := database.run(exports.batch, user.id, after=after, limit=2):
        seen += [(whole.conversation.id, len(whole.messages)) for whole in batch]
        after = batch[-1].conversation.id

    assert seen == [(conversation_id, 2) for conversation_id in sorted(made)]
