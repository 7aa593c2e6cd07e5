from datetime import timedelta

import gevent
import pytest
import sqlalchemy
from sqlalchemy import text

from services import errors
from services.store import conversations, decks
from services.store.database import Database, Session
from services.store.decks import ATTEMPTS_KEPT, MAKING_AT_MOST, MAX_MAKING, Attempt, Deck
from services.store.users import User
from tests.decks import ANSWER, NOON, cards_of, later, make_deck, make_study_answer

DAY_END = NOON.replace(hour=0) + timedelta(days=1)


def begin(s: Session, user_id: int, message_id: str, deck_id: str, *, hours: float = 0.0) -> None:
    decks.take_turn(s, user_id)
    decks.begin(s, user_id, message_id, deck_id=deck_id, title="T", now=later(hours=hours))


def finish(s: Session, deck_id: str) -> Deck | None:
    return decks.finish(s, deck_id, cards=[("a", "b")], quiz=[], engine="built-in", fallback=False, points=1, now=NOON)


@pytest.fixture
def answer(database: Database, user: User) -> str:
    return database.run(make_study_answer, user.id)


def test_the_source_of_a_deck_is_an_answer_of_ones_own(database: Database, user: User, stranger: User) -> None:
    message_id = database.run(make_study_answer, user.id, "end.", partial="The ", question="Why?")
    asked = database.run(
        lambda s: s.scalar(text("SELECT id FROM messages WHERE role = 'user'").columns(sqlalchemy.column("id")))
    )

    source = database.run(decks.source, user.id, message_id)

    assert (source.question, source.text, source.assistant, source.is_running) == ("Why?", "The end.", "study", False)
    for user_id, wanted in ((stranger.id, message_id), (user.id, "nothing"), (user.id, asked)):
        with pytest.raises(errors.NotFound):
            database.run(decks.source, user_id, wanted)


def test_a_deck_in_the_making_is_shown_to_nobody(database: Database, user: User, answer: str) -> None:
    database.run(begin, user.id, answer, "D")

    assert database.run(decks.listing, user.id, now=NOON, day_end=DAY_END) == []
    assert database.run(decks.everything, user.id) == []
    for call in (decks.get, decks.delete):
        with pytest.raises(errors.NotFound):
            database.run(call, user.id, "D")


def test_it_is_finished_once(database: Database, user: User, answer: str) -> None:
    database.run(begin, user.id, answer, "D")

    assert database.run(finish, "D") is not None
    assert database.run(finish, "D") is None

    assert len(database.run(cards_of, database.run(decks.get, user.id, "D"))) == 1


def test_what_has_been_given_up_cannot_be_finished(database: Database, user: User, answer: str) -> None:
    database.run(begin, user.id, answer, "D")

    assert database.run(decks.give_up, "D")
    assert not database.run(decks.give_up, "D")

    assert database.run(finish, "D") is None
    assert database.run(decks.of_message, user.id, answer) is None


def test_what_is_finished_cannot_be_given_up(database: Database, user: User) -> None:
    deck = database.run(make_deck, user.id)

    assert not database.run(decks.give_up, deck.id)

    assert database.run(decks.get, user.id, deck.id)


@pytest.mark.slow
def test_an_answer_has_one_deck(database: Database, user: User, answer: str) -> None:
    database.run(begin, user.id, answer, "D")

    with pytest.raises(errors.Conflict) as refused:
        database.run(begin, user.id, answer, "E")

    assert refused.value.code == "CARDS_BUSY"


@pytest.mark.slow
def test_many_at_once_begin_as_many_as_may_be(database: Database, user: User) -> None:
    answers = [database.run(make_study_answer, user.id) for _ in range(6)]

    def attempt(number: int) -> bool:
        try:
            database.run(begin, user.id, answers[number], f"D{number}")
        except errors.LimitReached:
            return False
        return True

    started = [gevent.spawn(attempt, number) for number in range(6)]

    assert sum(greenlet.get() for greenlet in started) == MAX_MAKING


def test_one_that_was_abandoned_makes_room(database: Database, user: User, answer: str) -> None:
    database.run(begin, user.id, answer, "D", hours=0)

    database.run(begin, user.id, answer, "E", hours=MAKING_AT_MOST / timedelta(hours=1) + 0.01)

    found = database.run(decks.of_message, user.id, answer)
    assert found is not None
    assert found.id == "E"


