"""Chunks: what is kept of them, and their vectors anew when the model changes."""

import pytest

from services.store import chunks, documents, users
from services.store.chunks import Embedded
from services.store.database import Database
from tests.factories import make_indexed

OLD, NEW = Embedded(bytes(32), bytes(256)), Embedded(b"\xff" * 32, b"\x7f" * 256)


def places(document: documents.Document, count: int) -> list[tuple[str, int]]:
    return [(document.id, position) for position in range(count)]


def test_a_passage_has_all_that_is_shown_of_it(database: Database, user: users.User, stranger: users.User) -> None:
    kept = database.run(
        make_indexed, user.id, name="plan.txt", texts=["first", "second"], headings=["A", "A > B"], vectors=[NEW, None]
    )

    first, second = database.run(chunks.at, user.id, places(kept, 5))

    assert (second.document_id, second.document_name, second.base_id) == (kept.id, "plan.txt", kept.base_id)
    assert (second.position, second.heading, second.page, second.text) == (1, "A > B", 2, "second")
    _, page, _ = database.run(documents.page, user.id, kept.id, second.page)
    assert page.text[second.start : second.end] == second.text
    assert (first.vector, second.vector) == (NEW.int8, None)
    assert database.run(chunks.load, user.id, [second.id, 4711, first.id, second.id]) == [second, first]
    assert database.run(chunks.load, stranger.id, [first.id]) == []
    assert database.run(chunks.at, stranger.id, places(kept, 5)) == []
    assert database.run(chunks.load, user.id, []) == []
    assert database.run(chunks.at, user.id, []) == []


def test_when_the_model_changes_every_vector_is_made_anew(database: Database, user: users.User) -> None:
    kept = database.run(make_indexed, user.id, texts=list("abcde"), vectors=[OLD] * 4 + [None], model="old")
    assert database.run(chunks.stale, "old", 10) == []

    seen = []
    while wanted := database.run(chunks.stale, "new", 2):
        assert len(wanted) <= 2
        seen += [chunk.text for chunk in wanted]
        given = [(chunk.id, NEW) for chunk in wanted]
        assert database.run(chunks.embed, "new", [*given, (4711, NEW)]) == len(wanted), "what is gone is passed over"

    assert sorted(seen) == list("abcd"), "what has no vector yet is its ingestion's"
    passages = database.run(chunks.at, user.id, places(kept, 5))
    assert [passage.vector for passage in passages] == [NEW.int8] * 4 + [None]
    assert database.run(chunks.stale, "old", 10), "and back again"
    assert database.run(chunks.embed, "new", []) == 0


@pytest.mark.slow
def test_a_vector_of_another_size_is_refused(database: Database, user: users.User) -> None:
    for bits in (b"", bytes(31), bytes(33)):
        with pytest.raises(Exception, match="32 bytes"):
            database.run(make_indexed, user.id, texts=["a"], vectors=[Embedded(bits, bytes(256))])
        database.run(lambda s: [s.delete(row) for row in s.query(documents.DocumentRow)])


@pytest.mark.slow
def test_numbers_of_chunks_are_not_given_again(database: Database, user: users.User) -> None:
    kept = database.run(make_indexed, user.id, texts=["a", "b"])
    last = database.run(chunks.at, user.id, places(kept, 2))[-1].id
    database.run(documents.remove, user.id, kept.id)

    following = database.run(make_indexed, user.id, texts=["c"])

    assert database.run(chunks.at, user.id, places(following, 1))[0].id > last
