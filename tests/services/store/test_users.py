import json
from collections.abc import Callable

import gevent
import pytest
from sqlalchemy import func, select

from services import errors
from services.store import (
    bases,
    bookmarks,
    cache,
    cards,
    conversations,
    decks,
    feedback,
    invites,
    points,
    problems,
    progress,
    quotas,
    sessions,
    submissions,
    todo_feeds,
    tokens,
    users,
)
from services.store.cards import Schedule
from services.store.chunks import Embedded
from services.store.database import Database, Session
from services.store.schema import metadata
from tests.decks import NOON, cards_of, make_deck
from tests.factories import (
    make_answer,
    make_base,
    make_indexed,
    make_media,
    make_problem,
    make_submission,
    make_todo,
    make_user,
)
from tests.services.store.families import Family


def test_the_first_account_becomes_admin_and_the_second_does_not(database: Database) -> None:
    first = database.run(users.create, "a@example.org", "hash")
    second = database.run(users.create, "b@example.org", "hash")

    assert first.is_admin
    assert not second.is_admin
    assert database.run(users.count) == 2


@pytest.mark.parametrize("rivals", [2, 10])
def test_registrations_at_once_give_exactly_one_admin(make_database: Callable[..., Database], rivals: int) -> None:
    # Two processes' worth of connections: what one process serialises, two may not.
    databases = [make_database(), make_database()]

    made = [
        gevent.spawn(databases[number % 2].run, users.create, f"r{number}@example.org", "hash")
        for number in range(rivals)
    ]
    gevent.joinall(made, raise_error=True)

    assert sum(greenlet.value.is_admin for greenlet in made) == 1


def test_admin_is_as_asked_when_said(database: Database) -> None:
    assert not database.run(users.create, "a@example.org", "hash", admin=False).is_admin
    assert database.run(users.create, "b@example.org", "hash", admin=True).is_admin


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ada@example.org", "ADA@Example.ORG"),
        ("jürgen@example.org", "JÜRGEN@example.org"),
        ("straße@example.org", "STRASSE@example.org"),
        ("ada@example.org", "  ada@example.org "),
    ],
)
def test_an_address_is_taken_in_any_spelling(database: Database, first: str, second: str) -> None:
    database.run(users.create, first, "hash")

    with pytest.raises(errors.Conflict) as caught:
        database.run(users.create, second, "hash")

    assert caught.value.code == "EMAIL_TAKEN"
    assert database.run(users.count) == 1


def test_one_address_registered_at_once_gives_one_account(make_database: Callable[..., Database]) -> None:
    databases = [make_database(), make_database()]

    made = [
        gevent.spawn(databases[number % 2].run, users.create, "Ada@example.org", "hash", admin=False)
        for number in range(6)
    ]
    gevent.joinall(made)

    refused = [greenlet.exception for greenlet in made if not greenlet.successful()]
    assert len(refused) == 5
    assert all(isinstance(problem, errors.Conflict) for problem in refused)
    assert databases[0].run(users.count) == 1


def test_an_account_is_found_by_id_and_by_address_in_any_case(database: Database) -> None:
    made = database.run(users.create, "Ada@Example.org", "hash", language="de", zone="Europe/Zurich")

    assert made.email == "Ada@Example.org"
    assert (made.language, made.zone, made.epoch) == ("de", "Europe/Zurich", 0)
    assert made.created_at.utcoffset() is not None
    assert database.run(users.by_id, made.id) == made
    assert database.run(users.by_email, "aDA@eXAMPLE.org") == made
    assert database.run(users.by_id, made.id + 1) is None
    assert database.run(users.by_email, "eve@example.org") is None
    assert database.run(users.password_hash, made.id) == "hash"
    assert database.run(users.password_hash, made.id + 1) is None


def test_a_new_password_signs_out_everywhere_but_keeps_tokens(database: Database, user: users.User) -> None:
    session = database.run(sessions.open, user.id, user_agent="x", address="::1")
    _, plain = database.run(tokens.create, user.id, "laptop")

    changed = database.run(users.set_password, user.id, "new hash")

    assert changed.epoch == user.epoch + 1
    assert database.run(users.password_hash, user.id) == "new hash"
    assert database.run(sessions.by_id, session.id) is None
    assert database.run(tokens.user_of, plain) == changed


def test_sign_out_everywhere_raises_the_epoch_and_touches_nobody_else(
    database: Database, user: users.User, stranger: users.User
) -> None:
    database.run(sessions.open, user.id, user_agent="x", address="::1")
    theirs = database.run(sessions.open, stranger.id, user_agent="x", address="::1")

    assert database.run(users.raise_epoch, user.id).epoch == 1
    assert database.run(users.raise_epoch, user.id).epoch == 2

    assert database.run(sessions.for_user, user.id) == []
    assert database.run(sessions.user_of, theirs.id) is not None
    assert database.run(users.by_id, stranger.id) == stranger


def test_a_newer_hash_of_the_same_password_signs_nobody_out(database: Database, user: users.User) -> None:
    database.run(users.rehash, user.id, "newer hash")

    assert database.run(users.password_hash, user.id) == "newer hash"
    assert database.run(users.by_id, user.id) == user


def test_the_profile_changes_as_a_whole(database: Database, user: users.User) -> None:
    changed = database.run(users.update_profile, user.id, language="fr", zone="Asia/Tokyo")

    assert (changed.language, changed.zone) == ("fr", "Asia/Tokyo")
    assert database.run(users.by_id, user.id) == changed


