from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent
import pytest

from scripts.plans import explained, reads_whole
from services import errors
from services.store import conversations, users
from services.store.base import new_id, utc_now
from services.store.database import Database
from tests.factories import make_answer, make_conversation, settle

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_first_turn_makes_the_conversation(database: Database, user: users.User) -> None:
    turn = {"question": "Why?", "facts": {"hint_level": 2, "π": [1, None]}, "partial": ""}
    message_id = new_id()

    made = database.run(
        conversations.begin,
        user_id=user.id,
        assistant="tutor",
        client_name="my session",
        conversation_id=None,
        title="Two Sum",
        question="Why?",
        turn=turn,
        stream_id="s1",
        run_id="r1",
        message_id=message_id,
        now=NOON,
    )

    assert (made.title, made.client_name, made.length, made.created_at, made.updated_at) == (
        "Two Sum", "my session", 2, NOON, NOON,
    )  # fmt: skip
    asked, answer = database.run(conversations.messages, user.id, made.id)
    assert (asked.role, asked.content, asked.position, asked.stream_id) == ("user", "Why?", 0, None)
    assert (answer.role, answer.content, answer.position, answer.id) == ("assistant", "", 1, message_id)
    assert (answer.stream_id, answer.run_id, answer.turn, answer.outcome) == ("s1", "r1", turn, None)
    assert answer.created_at == NOON


def test_the_same_name_leads_to_the_same_conversation(database: Database, user: users.User) -> None:
    first = database.run(make_conversation, user.id, client_name="one", title="First")
    again = database.run(make_conversation, user.id, client_name="one", title="Second")

    assert again.id == first.id
    assert again.title == "First"
    assert again.length == 4
    assert database.run(conversations.by_client_name, user.id, "tutor", "one").id == first.id


def test_a_name_is_its_persons_and_its_assistants_own(
    database: Database, user: users.User, stranger: users.User
) -> None:
    mine = database.run(make_conversation, user.id, client_name="one")
    theirs = database.run(make_conversation, stranger.id, client_name="one")
    study = database.run(make_conversation, user.id, client_name="one", assistant="study")

    assert len({mine.id, theirs.id, study.id}) == 3
    assert database.run(conversations.by_client_name, stranger.id, "tutor", "one").id == theirs.id
    assert database.run(conversations.by_client_name, stranger.id, "study", "one") is None


def test_without_name_and_id_every_turn_makes_a_conversation(database: Database, user: users.User) -> None:
    assert database.run(make_conversation, user.id).id != database.run(make_conversation, user.id).id


def test_a_new_conversation_may_be_given_its_id_before(database: Database, user: users.User) -> None:
    known = new_id()
    made = database.run(make_conversation, user.id, client_name="one", new_conversation_id=known)

    assert made.id == known
    # Taken at this moment by another's: what was told of the id would not be true.
    with pytest.raises(errors.StreamBusy):
        database.run(make_conversation, user.id, client_name="one", new_conversation_id=new_id())
    assert database.run(conversations.get, user.id, known).length == 2


def test_an_id_leads_to_its_conversation_whatever_the_name(database: Database, user: users.User) -> None:
    first = database.run(make_conversation, user.id)

    again = database.run(make_conversation, user.id, conversation_id=first.id, client_name="other")

    assert (again.id, again.client_name, again.length) == (first.id, None, 4)


def test_a_continued_answer_has_no_question_of_its_own(database: Database, user: users.User) -> None:
    first = database.run(make_answer, user.id)
    database.run(settle, first.id, "Half of", outcome="stopped", finish_reason="cancelled")

    second = database.run(
        make_answer, user.id, conversation_id=first.conversation_id, question=None, continues_id=first.id
    )

    kept = database.run(conversations.messages, user.id, first.conversation_id)
    assert [(message.position, message.role) for message in kept] == [(0, "user"), (1, "assistant"), (2, "assistant")]
    assert second.continues_id == first.id


