"""Finding chunks by words and by vectors, within what a person may read."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from scripts.plans import explained, reads_whole
from services.store import bases, chunks, documents, fulltext, matching, users
from services.store.base import utc_now
from services.store.chunks import Embedded, load
from services.store.database import Database
from services.store.matching import Filters, Match
from tests.factories import make_base, make_indexed

EVERYTHING = Filters()


def vector(*differing: int) -> Embedded:
    """One that differs from `vector()` in these signs."""
    return Embedded(sum(1 << place for place in differing).to_bytes(32, "big"), b"\x01" * 256)


def words(
    database: Database,
    user: users.User,
    *looked_for: str,
    base_ids: Sequence[str] | None = None,
    filters: Filters = EVERYTHING,
    limit: int = 10,
    **conditions: Sequence[str],
) -> list[str]:
    """The texts that are found by words, the best first."""
    match = Match(any=looked_for, **conditions)
    found = database.run(matching.by_words, user.id, base_ids, match, filters, limit)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    return texts(database, user, [number for number, _ in found])


def vectors(database: Database, user: users.User, bits: bytes = bytes(32), **options: Any) -> list[tuple[str, int]]:
    """The texts whose vectors are nearest, with the distance."""
    values = {"base_ids": None, "model": "test", "filters": EVERYTHING, "limit": 10, **options}
    found = database.run(matching.by_vector, user.id, bits=bits, **values)
    return list(zip(texts(database, user, [number for number, _ in found]), (far for _, far in found), strict=True))


def texts(database: Database, user: users.User, ids: Sequence[int]) -> list[str]:
    passages = database.run(load, user.id, ids)
    assert [passage.id for passage in passages] == list(ids)
    return [passage.text for passage in passages]


@pytest.mark.slow
@pytest.mark.req("Q10")
def test_words_find_only_what_the_person_may_read(database: Database, user: users.User, stranger: users.User) -> None:
    for person in (user, stranger):
        for is_shared in (False, True):
            base = database.run(make_base, person.id, is_shared=is_shared)
            text = f"needle of {person.id}, {'shared' if is_shared else 'private'}"
            database.run(make_indexed, person.id, base.id, texts=[text], vectors=[vector(person.id)])

    own = {f"needle of {user.id}, private", f"needle of {user.id}, shared", f"needle of {stranger.id}, shared"}
    assert set(words(database, user, "needle")) == own
    assert {found for found, _ in vectors(database, user)} == own

    private = next(base.id for base in database.run(bases.listing, stranger.id) if not base.is_shared)
    assert words(database, user, "needle", base_ids=[private]) == []
    assert vectors(database, user, base_ids=[private]) == []
    every_id = [
        number for number, _ in database.run(matching.by_words, stranger.id, None, Match(["needle"]), EVERYTHING, 9)
    ]
    assert {passage.text for passage in database.run(load, user.id, every_id)} <= own

    database.run(bases.set_member, stranger.id, private, user.email, "reader")
    assert words(database, user, "needle", base_ids=[private]) == [f"needle of {stranger.id}, private"]
    database.run(bases.remove_member, stranger.id, private, user.email)
    assert words(database, user, "needle", base_ids=[private]) == []


@pytest.mark.slow
@pytest.mark.req("Q10")
@pytest.mark.parametrize("gone", ["base is unshared", "member leaves"])
def test_what_one_may_read_is_asked_each_time(
    database: Database, user: users.User, stranger: users.User, gone: str
) -> None:
    base = database.run(make_base, stranger.id, is_shared=gone == "base is unshared")
    database.run(make_indexed, stranger.id, base.id, texts=["needle"], vectors=[vector()])
    if gone == "member leaves":
        database.run(bases.set_member, stranger.id, base.id, user.email, "reader")
    assert words(database, user, "needle") == ["needle"]
    ids = [number for number, _ in database.run(matching.by_words, user.id, None, Match(["needle"]), EVERYTHING, 9)]

    if gone == "member leaves":
        database.run(bases.remove_member, stranger.id, base.id, user.email)
    else:
        database.run(bases.change, stranger.id, base.id, is_shared=False)

    assert words(database, user, "needle") == []
    assert vectors(database, user) == []
    assert database.run(load, user.id, ids) == []
    assert words(database, stranger, "needle") == ["needle"]


def test_rarer_words_count_for_more_and_headings_too(database: Database, user: users.User) -> None:
    database.run(
        make_indexed,
        user.id,
        texts=[
            "the wheel of the cart turns",
            "the cart of the farmer, the cart of the miller",
            "a cart and a zeppelin in one text",
            "nothing of that kind here",
            *(f"the miller again, {n}" for n in range(20)),
        ],
        headings=["", "", "", "Zeppelin", *[""] * 20],
    )

    found = words(database, user, "cart", "zeppelin")

    assert set(found[:2]) == {"a cart and a zeppelin in one text", "nothing of that kind here"}, "the rarer word"
    assert words(database, user, "zeppelin")[0] == "nothing of that kind here", "a heading counts for more"
    assert set(found[2:]) == {"the wheel of the cart turns", "the cart of the farmer, the cart of the miller"}


@pytest.mark.parametrize(
    ("looked_for", "conditions", "expected"),
    [
        (["timeouts"], {}, {"connection timeout", "connected, no timeout"}),
        (["CONNECTION"], {}, {"connection timeout", "connected, no timeout"}),
        (["café"], {}, {"Cafe au lait"}),
        (["pg_dump"], {}, {"run pg_dump -Fc"}),
        (["dump"], {}, {"run pg_dump -Fc"}),
        (["connection"], {"must": ["timeout"]}, {"connection timeout", "connected, no timeout"}),
        ([], {"must": ["time", "out"]}, {"time out"}),
        ([], {"must": ["connection timeout"]}, {"connection timeout"}),
        (["timeout"], {"must_not": ["no timeout"]}, {"connection timeout"}),
        (["timeout"], {"must_not": ["connection"]}, set()),
        (["学校"], {}, {"今日は学校に行きます"}),
        (["学"], {}, {"今日は学校に行きます"}),
        (["明日学校"], {}, {"今日は学校に行きます"}),
        ([], {"must": ["明日学校"]}, set()),
        ([], {"must": ["学校に行"]}, {"今日は学校に行きます"}),
        (["unheard"], {}, set()),
        (["unheard", "lait"], {}, {"Cafe au lait"}),
        ([], {}, set()),
        (["!?"], {"must": ["..."]}, set()),
    ],
)
def test_words_phrases_and_signs_are_kept_to(
    database: Database, user: users.User, looked_for: list[str], conditions: Any, expected: set[str]
) -> None:
    database.run(
        make_indexed,
        user.id,
        texts=[
            "connection timeout",
            "connected, no timeout",
            "time out",
            "Cafe au lait",
            "run pg_dump -Fc",
            "今日は学校に行きます",
        ],
    )

    assert set(words(database, user, *looked_for, **conditions)) == expected


@pytest.mark.parametrize(
    "word",
    ['"', "'", "\\", "a OR b", "NOT x", "NEAR(a b)", "x*", "words:x", "^x", "(x", "x & !y | z", "x:*", "<->", "\x00x",
     "\x00", "%" * 60_000, "\ud800", "🙂", "x" * 10_000, "x " * 5_000, "-x", "+x", "{a}", ";--", "':*", "İstanbul", "ǅ",
     "the", "1e5", "http://x.y/z?q", "ا ب", "ภาษาไทย", "ก"],
)  # fmt: skip
def test_no_word_breaks_the_search(database: Database, user: users.User, word: str) -> None:
    database.run(make_indexed, user.id, texts=["x"])

    assert len(words(database, user, word, must=[word], must_not=["y"])) <= 1
    assert len(words(database, user, *[f"{word}{n}" for n in range(200)], "x")) <= 1
    assert words(database, user, "x", filters=Filters(files=[word])) in ([], ["x"])


@pytest.mark.slow
def test_filters_keep_to_documents(database: Database, user: users.User) -> None:
    base = database.run(make_base, user.id)
    made = {
        name: database.run(make_indexed, user.id, base.id, name=name, texts=[f"needle {n}"], vectors=[vector(n)])
        for n, name in enumerate(["Handbuch Straße.pdf", "100% plan.txt", "minutes_1.txt"])
    }
    other = database.run(make_indexed, user.id, name="other.txt", texts=["needle 9"], vectors=[vector(9)])
    second = made["100% plan.txt"]

    def both(filters: Filters, base_ids: Sequence[str] | None = None) -> str:
        by_words = set(words(database, user, "needle", filters=filters, base_ids=base_ids))
        assert by_words == {found for found, _ in vectors(database, user, filters=filters, base_ids=base_ids)}
        return " ".join(sorted(found.removeprefix("needle ") for found in by_words))

    assert both(EVERYTHING) == "0 1 2 9"
    assert both(EVERYTHING, [base.id]) == "0 1 2"
    assert both(EVERYTHING, []) == ""
    assert both(EVERYTHING, ["unknown"]) == ""
    assert both(Filters(document_ids=[second.id, "unknown"])) == "1"
    assert both(Filters(document_ids=[other.id]), [base.id]) == ""
    assert both(Filters(files=["STRASSE"])) == "0"
    assert both(Filters(files=["%", "_1"])) == "1 2"
    assert both(Filters(files=[".txt"]), [base.id]) == "1 2"
    assert both(Filters(after=second.created_at), [base.id]) == "1 2"
    assert both(Filters(before=second.created_at), [base.id]) == "0"
    assert both(Filters(before=utc_now() + timedelta(days=1))) == "0 1 2 9"


def test_the_nearest_vectors_come_first_of_one_model_only(database: Database, user: users.User) -> None:
    database.run(
        make_indexed,
        user.id,
        texts=["far", "near", "same", "none yet"],
        vectors=[vector(*range(200)), vector(0, 255), vector(), None],
    )
    database.run(make_indexed, user.id, texts=["another model's"], vectors=[vector()], model="other")

    assert vectors(database, user) == [("same", 0), ("near", 2), ("far", 200)]
    assert vectors(database, user, limit=1) == [("same", 0)]
    assert vectors(database, user, vector(0, 255).bits)[0] == ("near", 0)
    assert vectors(database, user, model="other") == [("another model's", 0)]
    assert vectors(database, user, model="") == []
    assert words(database, user, "none") == ["none yet"], "words find it until it has a vector"


def test_words_that_are_everywhere_are_still_found(
    database: Database, user: users.User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (fulltext, matching):
        monkeypatch.setattr(module, "MAX_ENTRIES", 4)
    database.run(
        make_indexed, user.id, texts=[f"server {n} listens" for n in range(6)] + ["server alone"] * 2 + ["rare server"]
    )

    assert set(words(database, user, "server", "rare")) == {"rare server"}, "the rare word leads"
    assert len(words(database, user, "server")) == 4, "some of those that have it"
    both = words(database, user, "server", "listens")
    assert {found.split()[-1] for found in both[:4]} == {"listens"}
    assert len(words(database, user, must=["server"])) == 4
    assert len(words(database, user, "listens", "rare", must=["server"], limit=3)) == 3


@pytest.mark.slow
def test_finding_reads_no_table_whole(database: Database, user: users.User) -> None:
    base = database.run(make_base, user.id)
    database.run(make_indexed, user.id, base.id, texts=["needle"], vectors=[vector()])
    plans: list[str] = []
    filters = Filters(document_ids=["x"], files=["y"], after=utc_now(), before=utc_now())

    with explained(database, lambda statement, step: plans.append(f"{step} | {statement}")):
        for base_ids in (None, [base.id]):
            for narrowed in (EVERYTHING, filters):
                match = Match(["needle", "other"], ["needle"], ["third"])
                database.run(matching.by_words, user.id, base_ids, match, narrowed, 10)
                database.run(matching.by_vector, user.id, base_ids, "test", bytes(32), narrowed, 10)
        database.run(load, user.id, [1, 2])
        database.run(chunks.at, user.id, [("x", 1), ("y", 2)])
        database.run(chunks.stale, "new", 10)
        database.run(bases.listing, user.id)
        database.run(bases.get, user.id, base.id)
        database.run(documents.listing, user.id, base.id)

    assert plans
    # A partial index is read from end to end: it holds what is wanted and nothing else.
    whole = [step for step in plans if reads_whole(step.split(" | ")[0]) and "SCAN 2-ROW VALUES" not in step]
    assert whole == []
    if database.engine.dialect.name == "sqlite":
        joins = [step for step in plans if "SEARCH chunk_vectors USING COVERING INDEX" in step]
        assert joins
        assert all("(chunk_id=?)" in step for step in joins), "one look for each chunk, not one for each base"
        assert not [step for step in plans if "SCAN chunk_words" in step and ":M" not in step]
