"""Bases: whose they are, who may read and change them."""

from collections.abc import Callable

import gevent
import pytest
from sqlalchemy import func, select

from services import errors
from services.store import bases, documents, users
from services.store.bases import BaseMember, BaseView, Member
from services.store.database import Database
from tests.factories import make_base, make_document, make_indexed, make_user


@pytest.fixture
def base(database: Database, user: users.User) -> BaseView:
    return database.run(make_base, user.id, name="Minutes")


def seen(database: Database, person: users.User) -> list[tuple[str, str]]:
    return [(base.name, base.role) for base in database.run(bases.listing, person.id)]


def test_a_base_is_its_owners_and_nobody_elses(
    database: Database, user: users.User, stranger: users.User, base: BaseView
) -> None:
    assert (base.role, base.is_shared, base.documents) == ("owner", False, 0)
    assert database.run(bases.get, user.id, base.id) == base
    assert database.run(bases.listing, user.id) == [base]

    assert database.run(bases.listing, stranger.id) == []
    for act in (
        lambda: database.run(bases.get, stranger.id, base.id),
        lambda: database.run(bases.rename, stranger.id, base.id, "Mine"),
        lambda: database.run(bases.delete, stranger.id, base.id),
        lambda: database.run(bases.members, stranger.id, base.id),
        lambda: database.run(bases.set_member, stranger.id, base.id, stranger.email, "editor"),
        lambda: database.run(bases.remove_member, stranger.id, base.id, user.email),
        lambda: database.run(documents.listing, stranger.id, base.id),
        lambda: database.run(make_document, stranger.id, base.id),
        lambda: database.run(bases.get, user.id, "unknown"),
    ):
        with pytest.raises(errors.NotFound):
            act()
    assert database.run(bases.get, user.id, base.id) == base


@pytest.mark.slow
@pytest.mark.parametrize("role", ["reader", "editor", "shared"])
def test_a_role_allows_what_it_says(
    database: Database, user: users.User, stranger: users.User, base: BaseView, role: str
) -> None:
    kept = database.run(make_document, user.id, base.id)
    if role == "shared":
        database.run(bases.change, user.id, base.id, is_shared=True)
    else:
        database.run(bases.set_member, user.id, base.id, stranger.email, role)

    assert database.run(bases.get, stranger.id, base.id).role == ("editor" if role == "editor" else "reader")
    assert database.run(documents.get, stranger.id, kept.id) == kept
    assert database.run(documents.piece, stranger.id, kept.id, 0)
    as_editor = (
        lambda: database.run(make_document, stranger.id, base.id),
        lambda: database.run(documents.requeue, stranger.id, kept.id),
        lambda: database.run(bases.members, stranger.id, base.id),
        lambda: database.run(documents.remove, stranger.id, kept.id),
    )
    for act in as_editor:
        if role == "editor":
            act()
        else:
            with pytest.raises(errors.Forbidden):
                act()
    for act in (
        lambda: database.run(bases.rename, stranger.id, base.id, "Mine"),
        lambda: database.run(bases.delete, stranger.id, base.id),
        lambda: database.run(bases.set_member, stranger.id, base.id, stranger.email, "editor"),
        lambda: database.run(bases.remove_member, stranger.id, base.id, user.email),
    ):
        with pytest.raises(errors.Forbidden):
            act()


def test_the_listing_has_ones_own_first_each_by_name_and_once(
    database: Database, user: users.User, stranger: users.User
) -> None:
    for person, name, is_shared in (
        (user, "b mine", True),
        (user, "A mine", False),
        (stranger, "their shared", True),
        (stranger, "Both", True),
        (stranger, "theirs alone", False),
    ):
        base = database.run(make_base, person.id, name=name, is_shared=is_shared)
        if name == "Both":
            database.run(bases.set_member, stranger.id, base.id, user.email, "editor")

    assert seen(database, user) == [
        ("A mine", "owner"),
        ("b mine", "owner"),
        ("Both", "editor"),
        ("their shared", "reader"),
    ]


def test_a_base_counts_its_documents(database: Database, user: users.User, base: BaseView) -> None:
    database.run(make_indexed, user.id, base.id, texts=["ready"])
    waiting = database.run(make_document, user.id, base.id, content=b"waits")
    database.run(make_document, user.id, content=b"in another base")

    found = database.run(bases.get, user.id, base.id)

    assert (found.documents, found.ready, found.failed, found.bytes) == (2, 1, 0, len(b"ready") + waiting.bytes)
    assert found in database.run(bases.listing, user.id)


def test_a_change_is_made_as_asked(database: Database, user: users.User, base: BaseView) -> None:
    assert database.run(bases.rename, user.id, base.id, "Notes").name == "Notes"
    assert database.run(bases.change, user.id, base.id, is_shared=True).is_shared
    assert database.run(bases.change, user.id, base.id) == database.run(bases.get, user.id, base.id)
    changed = database.run(bases.change, user.id, base.id, name="Papers", is_shared=False)

    assert (changed.name, changed.is_shared) == ("Papers", False)