def test_a_strangers_conversation_is_not_found_and_nothing_is_stored(
    database: Database, user: users.User, stranger: users.User
) -> None:
    theirs = database.run(make_answer, stranger.id)
    mine = database.run(make_conversation, user.id)
    of_study = database.run(make_conversation, user.id, assistant="study")

    for refused in (
        {"conversation_id": theirs.conversation_id},
        {"conversation_id": of_study.id},
        {"conversation_id": "no such id"},
        {"conversation_id": mine.id, "continues_id": theirs.id},
        {"client_name": "fresh", "continues_id": theirs.id},
    ):
        with pytest.raises(errors.NotFound):
            database.run(make_answer, user.id, **refused)

    for call in (conversations.get, conversations.messages, conversations.delete):
        with pytest.raises(errors.NotFound):
            database.run(call, user.id, theirs.conversation_id)
    with pytest.raises(errors.NotFound):
        database.run(conversations.rename, user.id, theirs.conversation_id, "mine now")
    with pytest.raises(errors.NotFound):
        database.run(conversations.listing, user.id, before=theirs.conversation_id)
    assert database.run(conversations.by_stream, user.id, theirs.stream_id) == []
    assert database.run(conversations.by_client_name, user.id, "tutor", "fresh") is None
    assert database.run(conversations.get, user.id, mine.id).length == 2
    assert len(database.run(conversations.messages, stranger.id, theirs.conversation_id)) == 2


def test_the_question_is_not_an_answer_to_go_on_from(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)
    question = database.run(conversations.messages, user.id, answer.conversation_id)[0]

    with pytest.raises(errors.NotFound):
        database.run(make_answer, user.id, conversation_id=answer.conversation_id, continues_id=question.id)


@pytest.mark.slow
def test_turns_at_once_get_one_conversation_and_places_of_their_own(
    make_database: Callable[..., Database],
) -> None:
    databases = [make_database(), make_database()]
    user = databases[0].run(users.create, "a@example.org", "hash")

    turns = [gevent.spawn(databases[n % 2].run, make_answer, user.id, client_name="one") for n in range(20)]
    gevent.joinall(turns, raise_error=True)

    assert len({turn.value.conversation_id for turn in turns}) == 1
    kept = databases[0].run(conversations.messages, user.id, turns[0].value.conversation_id)
    assert [message.position for message in kept] == list(range(40))
    assert [message.role for message in kept] == ["user", "assistant"] * 20


def test_settling_stores_how_the_answer_ended(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id, now=NOON)
    usage = {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11, "estimated": False}
    extras = {"tests": [{"input": "[]", "expected": "0", "why": "empty"}]}

    settled = database.run(
        conversations.settle, answer.id, text="Half an", outcome="failed", finish_reason="error", engine="gpt-4o-mini",
        fallback=True, usage=usage, extras=extras, error_code="MODEL_ERROR", now=NOON + timedelta(seconds=3),
    )  # fmt: skip

    kept = database.run(conversations.message_of_run, answer.run_id)
    assert settled
    assert (kept.content, kept.outcome, kept.finish_reason, kept.engine) == (
        "Half an",
        "failed",
        "error",
        "gpt-4o-mini",
    )
    assert (kept.fallback, kept.usage, kept.extras, kept.error_code) == (True, usage, extras, "MODEL_ERROR")
    assert (kept.finished_at, kept.turn) == (NOON + timedelta(seconds=3), answer.turn)
    assert database.run(conversations.get, user.id, kept.conversation_id).updated_at == kept.finished_at


@pytest.mark.slow
def test_settling_twice_changes_nothing_the_second_time(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)
    assert database.run(settle, answer.id, "The answer")
    before = database.run(users.export, user.id)

    again = database.run(settle, answer.id, "Another", outcome="interrupted", finish_reason="interrupted")

    assert not again
    assert database.run(users.export, user.id) == before


