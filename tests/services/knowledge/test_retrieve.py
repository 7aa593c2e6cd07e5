"""Finding passages, in a real store with the built-in model."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from services import errors
from services import settings as site_settings
from services.knowledge import confidence, fusion
from services.knowledge.chunking import chunks as cut
from services.knowledge.chunking import embedded
from services.knowledge.passages import Found
from services.knowledge.retrieve import Retriever
from services.llm.embed import Embedder
from services.llm.vectors import Vector
from services.store import bases, chunks, claims, documents
from services.store.base import utc_now
from services.store.bases import BaseView
from services.store.chunks import Embedded, NewChunk
from services.store.database import Database, Session
from services.store.users import User
from tests.factories import make_base

LEASES = """# Slots

A slot is a lease. It lapses after ten seconds unless its run renews it, so that a killed worker's slot frees itself.

## Counting

Only pending and generating runs are counted; idle streams and extra viewers are not.
"""
BAKING = """# Bread

Sourdough rises for twelve hours in a cool kitchen. Knead it twice, and bake it on a hot stone with steam.
"""
RIGHTS = """# Permissions

An editor may add documents to a base and remove them. A reader may only look at them.
"""


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    made = Embedder(site_settings.load({"SECRET_KEY": "only for tests, and long enough for it"}))
    made.start()
    yield made
    made.close()


@pytest.fixture
def retriever(database: Database, embedder: Embedder) -> Retriever:
    return Retriever(database, embedder)


@pytest.fixture
def base(database: Database, user: User) -> BaseView:
    return database.run(make_base, user.id)


def add(
    database: Database, embedder: Embedder, user: User, base: BaseView, name: str, text: str, *, target: int = 60
) -> documents.Document:
    """A Markdown document, as the ingestion makes it ready; in small chunks."""
    rows = list(cut([(1, text)], has_marks=True, target=target, most=target + 20, overlap=0))
    made = embedder.documents([embedded(one.heading, one.text) for one in rows])
    ready = [
        NewChunk(one.position, one.heading, one.page, one.start, one.end, one.text, Embedded(vector.bits, vector.int8))
        for one, vector in zip(rows, made, strict=True)
    ]
    return database.run(_add, user.id, base.id, name, text, ready, embedder.model)


def _add(
    s: Session, user_id: int, base_id: str, name: str, text: str, rows: Sequence[NewChunk], model: str
) -> documents.Document:
    content = text.encode()
    documents.add(
        s,
        user_id,
        base_id,
        name=name,
        kind="markdown",
        mime="text/markdown",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        content=io.BytesIO(content),
        max_total_bytes=1 << 30,
    )
    claim = claims.claim(s, utc_now(), "a test", 60)
    assert claim
    claims.put_pages(s, claim, [documents.Page(1, text)])
    claims.progress(s, claim, total=len(rows))
    chunks.put(s, claim, rows, model=model)
    return claims.finish(s, claim)


@pytest.fixture
def filled(database: Database, embedder: Embedder, user: User, base: BaseView) -> BaseView:
    for name, text in (("leases.md", LEASES), ("baking.md", BAKING), ("rights.md", RIGHTS)):
        add(database, embedder, user, base, name, text)
    return base


def names(found: Found) -> list[str]:
    return [passage.document_name for passage in found.passages]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("When does a lease lapse?", "leases.md"),
        ("sourdough kitchen", "baking.md"),
        ("Who is allowed to delete files?", "rights.md"),
        ("How is a loaf made in the oven?", "baking.md"),
    ],
)
def test_a_question_finds_the_document_that_answers_it(
    retriever: Retriever, user: User, filled: BaseView, question: str, document: str
) -> None:
    assert names(retriever.search(user.id, question, [filled.id]))[0] == document


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_a_passage_is_what_stands_at_its_place(retriever: Retriever, database: Database, user: User) -> None:
    found = retriever.search(user.id, "When does a lease lapse, and what is counted?", None)

    assert found.passages, "needs something found"
    for passage in found.passages:
        (page,) = database.run(documents.pages, user.id, passage.document_id, passage.page, passage.page)
        assert page.text[passage.start : passage.end] == passage.text


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_neighbours_are_one_passage_with_what_parts_them(retriever: Retriever, user: User) -> None:
    best = retriever.search(user.id, "When does a lease lapse?", None).passages[0]

    assert "lapses after ten seconds" in best.text
    assert "## Counting" in best.text
    assert "extra viewers" in best.text


@pytest.mark.slow
@pytest.mark.req("Q10")
def test_only_what_the_person_may_read_is_found(
    retriever: Retriever, database: Database, embedder: Embedder, user: User, stranger: User
) -> None:
    private = database.run(make_base, user.id)
    shared = database.run(make_base, user.id, is_shared=True)
    add(database, embedder, user, private, "private.md", LEASES)
    add(database, embedder, user, shared, "shared.md", RIGHTS)
    question = "lease slot editor document"

    assert set(names(retriever.search(user.id, question, None))) == {"private.md", "shared.md"}
    assert set(names(retriever.search(stranger.id, question, None))) == {"shared.md"}
    assert set(names(retriever.search(stranger.id, question, []))) == {"shared.md"}

    database.run(bases.set_member, user.id, private.id, stranger.email, "reader")

    assert set(names(retriever.search(stranger.id, question, [private.id]))) == {"private.md"}


@pytest.mark.slow
@pytest.mark.req("Q10")
def test_a_foreign_or_unknown_base_is_not_found(
    retriever: Retriever, filled: BaseView, user: User, stranger: User
) -> None:
    for person, wanted in ((stranger, [filled.id]), (user, [filled.id, "0" * 26]), (user, ["' OR 1=1 --"])):
        with pytest.raises(errors.NotFound):
            retriever.search(person.id, "lease", wanted)


@pytest.mark.slow
def test_a_base_without_documents_finds_nothing_and_says_so(retriever: Retriever, user: User, base: BaseView) -> None:
    found = retriever.search(user.id, "When does a lease lapse?", [base.id])

    assert not found.passages
    assert confidence.before(found) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "is_answered"),
    [
        ("When does the lease of a slot lapse?", True),
        ("How long does sourdough rise?", True),
        ("Who may remove documents from a base?", True),
        ("What is the capital of Mongolia?", False),
        ("kubernetes ingress controller annotations", False),
        ("How do I renew my passport abroad?", False),
    ],
)
@pytest.mark.usefixtures("filled")
def test_an_answer_is_told_from_none(retriever: Retriever, user: User, question: str, is_answered: bool) -> None:
    found = retriever.search(user.id, question, None)

    assert (confidence.before(found) >= confidence.THRESHOLD) == is_answered


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_signs_keep_results_to_what_they_ask_for(retriever: Retriever, user: User) -> None:
    def texts(typed: str) -> list[str]:
        return [passage.text for passage in retriever.search(user.id, typed, None).passages]

    assert all("stone" in text for text in texts("how to bake +stone"))
    assert texts("how to bake +stone")
    assert not texts("how to bake bread +elephant")
    assert texts('"hot stone"')
    assert not texts('"stone hot"')
    assert set(names(retriever.search(user.id, "lease base bread -sourdough", None))) == {"leases.md", "rights.md"}
    assert set(names(retriever.search(user.id, "lease base bread file:RIGHTS", None))) == {"rights.md"}
    assert not texts("lease file:nothing.pdf")


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_dates_keep_to_documents_that_came_in_then(retriever: Retriever, user: User) -> None:
    today = utc_now()

    assert names(retriever.search(user.id, f"lease dt>={today:%Y-%m-%d}", None))
    assert not names(retriever.search(user.id, f"lease dt>{today + timedelta(days=1):%Y-%m-%d}", None))
    assert not names(retriever.search(user.id, "lease dt<2001", None))


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_a_follow_up_is_understood_by_the_question_before_it(retriever: Retriever, user: User) -> None:
    alone = retriever.search(user.id, "And how long?", None)
    following = retriever.search(user.id, "And how long?", None, context="How does sourdough rise?")

    assert confidence.before(alone) < confidence.before(following)
    assert names(following)[0] == "baking.md"


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_without_vectors_words_are_searched_alone_and_that_is_said(
    database: Database, embedder: Embedder, user: User
) -> None:
    class Away:
        """An embedder whose provider does not answer."""

        model = embedder.model
        words = embedder.words

        def query(self, text: str) -> Vector:
            raise errors.ModelUnreachable("away")

    found = Retriever(database, Away()).search(user.id, "When does a lease lapse?", None)

    assert names(found)[0] == "leases.md"
    assert found.passages[0].vector_rank is None
    assert any("words alone" in note for note in found.notes)
    assert confidence.before(found) >= confidence.THRESHOLD


HOSTILE: Any = [
    '"',
    '""""',
    '" OR "',
    "'; DROP TABLE chunks; --",
    "lease OR 1=1",
    "NEAR(lease slot, 2)",
    "title:lease",
    "{title words}: lease",
    "lease*",
    "^lease",
    "lease AND NOT slot NOT",
    "-lease",
    "+ - + -",
    '-"never closed',
    "(((((",
    "lease)",
    "& | ! <-> :*",
    "'lease':*A & 'x'",
    "\\",
    "%_",
    "\x00lease\x00",
    "\ud800 lone",
    "🦆🦆🦆",
    "语言 模型",
    "؟ ما هو",
    "a" * 100_000,
    '"' * 100_000,
    "+lease " * 15_000,
    "lease slot " * 10_000,
    "",
    "   \n\t ",
    "file:",
    'file:"',
    "dt>=",
    "dt>=9999-99-99",
]


