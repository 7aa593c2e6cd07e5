"""Documents: kept whole or not at all, each content once in a base, within bounds."""

import hashlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import gevent
import pytest
from sqlalchemy import func, select, text

from services import errors
from services.store import bases, claims, documents, users
from services.store.base import utc_now
from services.store.bases import BaseView
from services.store.chunks import Chunk, ChunkVector, Embedded
from services.store.database import Database
from services.store.documents import PIECE_BYTES, Document, DocumentPage, DocumentPiece
from tests.factories import make_base, make_document, make_indexed


@pytest.fixture
def base(database: Database, user: users.User) -> BaseView:
    return database.run(make_base, user.id)


def content_of(database: Database, user: users.User, document: Document) -> bytes:
    pieces = []
    while (data := database.run(documents.piece, user.id, document.id, len(pieces))) is not None:
        pieces.append(data)
    assert all(len(data) == PIECE_BYTES for data in pieces[:-1])
    return b"".join(pieces)


def rows(database: Database) -> dict[str, int]:
    """How many rows there are in all that is made of documents, the full-text index included."""
    tables = {"pieces": DocumentPiece, "pages": DocumentPage, "chunks": Chunk, "vectors": ChunkVector}

    def count(s: Any) -> dict[str, int]:
        found = {name: s.scalar(select(func.count()).select_from(table)) for name, table in tables.items()}
        return {**found, "words": s.scalar(text("SELECT count(*) FROM chunk_words"))}

    return database.run(count)


@pytest.mark.parametrize("size", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES * 2 + 3])
def test_a_document_comes_back_as_it_came(
    database: Database, user: users.User, stranger: users.User, base: BaseView, size: int
) -> None:
    content = bytes(n % 251 for n in range(size))

    kept = database.run(
        make_document, user.id, base.id, content=content, name="Übersicht.pdf", kind="pdf", mime="application/pdf"
    )

    assert (kept.state, kept.progress, kept.is_at_rest) == ("queued", 0.0, False)
    assert (kept.name, kept.kind, kept.bytes, kept.source_url) == ("Übersicht.pdf", "pdf", size, None)
    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert database.run(documents.get, user.id, kept.id) == kept
    assert content_of(database, user, kept) == content
    for act in (documents.get, documents.pages, documents.remove, documents.requeue):
        with pytest.raises(errors.NotFound):
            database.run(act, stranger.id, kept.id)
    for act in (documents.piece, documents.page):
        with pytest.raises(errors.NotFound):
            database.run(act, stranger.id, kept.id, 1)


def test_the_same_content_is_kept_once_in_a_base_however_often_it_comes(
    make_database: Callable[..., Database], database: Database, user: users.User, base: BaseView
) -> None:
    databases = [database, make_database()]
    rivals = [
        gevent.spawn(databases[n % 2].run, make_document, user.id, base.id, content=b"same", name=f"{n}.txt")
        for n in range(6)
    ]
    gevent.joinall(rivals)

    (kept,) = database.run(documents.listing, user.id, base.id)
    refused = [rival.exception for rival in rivals if not rival.successful()]
    assert len(refused) == 5
    for problem in refused:
        assert problem.code == "DUPLICATE"
        assert kept.name in problem.message
        assert problem.extra["document"] == {"id": kept.id, "name": kept.name, "status": "queued"}
    assert database.run(documents.duplicate, user.id, base.id, kept.sha256) == kept
    assert database.run(documents.duplicate, user.id, base.id, "other") is None
    other = database.run(make_document, user.id, content=b"same")
    assert other.id != kept.id, "another base is another matter"


@pytest.mark.slow
def test_there_is_an_end_to_documents_and_to_their_bytes(
    make_database: Callable[..., Database], database: Database, user: users.User, stranger: users.User, base: BaseView
) -> None:
    database.run(bases.set_member, user.id, base.id, stranger.email, "editor")
    databases, people = [database, make_database()], [user, stranger]

    def rivals(**limits: int) -> list[Any]:
        made = [
            gevent.spawn(databases[n % 2].run, make_document, people[n % 2].id, base.id, content=b"%09d" % n, **limits)
            for n in range(6)
        ]
        gevent.joinall(made)
        return [rival.exception for rival in made if not rival.successful()]

    refused = rivals(max_total_bytes=30)
    assert {type(problem) for problem in refused} == {errors.TooLarge}
    assert {problem.code for problem in refused} == {"BASES_FULL"}
    assert refused[0].extra["limit"] == 30
    assert len(refused) == 3, "what editors add counts for the owner"
    assert database.run(documents.used, user.id) == 27
    assert database.run(documents.used, stranger.id) == 0
    for document in database.run(documents.listing, user.id, base.id):
        database.run(documents.remove, user.id, document.id)

    refused = rivals(max_documents=2)
    assert {problem.code for problem in refused} == {"TOO_MANY_DOCUMENTS"}
    assert len(database.run(documents.listing, user.id, base.id)) == 2