@pytest.mark.slow
def test_decks_are_listed_with_what_is_due(database: Database, user: User, stranger: User) -> None:
    first = database.run(make_deck, user.id, title="First")
    second = database.run(make_deck, user.id, title="Second", count=7, now=later(days=2))
    database.run(make_deck, stranger.id)

    listed = database.run(decks.listing, user.id, now=NOON, day_end=DAY_END)

    assert [(row.deck.title, row.cards, row.due) for row in listed] == [("Second", 7, 0), ("First", 5, 5)]
    older = database.run(decks.listing, user.id, now=NOON, day_end=DAY_END, before=second.id)
    assert [row.deck.id for row in older] == [first.id]
    assert [deck.id for deck in database.run(decks.everything, user.id)] == [first.id, second.id]


def test_a_deck_outlives_its_answer(database: Database, user: User) -> None:
    deck = database.run(make_deck, user.id)
    assert deck.message_id is not None
    conversation_id = database.run(decks.source, user.id, deck.message_id).conversation_id

    database.run(conversations.delete, user.id, conversation_id)

    assert database.run(decks.get, user.id, deck.id).message_id is None


def test_renaming_and_deleting(database: Database, user: User, stranger: User) -> None:
    deck = database.run(make_deck, user.id)

    for call in (
        lambda s: decks.rename(s, stranger.id, deck.id, "Mine"),
        lambda s: decks.delete(s, stranger.id, deck.id),
        lambda s: decks.get(s, stranger.id, deck.id),
    ):
        with pytest.raises(errors.NotFound):
            database.run(call)
    assert database.run(decks.rename, user.id, deck.id, "Plants").title == "Plants"
    database.run(decks.delete, user.id, deck.id)

    assert database.run(cards_of, deck) == []
    assert database.run(decks.of_message, user.id, deck.message_id or "") is None


@pytest.mark.slow
def test_the_latest_tries_at_a_quiz_are_kept(database: Database, user: User, stranger: User) -> None:
    deck = database.run(make_deck, user.id)
    for number in range(ATTEMPTS_KEPT + 3):
        database.run(
            decks.add_attempt, user.id, deck.id, chosen=[1, None], right=number, total=99, now=later(hours=number)
        )

    tries = database.run(decks.attempts, user.id, deck.id)

    assert [row.right for row in tries] == list(range(ATTEMPTS_KEPT + 2, 2, -1))
    assert tries[0].chosen == [1, None]
    assert database.run(decks.attempts, stranger.id, deck.id) == []
    database.run(decks.delete, user.id, deck.id)
    assert database.run(lambda s: s.query(Attempt).count()) == 0


@pytest.mark.slow
def test_no_query_reads_a_whole_table(database: Database, user: User) -> None:
    deck = database.run(make_deck, user.id)
    statements: list[tuple[str, object]] = []

    @sqlalchemy.event.listens_for(database.engine, "before_cursor_execute")
    def note(_c: object, _k: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            statements.append((statement, parameters))

    _ask_everything(database, user.id, deck)
    sqlalchemy.event.remove(database.engine, "before_cursor_execute", note)

    assert len(statements) > 15
    for statement, parameters in statements:
        assert not _scans(database, statement, parameters), statement


def _ask_everything(database: Database, user_id: int, deck: Deck) -> None:
    from services.store import cards

    day = {"now": NOON, "day_end": DAY_END}
    for deck_id in (None, deck.id):
        database.run(cards.due, user_id, **day, deck_id=deck_id)
        database.run(cards.standing, user_id, **day, day_start=NOON, deck_id=deck_id)
        database.run(cards.listing, user_id, deck_id=deck_id, after="0")
    database.run(decks.listing, user_id, **day, before="Z")
    database.run(decks.everything, user_id)
    database.run(decks.get, user_id, deck.id)
    database.run(decks.source, user_id, deck.message_id or "")
    database.run(decks.attempts, user_id, deck.id)
    database.run(decks.add_attempt, user_id, deck.id, chosen=[], right=0, total=0, now=NOON)
    database.run(begin, user_id, database.run(make_study_answer, user_id, ANSWER), "E")
    database.run(decks.give_up, "E")
    database.run(cards.delete, user_id, database.run(cards_of, deck)[0].id)
    database.run(decks.delete, user_id, deck.id)


def _scans(database: Database, statement: str, parameters: object) -> bool:
    """Whether the database would read the whole of a table for it."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
            return any(row[-1].startswith("SCAN") for row in plan)
        # A table this small is read whole whatever indexes it has, unless that costs too much.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)  # type: ignore[arg-type]
        return any("Seq Scan" in row[0] for row in plan)
