"""Search over titles and messages, with its index."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from scripts.plans import explained, reads_whole
from services import errors
from services.store import conversations, search, users
from services.store.database import Database
from tests.factories import make_answer, make_conversation, make_user, settle

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def say(database: Database, user: users.User, title: str, *said: str, **changes: Any) -> str:
    """A conversation with these questions and answers by turns; its id."""
    conversation_id = None
    for question, answer in zip(said[::2], [*said[1::2], ""], strict=False):
        row = database.run(
            make_answer, user.id, title=title, question=question, conversation_id=conversation_id, **changes
        )
        conversation_id = row.conversation_id
        if answer:
            database.run(settle, row.id, answer, now=changes.get("now"))
    assert conversation_id is not None, "needs a question"
    return conversation_id


def found(database: Database, user: users.User, q: str, **options: Any) -> list[str]:
    return [one.conversation.title for one in database.run(search.find, user.id, q, **options)]


def entries(database: Database) -> int:
    return database.run(lambda s: s.execute(text("SELECT count(*) FROM search_entries")).scalar_one())


@pytest.mark.req("D1-9")
@pytest.mark.parametrize(
    ("q", "titles"),
    [
        ("graph", {"Graphs", "Trees"}),
        ("GRÁPH", {"Graphs", "Trees"}),
        ("raph", set()),
        ("walk", {"Trees"}),
        ("walk trees", {"Trees"}),
        ("trees cycles graph", {"Trees"}),
        ("walk cafe", set()),
        ("cafe", {"Straße"}),
        ("strasse", {"Straße"}),
        ("学校", {"学習"}),
        ("習", {"学習"}),
        ("学", {"学習"}),
        ("a", {"Graphs", "Trees"}),
        ("1", {"Graphs"}),
        ("one_two", {"Graphs"}),
    ],
)
def test_every_word_must_stand_somewhere_as_the_beginning_of_one(
    database: Database, user: users.User, stranger: users.User, q: str, titles: set[str]
) -> None:
    say(database, user, "Graphs", "What is 1 node? one_two", "A point.")
    say(database, user, "Trees", "How do I walk them?", "As a graph.", "And now?", "Without cycles.")
    say(database, user, "Straße", "Where is the Café?")
    say(database, user, "学習", "今日は学校に行きます")
    say(database, stranger, "Graphs of another", "graph walk cafe 学校 a 1 one two")

    assert set(found(database, user, q)) == titles


@pytest.mark.slow
def test_no_person_finds_anothers_words(database: Database) -> None:
    people = [database.run(make_user) for _ in range(12)]
    for person in people:
        say(database, person, f"Of {person.id}", "needle")

    for person in people:
        assert found(database, person, "needle") == [f"Of {person.id}"]
        for other in people:
            assert found(database, person, f"{other.id}:needle") in ([], [f"Of {person.id}"])


@pytest.mark.slow
def test_titles_come_first_then_messages_then_words_apart_the_latest_first(
    database: Database, user: users.User
) -> None:
    say(database, user, "apart", "red", "blue", now=NOON + timedelta(hours=9))
    say(database, user, "old message", "red and blue", now=NOON)
    say(database, user, "red blue, old", "?", now=NOON)
    say(database, user, "new message", "blue and red", now=NOON + timedelta(hours=1))
    say(database, user, "red blue, new", "?", now=NOON + timedelta(hours=1))
    say(database, user, "only red", "red", now=NOON + timedelta(hours=9))

    expected = ["red blue, new", "red blue, old", "new message", "old message", "apart"]
    assert found(database, user, "blue red") == expected

    for limit in (1, 2, 3, 10):
        seen: list[str] = []
        before = None
        while page := database.run(search.find, user.id, "blue red", before=before, limit=limit):
            seen += [one.conversation.title for one in page]
            before = page[-1].conversation.id
        assert seen == expected, f"{limit} at a time"


def test_a_page_goes_on_from_one_that_does_not_match_any_more(database: Database, user: users.User) -> None:
    say(database, user, "needle, older", "?", now=NOON)
    last = say(database, user, "needle, newer", "?", now=NOON + timedelta(hours=1))
    database.run(conversations.rename, user.id, last, "other")

    assert found(database, user, "needle", before=last) == []
    assert found(database, user, "needle") == ["needle, older"]


@pytest.mark.slow
def test_search_keeps_to_one_assistant(database: Database, user: users.User, stranger: users.User) -> None:
    say(database, user, "tutor's", "needle in hay")
    study = say(database, user, "study's", "needle in hay", assistant="study")
    theirs = say(database, stranger, "theirs", "needle")

    assert found(database, user, "needle", assistant="study") == ["study's"]
    assert found(database, user, "needle hay", assistant="study", before=study) == []
    assert found(database, user, "%", assistant="study") == []
    for before in (theirs, "unknown"):
        with pytest.raises(errors.NotFound):
            database.run(search.find, user.id, "needle", before=before)
        with pytest.raises(errors.NotFound):
            database.run(search.find, user.id, "%", before=before)


def test_signs_are_looked_for_in_titles(database: Database, user: users.User) -> None:
    ids = [say(database, user, title, "%") for title in ("20 % more", "20 %% less", "none")]

    assert found(database, user, " % ") == ["20 %% less", "20 % more"]
    assert found(database, user, "%%") == ["20 %% less"]
    assert found(database, user, "%", before=ids[1]) == ["20 % more"]


@pytest.mark.parametrize(
    "q",
    [
        '"', "'", "\\",
        "a OR b", "NOT x", "NEAR(a b)", "x*", "words:x", "^x", "(x", "x & !y | z", "x:*", "<->", "\x00x",
        "\x00", "%" * 60_000,
        "\ud800", "%", "🙂", "x" * 10_000, "x " * 5_000, "-x", "+x", "{a}", ";--", "':*", "İstanbul", "ǅ",
    ],
)  # fmt: skip
def test_no_query_breaks_the_search(database: Database, user: users.User, q: str) -> None:
    say(database, user, "x", "y")

    assert len(database.run(search.find, user.id, q)) <= 1


def test_the_snippet_is_of_the_newest_message_that_matches_or_of_the_title(
    database: Database, user: users.User
) -> None:
    say(database, user, "A needle", "hay", "hay")
    say(database, user, "Hay", "old needle", "new needle", "hay")

    snippets = {one.conversation.title: one.snippet for one in database.run(search.find, user.id, "needle")}

    assert snippets == {"A needle": "A \x02needle\x03", "Hay": "new \x02needle\x03"}


def test_a_new_title_is_found_and_the_old_one_is_not(database: Database, user: users.User) -> None:
    its = say(database, user, "before", "hay")

    database.run(conversations.rename, user.id, its, "afterwards")
    database.run(conversations.rename, user.id, its, "afterwards")

    assert found(database, user, "before") == []
    assert found(database, user, "afterwards hay") == ["afterwards"]
    assert entries(database) == 2


@pytest.mark.req("D1-9")
def test_what_is_deleted_is_not_found_and_leaves_nothing(database: Database, user: users.User) -> None:
    kept = say(database, user, "kept", "needle", "hay")
    gone = say(database, user, "gone", "needle", "hay")
    other = database.run(make_user)
    say(database, other, "theirs", "needle")

    database.run(conversations.delete, user.id, gone)
    database.run(users.delete, other.id)

    assert found(database, user, "needle") == ["kept"]
    assert entries(database) == 3
    if database.engine.dialect.name == "sqlite":
        check = text("INSERT INTO search_index (search_index, rank) VALUES ('integrity-check', 1)")
        database.run(lambda s: s.execute(check))
        rows = database.run(lambda s: s.execute(text("SELECT count(*) FROM search_index")).scalar_one())
        assert rows == 3
    database.run(conversations.delete, user.id, kept)
    assert entries(database) == 0


def test_an_answer_that_runs_is_found_once_it_has_ended(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id, title="t")
    assert found(database, user, "needle") == []

    database.run(settle, answer.id, "needle")
    database.run(settle, answer.id, "another")

    assert found(database, user, "needle") == ["t"]
    assert found(database, user, "another") == []


@pytest.mark.slow
@pytest.mark.parametrize("content", ["wörter " * 200_000, "".join(map(chr, range(0x4E00, 0x9000))) * 8, "🙂" * 100_000])
def test_a_message_of_any_length_is_stored_and_found(database: Database, user: users.User, content: str) -> None:
    answer = database.run(make_answer, user.id, title="long")

    database.run(settle, answer.id, f"needle {content}")

    assert found(database, user, "needle") == ["long"]


@pytest.mark.parametrize("q", ["needle", "needle hay", "%"])
@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize("assistant", [None, "tutor"])
def test_no_search_reads_a_whole_table(
    database: Database, user: users.User, q: str, goes_on: bool, assistant: str | None
) -> None:
    its = say(database, user, "needle", "hay", "%")
    steps: list[str] = []

    with explained(database, lambda _, step: steps.append(step)):
        database.run(search.find, user.id, q, before=its if goes_on else None, assistant=assistant)

    assert steps, "needs a query that was explained"
    assert [step for step in steps if reads_whole(step)] == []


def test_the_conversations_of_a_listing_are_those_found(database: Database, user: users.User) -> None:
    made = database.run(make_conversation, user.id, title="needle")

    assert [one.id for one in database.run(conversations.listing, user.id, q="needle")] == [made.id]