def test_nothing_is_kept_of_a_document_whose_content_breaks_off(
    database: Database, user: users.User, base: BaseView
) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= PIECE_BYTES:
                raise OSError("gone")
            return super().read(size)

    with pytest.raises(OSError, match="gone"):
        database.run(make_document, user.id, base.id, content=b"x", file=Broken(bytes(PIECE_BYTES * 2)))

    assert database.run(documents.listing, user.id, base.id) == []
    assert rows(database)["pieces"] == 0


def test_a_listing_has_the_newest_first_page_by_page(database: Database, user: users.User, base: BaseView) -> None:
    made = [database.run(make_document, user.id, base.id) for _ in range(5)]
    newest_first = [document.id for document in reversed(made)]

    first = database.run(documents.listing, user.id, base.id, limit=2)
    rest = database.run(documents.listing, user.id, base.id, before=first[-1].id)

    assert [document.id for document in first + rest] == newest_first


def test_pages_are_read_by_number(database: Database, user: users.User) -> None:
    kept = database.run(make_indexed, user.id, texts=["one", "two", "three"])

    def numbers(*between: int) -> list[int]:
        return [page.number for page in database.run(documents.pages, user.id, kept.id, *between)]

    assert numbers() == [1, 2, 3]
    assert numbers(2) == [2, 3]
    assert numbers(2, 2) == [2]
    document, page, last = database.run(documents.page, user.id, kept.id, 2)
    assert (document.id, page.text, last) == (kept.id, "two", 3)
    with pytest.raises(errors.NotFound):
        database.run(documents.page, user.id, kept.id, 4)


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["document", "base", "owner", "read anew"])
def test_what_goes_leaves_nothing_behind(
    database: Database, user: users.User, stranger: users.User, base: BaseView, gone: str
) -> None:
    vectors = [Embedded(bytes(32), bytes(256)), None]
    kept = database.run(make_indexed, stranger.id, texts=["other", "text"], vectors=vectors)
    before = rows(database)
    assert before == {"pieces": 1, "pages": 2, "chunks": 2, "vectors": 2, "words": 2}
    document = database.run(make_indexed, user.id, base.id, texts=["secret", "words"], vectors=vectors)
    assert rows(database) == {name: number * 2 for name, number in before.items()}, "needs something to go"

    if gone == "document":
        database.run(documents.remove, user.id, document.id)
    elif gone == "base":
        database.run(bases.delete, user.id, base.id)
    elif gone == "owner":
        database.run(users.delete, user.id)
    else:
        database.run(documents.requeue, user.id, document.id)
        claim = database.run(claims.claim, utc_now(), "a test", 60)
        database.run(claims.restart, claim)

    assert rows(database) == {**before, "pieces": before["pieces"] + (gone == "read anew")}
    assert found_words(database, "secret") == 0
    assert found_words(database, "other") == 1
    assert database.run(documents.get, stranger.id, kept.id) == kept


def found_words(database: Database, word: str) -> int:
    condition = "chunk_words MATCH :word"
    if database.engine.dialect.name == "postgresql":
        condition = "words @@ to_tsquery('chunk_english', :word)"
    asked = text(f"SELECT count(*) FROM chunk_words WHERE {condition}")
    return database.run(lambda s: s.scalar(asked, {"word": word}))


def test_a_document_is_read_anew_when_it_is_at_rest(database: Database, user: users.User) -> None:
    ready = database.run(make_indexed, user.id, texts=["text"])
    assert ready.is_at_rest
    assert ready.progress == 1.0

    again = database.run(documents.requeue, user.id, ready.id)

    assert (again.state, again.done, again.total, again.attempts, again.error) == ("queued", 0, 1, 0, None)
    assert again.progress == 0
    claim = database.run(claims.claim, utc_now(), "a test", 60)
    assert claim.document.id == ready.id
    assert database.run(documents.requeue, user.id, ready.id).state == "reading", "it is being read already"
    database.run(claims.renew, claim, utc_now(), 60)


def test_hostile_names_are_kept_as_text(database: Database, user: users.User) -> None:
    kept = database.run(make_document, user.id, name="a\x00b\ud800<script>.txt", source_url="https://example.org/\x00")

    assert kept.name == "ab\ufffd<script>.txt"
    assert database.run(documents.get, user.id, kept.id).name == kept.name