def test_members_come_change_and_go(database: Database, user: users.User, stranger: users.User, base: BaseView) -> None:
    database.run(bases.set_member, user.id, base.id, f"  {stranger.email.upper()} ", "reader")
    other = database.run(make_user)
    database.run(bases.set_member, user.id, base.id, other.email, "reader")
    database.run(bases.set_member, user.id, base.id, stranger.email, "editor")

    expected = {Member(stranger.id, stranger.email, "editor"), Member(other.id, other.email, "reader")}
    assert set(database.run(bases.members, user.id, base.id)) == expected
    assert set(database.run(bases.members, stranger.id, base.id)) == expected

    database.run(bases.remove_member, other.id, base.id, other.email)
    assert seen(database, other) == []
    with pytest.raises(errors.NotFound):
        database.run(bases.remove_member, other.id, base.id, other.email)
    with pytest.raises(errors.NotFound):
        database.run(bases.remove_member, user.id, base.id, other.email)
    database.run(bases.remove_member, user.id, base.id, stranger.email)
    assert database.run(bases.members, user.id, base.id) == []


def test_who_cannot_be_a_member_is_said_at_the_field(database: Database, user: users.User, base: BaseView) -> None:
    for email in ("nobody@example.org", user.email, "\x00"):
        with pytest.raises(errors.InvalidInput) as caught:
            database.run(bases.set_member, user.id, base.id, email, "reader")
        assert [error.field for error in caught.value.errors] == ["email"]


@pytest.mark.slow
def test_there_is_an_end_to_bases_and_members(
    make_database: Callable[..., Database], database: Database, user: users.User, base: BaseView
) -> None:
    databases = [database, make_database()]
    rivals = [gevent.spawn(databases[n % 2].run, bases.create, user.id, f"Base {n}", max_bases=3) for n in range(6)]
    gevent.joinall(rivals)
    refused = [rival.exception for rival in rivals if not rival.successful()]

    assert len(database.run(bases.listing, user.id)) == 3
    assert {problem.code for problem in refused} == {"TOO_MANY_BASES"}
    assert refused[0].extra == {"limit": 3, "current": 3}

    people = [database.run(make_user) for _ in range(4)]
    rivals = [
        gevent.spawn(databases[n % 2].run, bases.set_member, user.id, base.id, person.email, "reader", max_members=2)
        for n, person in enumerate(people)
    ]
    gevent.joinall(rivals)

    assert len(database.run(bases.members, user.id, base.id)) == 2
    assert [rival.exception.code for rival in rivals if not rival.successful()] == ["TOO_MANY_MEMBERS"] * 2
    member = database.run(bases.members, user.id, base.id)[0]
    database.run(bases.set_member, user.id, base.id, member.email, "editor", max_members=2)


def test_it_is_told_which_bases_may_be_read_and_by_whom(
    database: Database, user: users.User, stranger: users.User, base: BaseView
) -> None:
    theirs = database.run(make_base, stranger.id)
    ids = [theirs.id, base.id, "unknown"]

    assert database.run(bases.unreadable, user.id, ids) == [theirs.id, "unknown"]
    assert database.run(bases.unreadable, user.id, []) == []
    assert database.run(bases.readers, base.id, {user.id, stranger.id, 4711}) == {user.id}
    database.run(bases.set_member, user.id, base.id, stranger.email, "reader")
    assert database.run(bases.readers, base.id, {user.id, stranger.id, 4711}) == {user.id, stranger.id}
    database.run(bases.change, stranger.id, theirs.id, is_shared=True)
    assert database.run(bases.readers, theirs.id, {user.id, stranger.id, 4711}) == {user.id, stranger.id}
    assert database.run(bases.readers, "unknown", {user.id}) == set()
    assert database.run(bases.unreadable, user.id, ids) == ["unknown"]


def test_a_member_who_leaves_the_site_leaves_the_base(
    database: Database, user: users.User, stranger: users.User, base: BaseView
) -> None:
    database.run(bases.set_member, user.id, base.id, stranger.email, "editor")
    kept = database.run(make_document, stranger.id, base.id)
    told = database.run(users.export, stranger.id)
    assert [row["base_id"] for row in told["base_members"]] == [base.id]
    assert told["bases"] == [], "the base is somebody else's"
    assert told["documents"] == []

    database.run(users.delete, stranger.id)

    assert database.run(bases.members, user.id, base.id) == []
    assert database.run(documents.get, user.id, kept.id) == kept
    assert database.run(lambda s: s.scalar(select(func.count()).select_from(BaseMember))) == 0


@pytest.mark.slow
def test_an_export_tells_of_bases_and_documents_without_what_is_made_of_them(
    database: Database, user: users.User, stranger: users.User, base: BaseView
) -> None:
    database.run(make_indexed, user.id, base.id, name="plan.txt", texts=["What is planned."])
    database.run(make_indexed, stranger.id, name="theirs.txt")

    told = database.run(users.export, user.id)

    assert [row["name"] for row in told["bases"]] == ["Minutes"]
    assert [(row["name"], row["state"]) for row in told["documents"]] == [("plan.txt", "ready")]
    assert "claimed_by" not in told["documents"][0]
    assert not {"document_pieces", "document_pages", "chunks", "chunk_vectors"} & set(told)
