"""What assistants do at a turn's start and at its end, and how a stored question is asked once more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask

from services import errors
from services.assistants import problem_bank, tutor
from services.assistants.base import Hooks, Turn
from services.assistants.turns import Again, Ask, Asked, Turns
from services.store import conversations, progress
from services.store.conversations import Message
from services.store.database import Session
from services.streaming.answers import Settled
from services.streaming.events import RunId, StreamId, UserId
from tests.factories import make_answer, make_user


@dataclass
class Desk:
    """Notes what it is told, in the database too, and refuses when it is told to."""

    refuses: bool = False
    started: list[Turn] = field(default_factory=list)
    ended: list[tuple[Settled, Turn]] = field(default_factory=list)
    resolved: list[tuple[list[str], Mapping[str, Any], str]] = field(default_factory=list)
    more: Mapping[str, Any] | None = None

    def starts(self, session: Session, turn: Turn) -> None:
        progress.note_hint(session, turn.user_id, f"began-{turn.message_id}", 1)
        if self.refuses:
            raise errors.Forbidden("No.")
        self.started.append(turn)

    def ends(self, session: Session, settled: Settled, turn: Turn) -> Mapping[str, Any] | None:
        progress.note_hint(session, turn.user_id, f"ended-{turn.message_id}", 1)
        self.ended.append((settled, turn))
        return self.more

    def resolve(self, _: int, before: Any, turn: Mapping[str, Any], question: str) -> dict[str, Any]:
        self.resolved.append(([row.content for row in before], turn, question))
        return {**turn["facts"], "anew": True}


class Site:
    """A site whose tutor has hooks; what it asks runs, and is settled by the test."""

    def __init__(self, flask: Flask) -> None:
        services = flask.extensions["rill"]
        self.desk = Desk()
        self.database = services.database
        self.runs = services.runs
        self.user = self.database.run(make_user)
        hooks = {"tutor": Hooks(resolve=self.desk.resolve, starts=self.desk.starts, ends=self.desk.ends)}
        self.turns = Turns(
            services.settings, self.database, self.runs, services.assistants, engine="built-in", hooks=hooks
        )

    def ask(self, question: str = "How?", **changes: Any) -> Asked:
        facts = facts_of()
        values = {"user_id": self.user.id, "assistant": "tutor", "facts": facts, "deadline_s": 10.0, **changes}
        return self.turns.ask(Ask(question=question, **values))

    def answer_of(self, stream_id: str) -> Message:
        return self.database.run(conversations.by_stream, self.user.id, stream_id)[-1]

    def noted(self, message_id: str, what: str) -> bool:
        return f"{what}-{message_id}" in self.database.run(progress.for_user, self.user.id)


def facts_of() -> dict[str, Any]:
    problem = next(iter(problem_bank.bundled().values()))
    return tutor.facts(problem, hint_level=1, messages=[], submissions=[])


def settled_of(message: Message, user_id: int, text: str = "An answer.", **changes: Any) -> Settled:
    values: dict[str, Any] = {"outcome": "completed", "finish_reason": "stop", "engine": "built-in", "fallback": False}
    values |= {"usage": {"total_tokens": 3}, "extras": {}, "error_code": None, "last": 4, **changes}
    stream_id, run_id = StreamId(str(message.stream_id)), RunId(str(message.run_id))
    return Settled(UserId(user_id), stream_id, run_id, message.id, text, **values)


@pytest.fixture
def place(make_app: Callable[..., Flask]) -> Site:
    return Site(make_app())


@pytest.mark.slow
def test_what_an_assistant_does_at_a_start_is_stored_with_the_turn(place: Site) -> None:
    asked = place.ask("How?")

    (turn,) = place.desk.started
    assert (turn.message_id, turn.conversation_id, turn.question) == (asked.message_id, asked.conversation_id, "How?")
    assert (turn.user_id, turn.assistant, turn.partial) == (place.user.id, "tutor", "")
    assert turn.facts["hint_level"] == 1
    assert place.noted(asked.message_id, "began")


@pytest.mark.slow
def test_what_an_assistant_refuses_at_a_start_has_not_happened(place: Site) -> None:
    place.desk.refuses = True

    for _ in range(4):
        with pytest.raises(errors.Forbidden):
            place.ask()

    assert place.database.run(conversations.listing, place.user.id) == []
    assert place.database.run(progress.for_user, place.user.id) == {}
    place.desk.refuses = False
    assert place.ask().message_id, "the slots are free again"


@pytest.mark.slow
def test_what_an_assistant_does_at_an_end_is_done_once_and_kept_with_the_answer(place: Site) -> None:
    answer = place.database.run(
        make_answer, place.user.id, turn={"question": "Why?", "facts": {"n": 1}, "partial": "x"}
    )
    place.desk.more = {"points_cost": 5}
    first = settled_of(answer, place.user.id, extras={"tests": [{"tests": []}]})

    place.turns.settle(first)
    place.turns.settle(settled_of(answer, place.user.id, "Another.", outcome="interrupted"))

    ((settled, turn),) = place.desk.ended
    assert settled is first
    assert (turn.question, turn.facts, turn.partial) == ("Why?", {"n": 1}, "x")
    kept = place.answer_of(str(answer.stream_id))
    assert (kept.content, kept.extras) == ("An answer.", {"tests": [{"tests": []}], "last": 4, "points_cost": 5})
    assert place.noted(answer.id, "ended")


@pytest.mark.slow
def test_an_end_that_adds_nothing_leaves_the_extras(place: Site) -> None:
    answer = place.database.run(make_answer, place.user.id)

    place.turns.settle(settled_of(answer, place.user.id))

    assert place.answer_of(str(answer.stream_id)).extras == {"last": 4}


@pytest.mark.slow
def test_the_end_of_an_answer_that_is_no_more_is_nobodys(place: Site) -> None:
    answer = place.database.run(make_answer, place.user.id)
    place.database.run(conversations.delete, place.user.id, answer.conversation_id)

    place.turns.settle(settled_of(answer, place.user.id))

    assert place.desk.ended == []


@pytest.mark.slow
def test_another_try_has_the_stored_facts_but_not_an_answer_kept_from_before(place: Site) -> None:
    facts = {**facts_of(), "cached": {"text": "kept"}}
    answer = place.database.run(make_answer, place.user.id, turn={"question": "Why?", "facts": facts, "partial": ""})
    place.turns.settle(settled_of(answer, place.user.id))

    place.turns.go_on(place.user.id, str(answer.stream_id), from_partial=False, request_id="r")

    (turn,) = place.desk.started
    assert turn.facts == facts_of()
    assert turn.question == "Why?"
    family = place.database.run(conversations.alternatives, answer.conversation_id)
    assert family[answer.id] == [answer.id, turn.message_id]


@pytest.mark.slow
def test_another_try_has_new_luck_and_what_goes_on_has_the_same(place: Site) -> None:
    turn = {"question": "Why?", "facts": {**facts_of(), "seed": 5}, "partial": ""}
    answer = place.database.run(make_answer, place.user.id, turn=turn)
    place.turns.settle(settled_of(answer, place.user.id, "A", outcome="stopped", finish_reason="cancelled"))

    for from_partial in (True, False):
        place.turns.go_on(place.user.id, str(answer.stream_id), from_partial=from_partial, request_id="r")

    going_on, again = place.desk.started
    assert going_on.facts["seed"] == 5
    assert isinstance(again.facts["seed"], int)
    assert again.facts["seed"] != 5


@pytest.mark.slow
def test_a_continued_answer_starts_with_its_partial(place: Site) -> None:
    facts = facts_of()
    answer = place.database.run(make_answer, place.user.id, turn={"question": "Why?", "facts": facts, "partial": "A"})
    place.turns.settle(settled_of(answer, place.user.id, "B", outcome="stopped", finish_reason="cancelled"))

    place.turns.go_on(place.user.id, str(answer.stream_id), from_partial=True, request_id="r")

    (turn,) = place.desk.started
    assert (turn.partial, turn.facts) == ("AB", facts)
    path = place.database.run(conversations.path, place.user.id, answer.conversation_id)
    assert [row.id for row in path[1:]] == [answer.id, turn.message_id]


@pytest.mark.slow
def test_an_edited_question_is_resolved_for_its_place(place: Site) -> None:
    first = place.database.run(make_answer, place.user.id, question="A")
    place.turns.settle(settled_of(first, place.user.id, "To A"))
    its = first.conversation_id
    facts = facts_of()
    turn = {"question": "B", "facts": facts, "partial": "left over"}
    second = place.database.run(make_answer, place.user.id, question="B", conversation_id=its, turn=turn)
    asked = place.database.run(conversations.question_of, second.id)

    place.turns.edit(place.user.id, asked.id, "B, better", Again())

    assert place.desk.resolved == [(["A", "To A"], turn, "B, better")]
    (started,) = place.desk.started
    assert (started.question, started.facts, started.partial) == ("B, better", {**facts, "anew": True}, "")
    path = place.database.run(conversations.path, place.user.id, its)
    assert [row.content for row in path[:3]] == ["A", "To A", "B, better"]
    assert path[2].parent_id == first.id


@pytest.mark.slow
def test_what_cannot_be_asked_again_says_so(place: Site) -> None:
    answer = place.database.run(make_answer, place.user.id)
    asked = place.database.run(conversations.question_of, answer.id)
    other = place.database.run(make_answer, place.user.id, assistant="study")
    of_study = place.database.run(conversations.question_of, other.id)

    for message_id in (answer.id, of_study.id):
        with pytest.raises(errors.Conflict):
            place.turns.edit(place.user.id, message_id, "Z", Again())
    for message_id, user_id in ((asked.id, place.database.run(make_user).id), ("unknown", place.user.id)):
        with pytest.raises(errors.NotFound):
            place.turns.edit(user_id, message_id, "Z", Again())
