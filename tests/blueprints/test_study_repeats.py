"""Requests that are sent twice at once, as by a double click: the second comes while the first is being stored."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest

from blueprints import repeats
from services import errors
from services.assistants.turns import Asked
from services.streaming.events import StreamId
from tests.blueprints.students import CONVERSATION, JSON, SSE, Student, text_of
from tests.model_scripts import Script
from tests.model_server import ModelServer
from tests.sse import frames

FRAGMENT = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}
PAGE = {"Accept": "text/html"}
AT_ONCE = 6


def conversations(student: Student) -> list[Any]:
    """What they have asked, as conversations."""
    found: Any = student.client.get("/api/conversations").json
    rows: list[Any] = found["conversations"]
    return rows


def at_once(send: Callable[[], Any]) -> list[Any]:
    """The responses to the same request sent several times at once."""
    sending = [gevent.spawn(send) for _ in range(AT_ONCE)]
    gevent.joinall(sending, timeout=20)
    return [greenlet.get() for greenlet in sending]


@pytest.mark.slow
@pytest.mark.req("R4")
@pytest.mark.parametrize(("wanted", "status"), [(JSON, 201), (FRAGMENT, 200), (SSE, 200)])
def test_a_question_sent_twice_at_once_with_one_key_is_asked_once(
    modelled_student: Student, wanted: Any, status: int
) -> None:
    headers = {**wanted, "Idempotency-Key": "once"}

    responses = at_once(lambda: modelled_student.client.post(CONVERSATION, json={"message": "Why?"}, headers=headers))

    assert [response.status_code for response in responses] == [status] * AT_ONCE
    assert len({response.headers["X-Stream-Id"] for response in responses}) == 1
    assert len(conversations(modelled_student)) == 1


@pytest.mark.slow
@pytest.mark.req("R4")
def test_a_question_sent_twice_at_once_by_a_form_has_its_answer_or_its_page(modelled_student: Student) -> None:
    headers = {**PAGE, "Idempotency-Key": "once"}

    responses = at_once(lambda: modelled_student.client.post(CONVERSATION, data={"message": "Why?"}, headers=headers))

    assert {response.status_code for response in responses} <= {200, 303}
    assert 200 in {response.status_code for response in responses}


@pytest.mark.slow
@pytest.mark.req("R4")
@pytest.mark.parametrize("wanted", [JSON, FRAGMENT])
def test_an_edit_sent_twice_at_once_with_one_key_happens_once(modelled_student: Student, wanted: Any) -> None:
    conversation_id = modelled_student.ask("Why?")[0]["interaction_id"]
    modelled_student.settle()
    asked = modelled_student.messages(conversation_id)[0]
    headers = {**wanted, "Idempotency-Key": "edited"}

    responses = at_once(
        lambda: modelled_student.client.post(
            f"/api/messages/{asked['id']}/edit", json={"message": "Why not?"}, headers=headers
        )
    )

    assert {response.status_code for response in responses} == {201 if wanted is JSON else 200}
    assert len({response.headers["X-Stream-Id"] for response in responses}) == 1
    assert len(modelled_student.messages(conversation_id)[0]["alternatives"]) == 2


@pytest.mark.slow
@pytest.mark.req("R4", "R23")
def test_a_form_that_is_sent_again_asks_once_and_with_other_words_another_time(modelled_student: Student) -> None:
    def send(message: str, key: str = "of-the-page") -> Any:
        data = {"message": message, "idempotency_key": key, "media": ["", ""], "csrf_token": key}
        return modelled_student.client.post(CONVERSATION, data=data, headers=JSON)

    first, again, other = send("Why?"), send("Why?"), send("Why not?")

    assert [response.status_code for response in (first, again, other)] == [201] * 3
    assert first.json == again.json
    assert other.json["stream_id"] != first.json["stream_id"]
    assert len(conversations(modelled_student)) == 2
    assert "idempotency_key" in send("Why?", "k" * 256).text


@pytest.mark.slow
@pytest.mark.req("R31")
def test_a_repeat_of_a_start_that_is_refused_at_its_last_step_is_refused_too(modelled_student: Student) -> None:
    modelled_student.client.put("/api/points/cap", json={"cap": 24})
    sent = [{"message": f"Why {number % 2}?", "fresh": True} for number in range(2 * AT_ONCE)]

    asking = [
        gevent.spawn(
            modelled_student.client.post, CONVERSATION, json=said, headers={**SSE, "Idempotency-Key": said["message"]}
        )
        for said in sent
    ]
    gevent.joinall(asking, timeout=20)

    responses = [greenlet.get() for greenlet in asking]
    assert {response.status_code for response in responses} == {200, 402}
    answered = [response for response in responses if response.status_code == 200]
    assert len({response.headers["X-Stream-Id"] for response in answered}) == 1
    for response in answered:
        events = [frame.json for frame in frames([response.data])]
        assert events[-1]["type"] == "complete"
        assert text_of(events) == events[-1]["content"]


def test_a_repeat_becomes_the_first_when_all_who_came_before_it_were_refused(modelled_student: Student) -> None:
    refused = [Asked(StreamId(f"gone{n}"), "new", record=f'{{"stream_id": "gone{n}"}}') for n in range(5)]

    def start() -> Asked:
        if refused:
            return refused.pop()
        raise errors.NoSlotFree

    with modelled_student.site.test_request_context(), pytest.raises(errors.NoSlotFree):
        repeats.once(modelled_student.user.id, "", "", start)
    assert not refused


@pytest.mark.slow
@pytest.mark.req("R4", "U9")
def test_of_several_simple_requests_at_once_one_says_that_it_started_the_answer(
    modelled_student: Student, model: ModelServer
) -> None:
    model.play(Script(stall_after=1))

    responses = at_once(lambda: modelled_student.simple(JSON, message="Why?"))

    assert sorted(response.status_code for response in responses) == [200] * (AT_ONCE - 1) + [201]
    assert len({response.json["stream_id"] for response in responses}) == 1
    modelled_student.stop_all()


@pytest.mark.slow
def test_a_question_sent_again_with_its_key_after_its_answer_was_deleted_is_not_asked_again(
    modelled_student: Student,
) -> None:
    key = {**JSON, "Idempotency-Key": "once"}
    modelled_student.post("Why?", headers=key)
    modelled_student.stop_all()
    (row,) = conversations(modelled_student)
    modelled_student.client.delete(f"/api/conversations/{row['id']}")

    again = modelled_student.post("Why?", headers=key)

    assert again.status_code == 404
    assert conversations(modelled_student) == []