def test_of_many_who_settle_at_once_one_does(make_database: Callable[..., Database]) -> None:
    databases = [make_database(), make_database()]
    user = databases[0].run(users.create, "a@example.org", "hash")
    answer = databases[0].run(make_answer, user.id)

    tries = [gevent.spawn(databases[n % 2].run, settle, answer.id, f"Text {n}") for n in range(10)]
    gevent.joinall(tries, raise_error=True)

    winners = [n for n, one in enumerate(tries) if one.value]
    assert len(winners) == 1
    assert databases[1].run(conversations.message_of_run, answer.run_id).content == f"Text {winners[0]}"


def test_only_a_stored_answer_can_be_settled(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)
    question = database.run(conversations.messages, user.id, answer.conversation_id)[0]

    assert not database.run(settle, question.id)
    assert not database.run(settle, "no such id")
    database.run(conversations.delete, user.id, answer.conversation_id)
    assert not database.run(settle, answer.id)


def test_unsettled_answers_are_listed_once_they_are_old_enough(
    database: Database, user: users.User, stranger: users.User
) -> None:
    old = database.run(make_answer, user.id, now=NOON)
    older = database.run(make_answer, stranger.id, now=NOON - timedelta(minutes=5), assistant="study")
    settled = database.run(make_answer, user.id, now=NOON)
    database.run(settle, settled.id)
    database.run(make_answer, user.id, now=NOON + timedelta(seconds=59))

    found = database.run(conversations.unsettled, 60, 10, now=NOON + timedelta(seconds=61))

    assert [(one.message_id, one.user_id, one.assistant) for one in found] == [
        (older.id, stranger.id, "study"),
        (old.id, user.id, "tutor"),
    ]
    assert (found[1].stream_id, found[1].run_id, found[1].created_at) == (old.stream_id, old.run_id, NOON)
    assert found[1].conversation_id == old.conversation_id
    assert database.run(conversations.unsettled, 60, 1, now=NOON + timedelta(hours=1)) == found[:1]


def test_one_persons_running_answers_are_found_without_reading_what_they_asked_before(
    database: Database, user: users.User, stranger: users.User
) -> None:
    mine = database.run(make_answer, user.id, now=NOON)
    database.run(make_answer, stranger.id, now=NOON)
    steps: list[str] = []

    with explained(database, lambda _, step: steps.append(step)):
        found = database.run(conversations.unsettled, 0, 10, user_id=user.id)

    assert [one.message_id for one in found] == [mine.id]
    assert any("ix_messages_running" in step for step in steps)
    assert not any(reads_whole(step) for step in steps)


def test_the_answers_of_a_stream_come_newest_last(database: Database, user: users.User) -> None:
    first = database.run(make_answer, user.id, client_name="one", stream_id="shared")
    second = database.run(make_answer, user.id, client_name="one", stream_id="shared")
    database.run(make_answer, user.id, client_name="one", stream_id="other")

    assert [one.id for one in database.run(conversations.by_stream, user.id, "shared")] == [first.id, second.id]
    assert database.run(conversations.by_stream, user.id, "unknown") == []


def test_an_answer_is_found_by_its_run(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)

    assert database.run(conversations.message_of_run, answer.run_id).id == answer.id
    assert database.run(conversations.message_of_run, "unknown") is None


@pytest.mark.slow
@pytest.mark.req("T26")
def test_recent_messages_are_the_last_ones_in_order(database: Database, user: users.User) -> None:
    for number in range(4):
        answer = database.run(make_answer, user.id, client_name="one", question=f"Q{number}")
        database.run(settle, answer.id, f"A{number}")

    recent = database.run(conversations.recent_messages, answer.conversation_id, 5)

    assert [message.content for message in recent] == ["A1", "Q2", "A2", "Q3", "A3"]


