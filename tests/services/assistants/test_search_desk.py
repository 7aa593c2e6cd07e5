"""From a search's question to the facts of its turn, and what is kept of one that was cut off."""

from typing import Any

import pytest

from services.assistants.base import Turn
from services.assistants.search.input import SearchInput
from services.assistants.search.resolving import Desk, context_of, history_of, leans, path_of
from services.errors import InvalidInput, NotFound
from services.store import bases, conversations
from services.store.database import Database
from services.streaming.answers import Settled
from services.streaming.events import RunId, StreamId, UserId
from tests.factories import make_base, make_conversation, make_user
from tests.services.assistants.searching import HANDBOOK, said
from tests.services.assistants.test_search import first_part

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
def database(tmp_path: Any) -> Any:
    made = Database(f"sqlite:///{tmp_path / 'desk.sqlite3'}")
    made.migrate()
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.req("Q10")
def test_facts_are_the_question_where_to_look_and_what_was_said(database: Database) -> None:
    user = database.run(make_user)
    base = database.run(make_base, user.id)
    path = said("How long are backups kept?", "For 30 days [1].")

    facts = Desk(database).facts(user.id, SearchInput("And on Sundays?", (base.id,)), path)

    assert facts == {
        "query": "And on Sundays?",
        "base_ids": [base.id],
        "context": "How long are backups kept?",
        "history": [
            {"role": "user", "content": "How long are backups kept?"},
            {"role": "assistant", "content": "For 30 days."},
        ],
        "is_new": False,
    }


@pytest.mark.slow
@pytest.mark.req("Q10")
def test_every_base_that_is_not_theirs_is_named(database: Database) -> None:
    user, other = database.run(make_user), database.run(make_user)
    own, foreign = database.run(make_base, user.id), database.run(make_base, other.id)
    shared = database.run(make_base, other.id, is_shared=True)
    desk = Desk(database)

    with pytest.raises(NotFound) as refused:
        desk.facts(user.id, SearchInput("Why?", (own.id, foreign.id, shared.id, UNKNOWN)), [])

    assert [error["field"] for error in refused.value.extra["errors"]] == ["kb_ids[1]", "kb_ids[3]"]
    assert desk.facts(user.id, SearchInput("Why?", (own.id, shared.id)), [])["base_ids"] == [own.id, shared.id]


@pytest.mark.slow
def test_names_are_told_of_bases_that_may_be_read_only(database: Database) -> None:
    user, other = database.run(make_user), database.run(make_user)
    own, foreign = database.run(make_base, user.id, name="Mine"), database.run(make_base, other.id, name="Theirs")

    assert Desk(database).base_names(user.id, {own.id, foreign.id}) == {own.id: "Mine"}
    assert Desk(database).base_names(user.id, set()) == {}


@pytest.mark.slow
def test_a_question_in_other_words_looks_where_the_first_one_did_as_far_as_that_is_left(database: Database) -> None:
    user = database.run(make_user)
    kept, gone = database.run(make_base, user.id), database.run(make_base, user.id)
    turn = {"question": "Why?", "facts": {"base_ids": [kept.id, gone.id]}}
    database.run(bases.delete, user.id, gone.id)
    desk = Desk(database)

    facts = desk.resolve(user.id, [], turn, "  Why not? ")

    assert (facts["query"], facts["base_ids"], facts["is_new"]) == ("Why not?", [kept.id], False)
    with pytest.raises(InvalidInput):
        desk.resolve(user.id, [], turn, "  ")
    # Of nothing that is left nothing is made: not a search of everything.
    database.run(bases.delete, user.id, kept.id)
    with pytest.raises(NotFound):
        desk.resolve(user.id, [], turn, "Why not?")


@pytest.mark.slow
def test_only_searches_are_gone_on_with(database: Database) -> None:
    user, other = database.run(make_user), database.run(make_user)
    study = database.run(make_conversation, user.id, assistant="study")
    search = database.run(make_conversation, user.id, assistant="search")

    assert [row.role for row in database.run(path_of, user.id, search.id)] == ["user", "assistant"]
    for user_id, conversation_id in ((user.id, study.id), (other.id, search.id), (user.id, UNKNOWN)):
        with pytest.raises(NotFound):
            database.run(path_of, user_id, conversation_id)


# -- follow-ups


