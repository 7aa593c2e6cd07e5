from typing import Any

import pytest

from services.store import cache, conversations, users
from services.store.database import Database
from tests.factories import make_answer, settle

QUESTION: dict[str, Any] = {
    "message": "Why is the sky blue?",
    "media": ["aa", "bb"],
    "history": [{"role": "user", "content": "Hello."}],
    "model": "a-model",
    "max_tokens": 500,
    "length": "short",
    "way": "simpler",
}


def answered(database: Database, user: users.User, words: str = "It scatters.", **changes: Any) -> str:
    begun = {name: changes.pop(name) for name in ("continues_id", "conversation_id", "question") if name in changes}
    answer = database.run(make_answer, user.id, assistant="study", **begun)
    database.run(settle, answer.id, words, **changes)
    return answer.id


@pytest.mark.req("U13")
def test_the_same_question_finds_its_answer(database: Database, user: users.User) -> None:
    message_id = answered(database, user, extras={"citation": [{"page": 3}], "last": 9})

    assert database.run(cache.find, user.id, "k") is None
    assert database.run(cache.keep, user.id, "k", message_id)

    found = database.run(cache.find, user.id, "k")
    assert found == cache.CachedAnswer("It scatters.", message_id, {"citation": [{"page": 3}], "last": 9})
    assert database.run(cache.find, user.id, "another") is None


def test_an_answer_is_its_persons_own(database: Database, user: users.User, stranger: users.User) -> None:
    message_id = answered(database, user)
    database.run(cache.keep, user.id, "k", message_id)

    assert database.run(cache.find, stranger.id, "k") is None
    assert not database.run(cache.keep, stranger.id, "k", message_id)
    assert database.run(cache.find, stranger.id, "k") is None


def test_a_newer_answer_takes_the_place_of_an_older(database: Database, user: users.User) -> None:
    first, second = answered(database, user, "One."), answered(database, user, "Two.")
    database.run(cache.keep, user.id, "k", first)

    database.run(cache.keep, user.id, "k", second)

    found = database.run(cache.find, user.id, "k")
    assert found is not None
    assert (found.text, found.message_id) == ("Two.", second)


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "stopped", "finish_reason": "cancelled"},
        {"outcome": "failed", "finish_reason": "error"},
        {"outcome": "interrupted", "finish_reason": "interrupted"},
        {"finish_reason": "length"},
        {"fallback": True},
        {"words": ""},
    ],
)
def test_what_is_not_whole_is_not_given_again(database: Database, user: users.User, changes: dict[str, Any]) -> None:
    database.run(cache.keep, user.id, "k", answered(database, user, **changes))

    assert database.run(cache.find, user.id, "k") is None


def test_an_answer_that_still_runs_is_found_once_it_is_settled(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)
    assert database.run(cache.keep, user.id, "k", answer.id)
    assert database.run(cache.find, user.id, "k") is None

    database.run(settle, answer.id, "Now.")

    found = database.run(cache.find, user.id, "k")
    assert found is not None
    assert found.text == "Now."


def test_the_rest_of_another_answer_and_a_question_are_not_kept(database: Database, user: users.User) -> None:
    half = answered(database, user, outcome="stopped", finish_reason="cancelled")
    where = database.run(lambda s: s.get(conversations.Message, half).conversation_id)
    rest = answered(database, user, continues_id=half, conversation_id=where, question=None)
    asked = database.run(conversations.messages, user.id, where)[0]
    assert asked.role == "user"

    assert not database.run(cache.keep, user.id, "k", rest)
    assert not database.run(cache.keep, user.id, "k", asked.id)
    assert not database.run(cache.keep, user.id, "k", "unknown")


def test_an_answer_goes_from_the_cache_with_its_conversation(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)
    database.run(settle, answer.id)
    database.run(cache.keep, user.id, "k", answer.id)
    assert database.run(cache.find, user.id, "k") is not None

    database.run(conversations.delete, user.id, answer.conversation_id)

    assert database.run(cache.find, user.id, "k") is None
    assert database.run(lambda s: s.query(cache.CachedRow).count()) == 0


def test_a_key_is_the_questions_and_its_contexts() -> None:
    key = cache.key_of(**QUESTION)

    assert len(key) == 64
    assert cache.key_of(**{**QUESTION, "history": [{"role": "user", "content": "Hello.", "id": "x"}]}) == key


@pytest.mark.parametrize(
    "change",
    [
        {"message": "Why is the sky blue"},
        {"media": ["bb", "aa"]},
        {"media": []},
        {"history": []},
        {"history": [{"role": "assistant", "content": "Hello."}]},
        {"model": "built-in"},
        {"max_tokens": None},
        {"max_tokens": 501},
        {"length": ""},
        {"way": ""},
        {"message": 'Why is the sky blue?",["aa', "media": ["bb"]},
    ],
)
def test_whatever_changes_the_question_changes_the_key(change: dict[str, Any]) -> None:
    assert cache.key_of(**{**QUESTION, **change}) != cache.key_of(**QUESTION)


def test_a_key_takes_any_text() -> None:
    assert cache.key_of(**{**QUESTION, "message": "\ud800\x00 ☃"}) != cache.key_of(**QUESTION)