def test_the_listing_has_the_latest_first_and_goes_on_page_by_page(database: Database, user: users.User) -> None:
    made = [database.run(make_conversation, user.id, now=NOON) for _ in range(5)]
    revived = made[1]
    database.run(make_answer, user.id, conversation_id=revived.id, now=NOON + timedelta(minutes=1))
    expected = [revived.id, *(one.id for one in reversed(made) if one is not revived)]

    pages, before = [], None
    while page := database.run(conversations.listing, user.id, before=before, limit=2):
        pages.append([one.id for one in page])
        before = page[-1].id

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one for page in pages for one in page] == expected


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("GRAPH", {"graphs", "said"}),
        ("100%", {"percent"}),
        ("%", {"title"}),
        ("_", set()),
        ("nothing like it", set()),
        ("", {"graphs", "said", "percent", "title"}),
    ],
)
def test_the_listing_finds_words_in_titles_and_messages(
    database: Database, user: users.User, stranger: users.User, q: str, found: set[str]
) -> None:
    database.run(make_conversation, user.id, client_name="graphs", title="About Graphs", question="?")
    answer = database.run(make_answer, user.id, client_name="said", title="x", question="?")
    database.run(settle, answer.id, "Walk the graph.")
    database.run(make_conversation, user.id, client_name="percent", title="x", question="100% sure?")
    database.run(make_conversation, user.id, client_name="title", title="20 % more", question="?")
    database.run(make_conversation, stranger.id, client_name="theirs", title="About Graphs: 100%")

    listed = database.run(conversations.listing, user.id, q=q)

    assert {one.client_name for one in listed} == found


def test_the_listing_keeps_to_one_assistant(database: Database, user: users.User) -> None:
    database.run(make_conversation, user.id)
    study = database.run(make_conversation, user.id, assistant="study")

    assert [one.id for one in database.run(conversations.listing, user.id, assistant="study")] == [study.id]


def test_a_conversation_is_renamed_and_deleted_with_its_messages(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)
    other = database.run(make_answer, user.id)

    renamed = database.run(conversations.rename, user.id, answer.conversation_id, "Better")
    assert renamed.title == "Better"
    assert database.run(conversations.get, user.id, answer.conversation_id).title == "Better"

    database.run(conversations.delete, user.id, answer.conversation_id)
    assert database.run(conversations.message_of_run, answer.run_id) is None
    assert database.run(conversations.message_of_run, other.run_id).id == other.id


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("by_stream", [1, "s"], {}),
        ("message_of_run", ["r"], {}),
        ("recent_messages", ["c", 5], {}),
        ("messages", [1, "c"], {}),
        ("path", [1, "c"], {}),
        ("path_to", ["m", 3], {}),
        ("question_of", ["m"], {}),
        ("answers_to", ["m"], {}),
        ("message", [1, "m"], {}),
        ("alternatives", ["c"], {}),
        ("choose", [1, "c", "m"], {}),
        ("seen", [1, "c"], {}),
        ("unread_count", [1], {}),
        ("unread_count", [1, "tutor"], {}),
        ("streams_of", [1], {}),
        ("delete", [1, "c"], {}),
        ("by_client_name", [1, "tutor", "one"], {}),
        ("listing", [1], {}),
        ("listing", [1], {"assistant": "tutor"}),
        ("unsettled", [60, 10], {}),
        ("unsettled", [60, 10], {"user_id": 1}),
        ("tree", ["c"], {}),
        ("streams_in", [1, "c"], {}),
    ],
)
def test_no_query_reads_a_whole_table(
    database: Database, user: users.User, name: str, arguments: list[Any], options: dict[str, Any]
) -> None:
    answer = database.run(make_answer, user.id)
    known = {1: user.id, "c": answer.conversation_id, "m": answer.id}
    steps: list[str] = []

    with explained(database, lambda _, step: steps.append(step)):
        database.run(getattr(conversations, name), *(known.get(value, value) for value in arguments), **options)

    assert steps, "needs a query that was explained"
    assert [step for step in steps if reads_whole(step)] == []


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id() for _ in range(5000)]

    assert ids == sorted(set(ids))
    assert {len(one) for one in ids} == {26}
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    made_ms = sum(alphabet.index(letter) << 5 * place for place, letter in enumerate(reversed(ids[0]))) >> 80
    assert abs(utc_now().timestamp() * 1000 - made_ms) < 60_000