@pytest.mark.parametrize(
    "question",
    [
        "Why?", "And on Windows?", "How long does it take?", "What about the mail server?", "For PostgreSQL?", "More?",
        "Is that documented?", "When were they introduced?", "Examples?", "So how do I restore one?",
    ],
)  # fmt: skip
def test_a_question_that_leans_on_the_one_before(question: str) -> None:
    assert leans(question)
    assert context_of(question, said("How are backups made?", "So [1].")) == "How are backups made?"


@pytest.mark.parametrize(
    "question",
    [
        "What is photosynthesis?", "How long are backups kept?", "Who is Ada Lovelace?",
        "Which port does the database server listen on when it starts for the first time?",
        "Explain the difference between a process, a thread and a greenlet, and whether this matters here",
    ],
)  # fmt: skip
def test_a_question_that_stands_alone(question: str) -> None:
    assert not leans(question)
    assert context_of(question, said("How are backups made?", "So [1].")) == ""


def test_a_follow_up_to_a_follow_up_leads_back_to_where_it_began() -> None:
    path = said("How are backups made?", "So [1].", "And restored?", "Thus [1].", "How long does it take?", "An hour.")

    assert context_of("Why?", path) == "How are backups made? And restored? How long does it take?"
    assert context_of("Why?", []) == ""
    assert len(context_of("Why?", said("word " * 500))) <= 400


def test_the_last_three_turns_are_told_with_answers_of_several_parts_as_one() -> None:
    path = [*said("q0", "a0", "q1", "a1 [1].", "q2", "a2", "q3", "cut of"), said("", "f here [2].")[1]]

    told = history_of(path)

    assert [entry["content"] for entry in told] == ["q1", "a1.", "q2", "a2", "q3", "cut off here."]
    assert [entry["role"] for entry in told] == ["user", "assistant"] * 3


def test_what_was_said_is_told_in_short() -> None:
    assert history_of(said("q", "word " * 1000))[1]["content"].endswith("…")
    assert history_of(said("q", "")) == [{"role": "user", "content": "q"}]
    assert history_of([]) == []


# -- going on, and ending early


def settled(extras: dict[str, Any]) -> Settled:
    who = (UserId(7), StreamId("s"), RunId("r"), "m1")
    return Settled(*who, "Text [1].", "stopped", "cancelled", "m", False, {"total_tokens": 0}, extras, None, 9)


def extras_of(events: Any) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for event in events:
        told.setdefault(event.name, []).append(event.data)
    return told


@pytest.mark.slow
def test_an_answer_that_was_cut_off_is_kept_with_its_citations(database: Database) -> None:
    desk, turn = Desk(database), Turn("search", 7, "c1", "m1", "Why?")
    whole = extras_of(first_part())
    cut = {name: told for name, told in whole.items() if name != "citation"}

    kept = database.run(desk.ends, settled(cut), turn)

    assert kept is not None
    assert [one["passage"] for one in kept["citation"]] == [one["passage"] for one in whole["citation"]]
    assert [one["number"] for one in kept["citation"]] == [one["number"] for one in whole["citation"]]
    assert [one["document_name"] for one in kept["citation"]] == ["memo.md", HANDBOOK[0].document_name]
    assert database.run(desk.ends, settled(whole), turn) is None
    assert database.run(desk.ends, settled({}), turn) is None


@pytest.mark.slow
def test_what_was_told_before_is_read_from_the_answer_that_goes_on(database: Database) -> None:
    user = database.run(make_user)
    conversation = database.run(make_conversation, user.id, assistant="search")
    first = database.run(conversations.messages, user.id, conversation.id)[-1]
    extras = {"message": [{"kind": "passages", "passages": []}]}
    database.run(conversations.put_extras, first.id, extras)
    going_on = database.run(
        conversations.begin,
        user_id=user.id,
        assistant="search",
        client_name=None,
        conversation_id=conversation.id,
        title="",
        question=None,
        turn={"question": "Why?", "facts": {}, "partial": "So"},
        stream_id="s2",
        run_id="r2",
        message_id="m2",
        continues_id=first.id,
        parent_id=first.id,
    )
    desk = Desk(database)

    assert going_on.id == conversation.id
    assert desk.told_before(Turn("search", user.id, conversation.id, "m2", "Why?", {}, "So")) == extras
    assert desk.told_before(Turn("search", user.id, conversation.id, "m2", "Why?", {}, "")) == {}
    assert desk.told_before(Turn("search", user.id, conversation.id, first.id, "Why?", {}, "So")) == {}
