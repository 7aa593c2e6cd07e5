"""Documents become ready, each once, whatever happens to those who read them."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from services.knowledge.workshop import Workshop
from services.llm import static
from services.store import chunks, claims, documents
from services.store.base import utc_now
from services.store.chunks import Chunk, ChunkVector, NewChunk
from services.store.database import Database
from services.store.documents import Document, DocumentPage, Page
from tests import papers, uploads
from tests.model_server import ModelServer
from tests.services.knowledge.readers import Reader, eventually, spans_of_the_loop

BOOK = "\n\n".join(
    f"# Part {part}\n\n" + " ".join(f"Sentence {number} of part {part} says what it says." for number in range(120))
    for part in range(8)
)


# -- what becomes of documents


@pytest.mark.slow
def test_documents_of_every_kind_become_ready(reader: Reader) -> None:
    word = papers.docx(papers.paragraph("Cats", style="berschrift1") + papers.paragraph("Cats sleep."))
    added = [
        reader.add(uploads.pdf(["One page.", "", "Another page."]), kind="pdf", name="a.pdf"),
        reader.add(word, kind="docx", name="a.docx"),
        reader.add("<h1>Dogs</h1><p>Dogs bark.", kind="html", name="a.html"),
        reader.add("# Birds\n\nBirds sing.", kind="markdown", name="a.md"),
        reader.add("# no heading\nPlain words.", kind="text", name="a.txt"),
        reader.add("Name,Sound\nCow,moo\n", kind="csv", name="a.csv"),
    ]

    assert reader.ingest().work() == 6

    assert all(reader.is_whole(document) for document in added)
    assert [reader.get(document).pages for document in added] == [3, None, None, None, None, None]
    found = [[(chunk.heading, chunk.page, chunk.text) for chunk in reader.made(document).chunks] for document in added]
    assert found == [
        [("", 1, "One page."), ("", 3, "Another page.")],
        [("Cats", 1, "Cats sleep.")],
        [("Dogs", 1, "Dogs bark.")],
        [("Birds", 1, "Birds sing.")],
        [("", 1, "# no heading\nPlain words.")],
        [("", 1, "Name | Sound\nName: Cow; Sound: moo")],
    ]
    assert reader.made(added[0]).models == {static.NAME}
    assert reader.ended == [("ready", 2)] + [("ready", 1)] * 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [
        ("pdf", uploads.locked_pdf(), "locked with a password"),
        ("pdf", b"%PDF-1.7 and no more", "broken"),
        ("pdf", uploads.pdf([""]), "No text was found"),
        ("docx", b"PK\x03\x04", "broken"),
        ("html", "<script>1</script>", "No text was found"),
        ("text", bytes(range(256)), "Save it as UTF-8"),
        ("csv", " \n", "empty"),
    ],
)
def test_what_cannot_be_read_fails_with_a_sentence_and_nothing_is_kept(
    reader: Reader, kind: str, content: bytes | str, says: str
) -> None:
    document = reader.add(content, kind=kind)
    other = reader.add("Words of another.")

    reader.ingest().work()

    failed = reader.get(document)
    assert failed.state == "failed"
    assert says in (failed.error or "")
    assert (failed.error or "").endswith(".")
    assert reader.made(document).chunks == []
    assert reader.made(document).pages == {}
    assert reader.is_whole(other)


@pytest.mark.slow
def test_reading_again_gives_the_same_once_more(reader: Reader) -> None:
    document = reader.add(BOOK, kind="markdown")
    ingest = reader.ingest()
    ingest.work()
    before = [(chunk.page, chunk.start, chunk.text, chunk.vector) for chunk in reader.made(document).chunks]

    reader.database.run(documents.requeue, reader.user.id, document.id)
    ingest.work()

    assert reader.is_whole(document)
    assert [(chunk.page, chunk.start, chunk.text, chunk.vector) for chunk in reader.made(document).chunks] == before


# -- what happens to those who read


def half_made(reader: Reader, document: Document, *, chunks_there: int, of: int | None = None) -> list[int]:
    """As a killed worker leaves it: some chunks are there, and its claim has lapsed. Gives their numbers."""
    pattern = reader.add(BOOK + " ", kind="markdown")
    reader.change(document, state="failed")
    reader.ingest().work()
    reader.change(document, state="queued")
    whole = reader.made(pattern)
    claim = reader.database.run(claims.claim, utc_now(), "a worker that was killed", 0.0)
    assert claim is not None
    assert claim.document.id == document.id
    pages = [documents.Page(number, text) for number, text in whole.pages.items()]
    reader.database.run(claims.put_pages, claim, pages)
    reader.database.run(claims.progress, claim, total=of or len(whole.chunks))
    rows = [
        NewChunk(
            one.position, one.heading, one.page, one.start, one.end, one.text, chunks.Embedded(bytes(32), bytes(256))
        )
        for one in whole.chunks[:chunks_there]
    ]
    reader.database.run(chunks.put, claim, rows, model=static.NAME)
    return [chunk.id for chunk in reader.made(document).chunks]


@pytest.mark.slow
def test_a_half_made_document_is_gone_on_with(reader: Reader) -> None:
    document = reader.add(BOOK, kind="markdown")
    there = half_made(reader, document, chunks_there=7)

    reader.ingest().work()

    assert reader.is_whole(document)
    assert [chunk.id for chunk in reader.made(document).chunks][:7] == there
    assert reader.get(document).attempts == 2


@pytest.mark.slow
def test_a_half_made_document_that_is_cut_differently_now_is_made_anew(reader: Reader) -> None:
    document = reader.add(BOOK, kind="markdown")
    there = half_made(reader, document, chunks_there=7, of=1000)

    reader.ingest().work()

    assert reader.is_whole(document)
    assert not {chunk.id for chunk in reader.made(document).chunks} & set(there)


@pytest.mark.slow
def test_one_that_was_killed_while_it_read_begins_anew(reader: Reader) -> None:
    document = reader.add(BOOK, kind="markdown")
    claim = reader.database.run(claims.claim, utc_now(), "a worker that was killed", 0.0)
    assert claim is not None
    reader.database.run(claims.put_pages, claim, [documents.Page(1, "of an older version"), documents.Page(99, "more")])

    reader.ingest().work()

    assert reader.is_whole(document)
    assert 99 not in reader.made(document).pages


@pytest.mark.slow
def test_a_worker_that_stops_in_the_middle_lets_go_and_another_goes_on(reader: Reader) -> None:
    document = reader.add(BOOK, kind="markdown")
    at_work = gevent.spawn(reader.ingest().work)
    eventually(lambda: reader.get(document).done)

    at_work.kill()

    assert not reader.get(document).is_at_rest
    assert reader.get(document).attempts == 0
    assert reader.ingest().work() == 1
    assert reader.is_whole(document)


@pytest.mark.slow
def test_a_worker_that_is_leaving_lets_go_between_two_steps(reader: Reader) -> None:
    document = reader.add(BOOK, kind="markdown")
    looks = iter([False] * 5)

    assert reader.ingest(leaving=lambda: next(looks, True)).work() == 0

    assert (reader.get(document).is_at_rest, reader.get(document).attempts) == (False, 0)
    assert reader.ingest().work() == 1
    assert reader.is_whole(document)


@pytest.mark.slow
def test_two_workers_at_once_make_each_document_once(reader: Reader, make_database: Callable[..., Database]) -> None:
    added = [reader.add(f"# D\n\nDocument number {number}.", kind="markdown") for number in range(12)]
    shops = [Workshop(), Workshop()]
    two = [reader.ingest(make_database(), workshop=shop, INGEST_PROCESSES="2") for shop in shops]

    counts = [one.get() for one in gevent.joinall([gevent.spawn(ingest.work) for ingest in two], raise_error=True)]
    for shop in shops:
        shop.close()

    assert sum(counts) == 12
    assert all(reader.is_whole(document) for document in added)
    assert {reader.get(document).attempts for document in added} == {1}


@pytest.mark.slow
def test_a_document_removed_while_it_is_read_leaves_nothing(reader: Reader) -> None:
    document = reader.add(BOOK, kind="markdown")
    at_work = gevent.spawn(reader.ingest().work)
    eventually(lambda: reader.get(document).done)

    reader.database.run(documents.remove, reader.user.id, document.id)

    assert at_work.get() == 0
    assert [reader.count(table) for table in (Chunk, ChunkVector, DocumentPage)] == [0, 0, 0]


class Lying(Workshop):
    """A child that was taken over, and tells what no database can hold."""

    def read(self, *_: Any, **__: Any) -> Iterator[Page]:
        # Enough of them to be put into the database before the reading ends.
        yield from [Page(2**64 - 1, "words")] * 40


@pytest.mark.slow
def test_what_no_database_can_hold_fails_and_keeps_nobody_waiting(reader: Reader) -> None:
    document = reader.add("Words.")
    other = reader.add("Words of another.")

    assert reader.ingest(workshop=Lying()).work() == 2

    assert (reader.get(document).state, reader.get(other).state) == ("failed", "failed")
    assert "cannot be stored" in (reader.get(document).error or "")
    assert reader.made(document).pages == {}


# -- the provider's embeddings


def of_provider(server: ModelServer, model: str = "reply-256") -> dict[str, str]:
    return {"OPENAI_BASE_URL": server.base_url, "EMBEDDING_MODEL": model}


@pytest.mark.slow
def test_the_providers_vectors_are_kept_with_its_models_name(reader: Reader, model_server: ModelServer) -> None:
    document = reader.add(BOOK, kind="markdown")

    reader.ingest(**of_provider(model_server)).work()

    assert reader.is_whole(document)
    assert reader.made(document).models == {"reply-256"}
    assert sum(len(call.body["input"]) for call in model_server.calls) == reader.get(document).total


@pytest.mark.slow
def test_a_provider_that_does_not_answer_fails_the_document_and_a_retry_makes_it(
    reader: Reader, model_server: ModelServer
) -> None:
    document = reader.add(BOOK, kind="markdown")

    reader.ingest(**of_provider(model_server, "status-401")).work()
    failed = reader.get(document)
    reader.database.run(documents.requeue, reader.user.id, document.id)
    reader.ingest(**of_provider(model_server)).work()

    assert failed.state == "failed"
    assert "MODEL_AUTH" in (failed.error or "")
    assert reader.is_whole(document)


@pytest.mark.slow
def test_only_vectors_that_are_missing_are_asked_for_after_a_kill(reader: Reader, model_server: ModelServer) -> None:
    document = reader.add(BOOK, kind="markdown")
    ingest = reader.ingest(**of_provider(model_server))
    at_work = gevent.spawn(ingest.work)
    eventually(lambda: reader.get(document).done)
    at_work.kill()
    done = reader.get(document).done
    assert 0 < done < reader.get(document).total, "needs a document of several batches"
    model_server.reset()

    reader.ingest(**of_provider(model_server)).work()

    assert reader.is_whole(document)
    assert sum(len(call.body["input"]) for call in model_server.calls) == reader.get(document).total - done


# -- another model


@pytest.mark.slow
def test_another_model_embeds_everything_anew_in_the_background(reader: Reader, model_server: ModelServer) -> None:
    document = reader.add(BOOK, kind="markdown")
    reader.ingest(**of_provider(model_server)).work()
    before = [(chunk.id, chunk.vector) for chunk in reader.made(document).chunks]

    assert reader.ingest().work() == 0

    after = [(chunk.id, chunk.vector) for chunk in reader.made(document).chunks]
    assert reader.is_whole(document)
    assert reader.made(document).models == {static.NAME}
    assert [number for number, _ in after] == [number for number, _ in before]
    assert all(new != old for (_, new), (_, old) in zip(after, before, strict=True))


@pytest.mark.slow
def test_a_provider_that_is_away_leaves_the_old_vectors(reader: Reader, model_server: ModelServer) -> None:
    document = reader.add("Words.")
    reader.ingest().work()

    reader.ingest(**of_provider(model_server, "status-401")).work()

    assert reader.is_whole(document)
    assert reader.made(document).models == {static.NAME}


# -- the event loop


@pytest.mark.slow
def test_an_ingestion_never_takes_the_event_loop_for_long(reader: Reader) -> None:
    added = [reader.add(f"{BOOK} {number}", kind="markdown") for number in range(4)]
    added.append(reader.add("\n".join(f"{n},{n * n},text of row {n}" for n in range(4000)), kind="csv"))
    spans: list[float] = []
    watching = gevent.spawn(spans_of_the_loop, spans)
    reader.ingest().work()
    watching.kill()

    assert all(reader.is_whole(document) for document in added)
    spans.sort()
    assert len(spans) > 100
    # Measured: 8 ms; the first includes what is set up once.
    assert spans[-2] < 0.04, spans[-10:]
