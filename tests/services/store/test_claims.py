"""Claims on documents: each is read by one at a time, and made once, whoever dies on the way."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import gevent
import pytest

from scripts.plans import explained, reads_whole
from services import errors
from services.store import chunks, claims, documents, users
from services.store.chunks import Embedded, NewChunk
from services.store.claims import MAX_ATTEMPTS, Claim
from services.store.database import Database
from services.store.documents import Document, Page
from tests.factories import make_document

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE_S = 30
LAPSED = NOON + timedelta(seconds=LEASE_S)
VECTOR = Embedded(bytes(32), bytes(256))


def claimed(database: Database, now: datetime = NOON) -> Claim | None:
    return database.run(claims.claim, now, "worker", LEASE_S)


def new_chunk(position: int, text: str = "some words", vector: Embedded | None = None) -> NewChunk:
    return NewChunk(position, "A > B", 1, 0, len(text), text, vector)


def state(database: Database, user: users.User, document: Document) -> tuple[str, int, int]:
    found = database.run(documents.get, user.id, document.id)
    return found.state, found.done, found.total


def texts(database: Database, user: users.User, document: Document) -> list[str]:
    places = [(document.id, position) for position in range(10)]
    return [passage.text for passage in database.run(chunks.at, user.id, places)]


def test_the_oldest_document_is_claimed_first_and_once(database: Database, user: users.User) -> None:
    made = [database.run(make_document, user.id) for _ in range(3)]

    found = [claimed(database) for _ in range(4)]

    assert [claim and claim.document.id for claim in found] == [*(document.id for document in made), None]
    assert {claim.document.state for claim in found[:3]} == {"reading"}
    assert len({claim.token for claim in found[:3]}) == 3


@pytest.mark.slow
def test_rivals_share_the_documents_out(
    make_database: Callable[..., Database], database: Database, user: users.User
) -> None:
    made = {database.run(make_document, user.id).id for _ in range(12)}
    databases = [database, make_database()]

    def take_all(number: int) -> list[str]:
        taken = []
        while (claim := claimed(databases[number % 2])) is not None:
            taken.append(claim.document.id)
        return taken

    takers = [gevent.spawn(take_all, number) for number in range(4)]
    gevent.joinall(takers, raise_error=True)

    taken = [document_id for taker in takers for document_id in taker.value]
    assert len(taken) == len(made)
    assert set(taken) == made


def test_a_claim_lapses_unless_it_is_renewed(database: Database, user: users.User) -> None:
    database.run(make_document, user.id)
    first = claimed(database)
    assert claimed(database, LAPSED - timedelta(seconds=1)) is None

    database.run(claims.renew, first, LAPSED, LEASE_S)
    assert claimed(database, LAPSED) is None
    second = claimed(database, LAPSED + timedelta(seconds=LEASE_S))

    assert second.document.id == first.document.id
    assert second.document.attempts == 2
    assert second.token != first.token


@pytest.mark.parametrize("lost_to", ["another", "its removal", "its end"])
def test_who_lost_a_claim_writes_nothing(database: Database, user: users.User, lost_to: str) -> None:
    document = database.run(make_document, user.id)
    mine = claimed(database)
    if lost_to == "another":
        theirs = claimed(database, LAPSED)
        database.run(claims.put_pages, theirs, [Page(1, "theirs")])
    elif lost_to == "its removal":
        database.run(documents.remove, user.id, document.id)
    else:
        database.run(claims.finish, mine)

    for act in (
        lambda: database.run(claims.renew, mine, LAPSED, LEASE_S),
        lambda: database.run(claims.restart, mine),
        lambda: database.run(claims.put_pages, mine, [Page(1, "mine"), Page(2, "mine")]),
        lambda: database.run(claims.progress, mine, total=3),
        lambda: database.run(chunks.put, mine, [new_chunk(0)]),
        lambda: database.run(chunks.embed, "m", [(1, VECTOR)], claim=mine),
        lambda: database.run(claims.finish, mine),
        lambda: database.run(claims.fail, mine, "broken"),
        lambda: database.run(claims.hold, mine),
    ):
        with pytest.raises(errors.Conflict) as caught:
            act()
        assert caught.value.code == "CLAIM_LOST"
    database.run(claims.release, mine)

    if lost_to == "another":
        assert [page.text for page in database.run(documents.pages, user.id, document.id)] == ["theirs"]
        assert state(database, user, document) == ("reading", 0, 0)
        database.run(claims.finish, theirs)


@pytest.mark.slow
def test_a_document_is_read_in_steps(database: Database, user: users.User) -> None:
    document = database.run(make_document, user.id, content=b"the content")
    claim = claimed(database)
    assert database.run(claims.piece, claim, 0) == b"the content"
    assert database.run(claims.piece, claim, 1) is None

    database.run(claims.restart, claim)
    database.run(claims.put_pages, claim, [Page(1, "one"), Page(2, "two\x00")])
    database.run(claims.put_pages, claim, [])
    assert database.run(claims.pages, claim) == [Page(1, "one"), Page(2, "two")]
    assert database.run(claims.pages, claim, 2, 2) == [Page(2, "two")]
    assert database.run(chunks.put, claim, [new_chunk(0), new_chunk(1)]) == 2
    database.run(claims.progress, claim, total=3, pages=2)
    assert state(database, user, document) == ("embedding", 0, 3)
    assert database.run(chunks.put, claim, [new_chunk(2, vector=VECTOR)], model="m") == 1
    assert state(database, user, document) == ("embedding", 1, 3)

    wanted = database.run(chunks.without_vector, claim, 10)
    assert [(chunk.document_name, chunk.heading, chunk.text) for chunk in wanted] == [
        (document.name, "A > B", "some words")
    ] * 2
    assert database.run(chunks.embed, "m", [(chunk.id, VECTOR) for chunk in wanted], claim=claim) == 2
    assert state(database, user, document) == ("embedding", 3, 3)
    assert database.run(chunks.without_vector, claim, 10) == []

    ready = database.run(claims.finish, claim)
    assert (ready.state, ready.pages, ready.progress) == ("ready", 2, 1.0)
    assert claimed(database, LAPSED) is None


@pytest.mark.slow
def test_what_died_half_way_is_taken_up_where_it_was(database: Database, user: users.User) -> None:
    document = database.run(make_document, user.id)
    first = claimed(database)
    rows = [new_chunk(position, f"chunk {position}") for position in range(4)]
    database.run(chunks.put, first, rows[:3])
    # The transaction that put the fourth was committed, but its writer did not live to hear of it.
    database.run(chunks.put, first, rows[3:])
    database.run(claims.progress, first, total=4)
    database.run(chunks.embed, "m", [(database.run(chunks.without_vector, first, 1)[0].id, VECTOR)], claim=first)

    second = claimed(database, LAPSED)
    assert (second.document.state, second.document.done) == ("embedding", 1)
    assert database.run(chunks.put, second, rows) == 0
    missing = database.run(chunks.without_vector, second, 10)
    assert [chunk.text for chunk in missing] == ["chunk 1", "chunk 2", "chunk 3"]
    database.run(chunks.embed, "m", [(chunk.id, VECTOR) for chunk in missing], claim=second)
    database.run(claims.finish, second)

    assert texts(database, user, document) == [f"chunk {position}" for position in range(4)]
    assert state(database, user, document) == ("ready", 4, 4)


def test_a_new_beginning_forgets_what_was_read(database: Database, user: users.User) -> None:
    document = database.run(make_document, user.id)
    first = claimed(database)
    database.run(claims.put_pages, first, [Page(1, "old")])
    database.run(chunks.put, first, [new_chunk(0, "old")])

    second = claimed(database, LAPSED)
    database.run(claims.restart, second)

    assert database.run(claims.pages, second) == []
    assert texts(database, user, document) == []


def test_what_cannot_be_read_fails_with_its_reason_and_can_be_tried_again(database: Database, user: users.User) -> None:
    document = database.run(make_document, user.id)
    claim = claimed(database)
    database.run(claims.put_pages, claim, [Page(1, "half")])
    database.run(chunks.put, claim, [new_chunk(0, "half")])

    failed = database.run(claims.fail, claim, "The file is locked with a password.")

    assert (failed.state, failed.error) == ("failed", "The file is locked with a password.")
    assert failed.is_at_rest
    assert texts(database, user, document) == []
    assert database.run(documents.pages, user.id, document.id) == []
    assert claimed(database, LAPSED) is None
    assert database.run(documents.requeue, user.id, document.id).error is None
    assert claimed(database).document.attempts == 1


def test_a_document_that_kills_its_readers_is_given_up(database: Database, user: users.User) -> None:
    document = database.run(make_document, user.id)
    for attempt in range(MAX_ATTEMPTS):
        claim = claimed(database, NOON + timedelta(hours=attempt))
        assert claim.document.attempts == attempt + 1
    database.run(chunks.put, claim, [new_chunk(0)])
    behind = database.run(make_document, user.id)

    following = claimed(database, NOON + timedelta(hours=MAX_ATTEMPTS))

    assert following.document.id == behind.id, "the others do not wait for it"
    given_up = database.run(documents.get, user.id, document.id)
    assert given_up.state == "failed"
    assert given_up.error
    assert texts(database, user, document) == []


@pytest.mark.slow
def test_what_is_let_go_is_claimed_again_at_once_and_does_not_count(database: Database, user: users.User) -> None:
    database.run(make_document, user.id)
    for _ in range(MAX_ATTEMPTS + 2):
        claim = claimed(database)
        assert claim.document.attempts == 1
        database.run(claims.release, claim)


def test_claiming_reads_only_what_waits(database: Database, user: users.User) -> None:
    plans: list[tuple[str, str]] = []
    database.run(make_document, user.id)

    with explained(database, lambda statement, step: plans.append((statement, step))):
        claim = claimed(database)
        database.run(claims.renew, claim, NOON, LEASE_S)
        database.run(claims.put_pages, claim, [Page(1, "x")])
        database.run(chunks.put, claim, [new_chunk(0)])
        database.run(chunks.without_vector, claim, 10)
        database.run(claims.restart, claim)
        database.run(claims.finish, claim)

    whole = [plan for plan in plans if reads_whole(plan[1]) and "ix_documents_waiting" not in plan[1]]
    assert plans
    assert whole == []
    claiming = [step for statement, step in plans if statement.lstrip().startswith("SELECT documents.")]
    assert any("ix_documents_waiting" in step for step in claiming), claiming