@pytest.mark.parametrize("change", ["set_password", "raise_epoch", "update_profile", "delete", "export"])
def test_changing_an_unknown_account_is_not_found(database: Database, change: str) -> None:
    arguments = {"set_password": ["hash"]}.get(change, [])
    options = {"update_profile": {"language": "en", "zone": "UTC"}}.get(change, {})

    with pytest.raises(errors.NotFound):
        database.run(getattr(users, change), 4711, *arguments, **options)


def fill(database: Database, user: users.User) -> None:
    """One row in every table that can hold something of this person's."""
    database.run(sessions.open, user.id, user_agent="Browser", address="192.0.2.1")
    database.run(tokens.create, user.id, "laptop")
    answer = database.run(make_answer, user.id, question="How do I begin?")
    database.run(points.reserve, user.id, answer.id, 3, grant=10)
    database.run(points.set_cap, user.id, 9)
    database.run(cache.keep, user.id, "a question's key", answer.id)
    database.run(feedback.put, user.id, answer.id, value="up")
    database.run(bookmarks.put, user.id, answer.id)
    database.run(_fill_decks, user.id)
    database.run(make_media, user.id)
    database.run(make_problem, user.id)
    database.run(make_submission, user.id)
    database.run(progress.note_hint, user.id, "two-sum", 2)
    database.run(_fill_bases, user.id)
    database.run(make_todo, user.id, "Pay rent", tags=("home",))
    database.run(todo_feeds.put, user.id, f"hash of {user.id}", now=NOON)
    database.run(quotas.reserve, user.id, answer.id, 1)
    _fill_stories(Family(database, user))


def _fill_stories(family: Family) -> None:
    mira = family.child()
    chapter = family.tell(mira)
    family.stories.withheld(family.user_id, chapter.id, 0, "What was withheld.", "weapons", "rules")
    family.stories.note_word(family.user_id, mira.id, "brave")
    family.stories.set_pin(family.user_id, "2580")


def _fill_bases(s: Session, user_id: int) -> None:
    base = make_base(s, user_id, name="Minutes")
    make_indexed(s, user_id, base.id, texts=["What was said."], vectors=[Embedded(b"b" * 32, b"v" * 256)])
    s.add(bases.BaseMember(base_id=base.id, user_id=user_id, role="reader", created_at=NOON))


def _fill_decks(s: Session, user_id: int) -> None:
    deck = make_deck(s, user_id)
    card = cards_of(s, deck)[0]
    after = Schedule(2, None, 3.5, 5.0, NOON, NOON)
    cards.review(s, user_id, card.id, seen_reps=card.reps, rating=3, lapsed=False, after=after, now=NOON)
    decks.add_attempt(s, user_id, deck.id, chosen=[1], right=1, total=1, now=NOON)


def rows_left(database: Database) -> dict[str, int]:
    def counts(s):
        return {
            table.name: s.scalar(select(func.count()).select_from(table))
            for table in metadata.sorted_tables
            if table.name != "invites"
        }

    return database.run(counts)


@pytest.mark.slow
def test_deletion_leaves_nothing_of_the_person_and_all_of_the_others(
    database: Database, user: users.User, stranger: users.User
) -> None:
    fill(database, user)
    before = rows_left(database)
    assert all(before.values()), "needs a row in every table"
    fill(database, stranger)

    database.run(users.delete, user.id)

    assert rows_left(database) == {**before, "users": 1}
    assert database.run(users.by_id, user.id) is None
    assert database.run(users.by_id, stranger.id) == stranger


def test_the_id_of_a_deleted_account_is_not_given_again(database: Database, user: users.User) -> None:
    database.run(users.delete, user.id)

    assert database.run(make_user).id > user.id


@pytest.mark.slow
def test_the_export_has_every_table_and_only_the_persons_rows(
    database: Database, user: users.User, stranger: users.User
) -> None:
    fill(database, user)
    database.run(make_answer, stranger.id, question="A stranger's question")
    database.run(invites.create)

    found = database.run(users.export, user.id)

    apart = {table.name for table in metadata.sorted_tables if table.info.get("apart")}
    assert apart == {"document_pieces", "document_pages", "chunks", "chunk_vectors"}
    assert set(found) == {table.name for table in metadata.sorted_tables} - {"invites"} - apart
    assert all(found.values()), "every table holds something of this person's"
    text = json.dumps(found)
    assert "How do I begin?" in text
    assert user.email in text
    assert "stranger" not in text
    assert stranger.email not in text


def test_the_export_holds_no_secret(database: Database) -> None:
    user = database.run(make_user, password_hash="$argon2id$secret")
    session = database.run(sessions.open, user.id, user_agent="x", address="::1")
    row, plain = database.run(tokens.create, user.id, "laptop")

    text = json.dumps(database.run(users.export, user.id))

    assert "laptop" in text
    for secret in ("$argon2id$secret", session.id, plain, row.digest):
        assert secret not in text


def test_texts_that_no_database_can_hold_are_mended(database: Database, user: users.User) -> None:
    problem = database.run(
        problems.add, user.id, "odd", title="a\x00b", statement="half \ud83d a pair", extra={"k": "\udfff"}
    )

    kept = database.run(problems.get, user.id, problem.id)

    assert (kept.title, kept.statement, kept.extra) == ("ab", "half \ufffd a pair", {"k": "\ufffd"})
    assert database.run(conversations.by_client_name, user.id, "tutor", "\x00\ud800") is None
    assert database.run(submissions.latest, user.id, "\ud800", 1) == []