@pytest.mark.slow
@pytest.mark.parametrize("typed", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.usefixtures("filled")
def test_no_text_is_understood_as_the_indexes_own_syntax(retriever: Retriever, user: User, typed: str) -> None:
    found = retriever.search(user.id, typed, None)

    assert 0 <= found.relevance <= 1
    assert len(found.passages) <= 8


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_hostile_words_find_as_their_letters_do(retriever: Retriever, user: User) -> None:
    plain = names(retriever.search(user.id, "lease", None))

    for typed in ("lease*", "^lease", "(lease", "lease)", '"lease', "lease\x00"):
        assert names(retriever.search(user.id, typed, None))[0] == plain[0] == "leases.md"


@pytest.mark.slow
def test_a_document_that_goes_meanwhile_leaves_no_passage(
    database: Database, embedder: Embedder, user: User, filled: BaseView
) -> None:
    (leases,) = [one for one in database.run(documents.listing, user.id, filled.id) if one.name == "leases.md"]

    def removing(*args: Any) -> fusion.Weighed:
        """Weighs, after the document has been removed."""
        database.run(documents.remove, user.id, leases.id)
        return fusion.weighed(*args)

    found = Retriever(database, embedder, weigh=removing).search(user.id, "When does a lease lapse?", None)

    assert found.passages, "needs others"
    assert "leases.md" not in names(found)


ZEPPELINS = """# Airships

A zeppelin is moored to a mast by its nose, and swings around it with the wind.
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "typed",
    [
        "zeppelin",
        "漢字 zeppelin",
        "¼ ½ zeppelin",
        "zeppelin forever",
        "How is a zeppelin moored to a mast for Christmas?",
    ],
)
@pytest.mark.usefixtures("filled")
def test_one_odd_word_does_not_hide_what_the_others_find(
    retriever: Retriever, database: Database, embedder: Embedder, user: User, filled: BaseView, typed: str
) -> None:
    add(database, embedder, user, filled, "airships.md", ZEPPELINS)

    found = retriever.search(user.id, typed, None)

    assert names(found)[0] == "airships.md"
    assert confidence.before(found) >= confidence.THRESHOLD


@pytest.mark.slow
@pytest.mark.parametrize(
    "typed", ["Grünkorn kochen", "Gruenkorn kochen", "+grünkorn", "+Gruenkorn", '"gruenkorn kochen"']
)
@pytest.mark.parametrize("written", ["Grünkorn", "Gruenkorn"])
def test_an_umlaut_is_found_in_either_spelling(
    retriever: Retriever, database: Database, embedder: Embedder, user: User, filled: BaseView, typed: str, written: str
) -> None:
    add(database, embedder, user, filled, "korn.md", f"# Kochen\n\n{written} kochen dauert eine halbe Stunde.\n")

    found = retriever.search(user.id, typed, None)

    assert names(found)[0] == "korn.md"
    assert found.passages[0].words_rank == 1


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_a_passage_is_headed_by_where_it_begins_and_knows_what_was_found(retriever: Retriever, user: User) -> None:
    best = retriever.search(user.id, "Are idle streams and extra viewers counted?", None).passages[0]

    assert best.text.startswith("A slot is a lease"), "needs a neighbour before what was found"
    assert best.heading == "Slots"
    assert best.hit
    start, end = best.hit
    assert best.text[start - best.start : end - best.start].startswith("Only pending")
