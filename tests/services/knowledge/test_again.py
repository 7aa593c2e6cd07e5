"""A document that is ready stays so while it is read again, and if that fails."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services.knowledge import again
from services.knowledge.workshop import ChildEnded, Workshop
from services.reading import kinds
from services.reading.kinds import Refused
from services.store import claims, documents
from tests.model_server import ModelServer
from tests.services.knowledge.readers import Reader

BOOK = "\n\n".join(
    f"# Part {part}\n\n" + " ".join(f"Sentence {number} of part {part} says what it says." for number in range(120))
    for part in range(8)
)


def of_provider(server: ModelServer, model: str = "reply-256") -> dict[str, str]:
    return {"OPENAI_BASE_URL": server.base_url, "EMBEDDING_MODEL": model}


class Watching:
    """A workshop that looks at the document before each thing that it tells, and may fail."""

    def __init__(self, workshop: Workshop, look: Callable[[], None], failing: Exception | None = None) -> None:
        self._workshop, self._look, self._failing = workshop, look, failing

    def read(self, *args: Any, **options: Any) -> Iterator[Any]:
        for told in self._workshop.read(*args, **options):
            self._look()
            yield told
        if self._failing is not None:
            raise self._failing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._workshop, name)


@pytest.mark.slow
def test_a_ready_document_is_there_while_it_is_read_again(reader: Reader, workshop: Workshop) -> None:
    document = reader.add(BOOK, kind="markdown")
    reader.ingest().work()
    before = reader.made(document)
    seen: list[tuple[int, int, str]] = []

    def look() -> None:
        made = reader.made(document)
        seen.append((len(made.chunks), made.vectors, reader.get(document).state))

    reader.database.run(documents.requeue, reader.user.id, document.id)
    reader.ingest(workshop=Watching(workshop, look)).work()

    assert set(seen) == {(len(before.chunks), before.vectors, "reading")}
    assert reader.is_whole(document)
    assert {chunk.id for chunk in reader.made(document).chunks}.isdisjoint(chunk.id for chunk in before.chunks)


@pytest.mark.slow
@pytest.mark.parametrize("failing", [Refused(kinds.BROKEN), ChildEnded()], ids=["refused", "killed"])
def test_a_ready_document_that_cannot_be_read_again_is_ready_as_it_was(
    reader: Reader, workshop: Workshop, failing: Exception
) -> None:
    document = reader.add(BOOK, kind="markdown")
    reader.ingest().work()
    before = [chunk.id for chunk in reader.made(document).chunks]

    reader.database.run(documents.requeue, reader.user.id, document.id)
    reader.ingest(workshop=Watching(workshop, lambda: None, failing)).work()

    assert reader.is_whole(document)
    assert [chunk.id for chunk in reader.made(document).chunks] == before
    assert (reader.get(document).error or "").startswith("It was not read again. ")


@pytest.mark.slow
def test_a_provider_that_is_away_leaves_a_ready_document_as_it_was(reader: Reader, model_server: ModelServer) -> None:
    document = reader.add(BOOK, kind="markdown")
    reader.ingest(**of_provider(model_server)).work()
    before = [chunk.id for chunk in reader.made(document).chunks]

    reader.database.run(documents.requeue, reader.user.id, document.id)
    reader.ingest(**of_provider(model_server, "status-401")).work()

    assert reader.is_whole(document)
    assert [chunk.id for chunk in reader.made(document).chunks] == before
    reader.database.run(documents.requeue, reader.user.id, document.id)
    reader.ingest(**of_provider(model_server)).work()
    assert reader.is_whole(document)
    assert reader.get(document).error is None


@pytest.mark.slow
def test_a_document_that_takes_its_reader_down_again_and_again_stays_as_it_was(reader: Reader) -> None:
    document = reader.add(BOOK, kind="markdown")
    reader.ingest().work()
    reader.database.run(documents.requeue, reader.user.id, document.id)
    reader.change(document, state="reading", attempts=claims.MAX_ATTEMPTS)

    reader.ingest().work()

    assert reader.is_whole(document)
    assert "not read again" in (reader.get(document).error or "")


@pytest.mark.slow
def test_a_long_document_is_read_again_in_several_transactions(reader: Reader) -> None:
    document = reader.add("\n\n".join(f"# Volume {number}\n\n{BOOK}" for number in range(30)), kind="markdown")
    reader.ingest().work()
    assert reader.get(document).total > again.MAX_AT_ONCE, "needs a long one"

    reader.database.run(documents.requeue, reader.user.id, document.id)
    reader.ingest().work()

    assert reader.is_whole(document)
