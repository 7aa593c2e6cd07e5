"""The agent's panel on the todo page as a server makes it: its session, its meter, and the ways back of its steps."""

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from services.store import quotas
from services.store.base import utc_now
from services.store.database import Session
from services.store.quotas import QuotaMonth
from services.store.threads import Conversation
from tests.blueprints.doers import ASK, Doer

PAGE = {"Accept": "text/html"}
HTMX = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}
SEVERAL = "Buy milk\nBuy bread"


@pytest.fixture
def doer(site: Flask) -> Iterator[Doer]:
    """Somebody with an account of the test's own."""
    somebody = Doer(site)
    yield somebody
    somebody.stop_all()


def told(doer: Doer, said: str = SEVERAL, **fields: Any) -> tuple[str, str]:
    """Ask, and wait for the end: the session's conversation, and the answer's message."""
    doer.ask(said, **fields)
    doer.settle()
    conversation_id = doer.client.get("/api/conversations?assistant=todos").get_json()["conversations"][0]["id"]
    messages = doer.client.get(f"/api/conversations/{conversation_id}").get_json()["messages"]
    return conversation_id, messages[-1]["id"]


def page(doer: Doer, path: str = "/todos") -> str:
    answered = doer.client.get(path, headers=PAGE)
    assert answered.status_code == 200, answered.text
    return str(answered.text)


def press(doer: Doer, verb: str, message_id: str, call_id: str = "", headers: Any = HTMX) -> Any:
    return doer.client.post(
        f"/todos/agent/{verb}", data={"message_id": message_id, "call_id": call_id}, headers=headers
    )


def calls(html: str) -> list[str]:
    """The calls whose steps can be undone."""
    return [one for one in re.findall(r'name="call_id" value="(\w*)"', html) if one]


def items(doer: Doer) -> list[str]:
    return sorted(todo["item"] for todo in doer.todos())


@pytest.mark.slow
def test_the_first_visit_says_what_can_be_said_and_who_answers(doer: Doer) -> None:
    html = page(doer)

    assert html.count("data-say") == 3
    assert "The built-in engine answers: no model is asked." in html
    assert 'name="session_id" value="page-' in html


@pytest.mark.slow
def test_the_latest_session_goes_on_unless_a_new_one_is_wanted(site: Flask, doer: Doer) -> None:
    conversation_id, _ = told(doer, "Buy milk", session_id="home")

    name = f"user_{doer.user.id}_home"
    assert f'name="session_id" value="{name}"' in page(doer)
    assert f'name="session_id" value="{name}"' in page(doer, f"/todos?session={conversation_id}")
    assert 'name="session_id" value="page-' in page(doer, "/todos?session=new")

    def left_long_ago(s: Session) -> None:
        old = utc_now() - timedelta(hours=25)
        s.execute(update(Conversation).where(Conversation.id == conversation_id).values(updated_at=old))

    doer.services.database.run(left_long_ago)
    assert 'name="session_id" value="page-' in page(doer)


@pytest.mark.slow
@pytest.mark.req("D27")
def test_a_session_of_somebody_else_or_of_another_assistant_is_unknown(site: Flask, doer: Doer) -> None:
    conversation_id, message_id = told(doer)
    other = Doer(site)

    for path in (f"/todos?session={conversation_id}", "/todos?session=nothing-here"):
        assert other.client.get(path, headers=PAGE).status_code == 404
    assert press(other, "undo", message_id).status_code == 404
    assert press(doer, "undo", "nothing-here").status_code == 404
    assert items(doer) == ["Buy bread", "Buy milk"]


@pytest.mark.slow
def test_each_step_of_a_stored_answer_has_its_undo(doer: Doer) -> None:
    _, message_id = told(doer)
    milk, bread = calls(page(doer))
    assert items(doer) == ["Buy bread", "Buy milk"]

    html = press(doer, "undo", message_id, milk).text

    assert items(doer) == ["Buy bread"]
    assert "Undone" in html
    assert "/todos/agent/redo" in html
    assert "/todos/agent/redo" in page(doer)
    press(doer, "redo", message_id, milk)
    assert items(doer) == ["Buy bread", "Buy milk"]
    assert "/todos/agent/redo" not in page(doer)
    assert calls(page(doer)) == [milk, bread]


@pytest.mark.slow
def test_all_that_an_answer_did_is_undone_and_done_again_at_once(doer: Doer) -> None:
    _, message_id = told(doer)
    assert "Undo all of this" in page(doer)

    html = press(doer, "undo", message_id).text

    assert items(doer) == []
    assert "Do all of it again" in html
    assert calls(html) == []
    press(doer, "redo", message_id)
    assert items(doer) == ["Buy bread", "Buy milk"]


@pytest.mark.slow
def test_undoing_twice_does_it_once_and_says_so(doer: Doer) -> None:
    _, message_id = told(doer)
    milk, _ = calls(page(doer))
    press(doer, "undo", message_id, milk)

    again = press(doer, "undo", message_id, milk)

    assert again.status_code == 200
    assert "undone already" in again.text
    assert items(doer) == ["Buy bread"]
    press(doer, "redo", message_id, milk)
    assert "done again already" in press(doer, "redo", message_id, milk).text
    assert items(doer) == ["Buy bread", "Buy milk"]


@pytest.mark.slow
def test_what_was_changed_since_is_not_undone_over_it(doer: Doer) -> None:
    _, message_id = told(doer)
    todo = next(todo for todo in doer.todos() if todo["item"] == "Buy milk")
    doer.client.patch(f"/api/todos/{todo['id']}", json={"item": "Buy oat milk"})

    html = press(doer, "undo", message_id).text

    assert "Buy oat milk" in items(doer)
    assert "Buy bread" not in items(doer)
    assert re.search(r'role="alert">[^<]*changed', html)


@pytest.mark.slow
def test_without_script_a_form_leads_back_to_the_turn(doer: Doer) -> None:
    conversation_id, message_id = told(doer)
    milk, _ = calls(page(doer))

    done = press(doer, "undo", message_id, milk, headers=PAGE)
    twice = press(doer, "undo", message_id, milk, headers=PAGE)

    assert done.status_code == 303
    assert done.headers["Location"] == f"/todos?session={conversation_id}&at={message_id}#at"
    assert "Undone" in page(doer, done.headers["Location"].partition("#")[0])
    assert twice.status_code == 409
    assert "undone already" in twice.text


@pytest.mark.slow
@pytest.mark.req("D14", "D21")
def test_the_meter_warns_from_four_fifths_on(make_site: Callable[..., Flask]) -> None:
    site = make_site(TODOS_MONTHLY_QUOTA="10")
    somebody = Doer(site)
    reset: date = somebody.services.database.run(quotas.usage, somebody.user.id, 10).reset_date
    day = f"{reset.day} {reset:%B}"

    def use(s: Session, used: int) -> None:
        s.merge(QuotaMonth(user_id=somebody.user.id, month=f"{utc_now():%Y-%m}", used=used))

    for used, is_low, words in (
        (0, False, f"<strong>0</strong> of 10 .*used, new on {day}"),
        (7, False, f"<strong>7</strong> of 10 .*used, new on {day}"),
        (8, True, f"Only <strong>2</strong> of 10 requests left this month; new ones come on {day}."),
        (10, True, f"All <strong>10</strong> requests of this month are used. New ones come on {day}"),
    ):
        somebody.services.database.run(use, used)
        html = somebody.client.get("/todos/agent/quota", headers=HTMX).text
        assert re.search(words, html), used
        assert ("quota--low" in html) == is_low
        assert html in page(somebody)

    refused = somebody.client.post(ASK, data={"message": "Buy milk"}, headers=HTMX)
    assert refused.status_code == 429
    assert "You have used 10 of your 10 requests" in refused.text


def test_a_page_answers_with_a_turn_that_connects_itself(doer: Doer) -> None:
    answered = doer.client.post(ASK, data={"message": "Buy <b>milk</b>", "session_id": "page-x"}, headers=HTMX)

    assert answered.status_code == 200
    assert f'id="answer-{answered.headers["X-Stream-Id"]}"' in answered.text
    assert 'data-page="/todos?session=' in answered.text
    assert 'id="chat-title" hx-swap-oob="true">Buy &lt;b&gt;milk' in answered.text


@pytest.mark.slow
def test_without_script_the_answer_grows_in_the_page(doer: Doer) -> None:
    answered = doer.client.post(ASK, data={"message": SEVERAL, "session_id": "page-x"}, headers=PAGE)

    assert answered.status_code == 200
    assert 'Added <em class="step__item"><bdi>Buy milk</bdi></em>' in answered.text
    assert re.search(r'href="/todos\?session=\w+#latest"', answered.text)


@pytest.mark.slow
@pytest.mark.req("D12")
def test_a_conversation_is_exported_with_its_steps(doer: Doer) -> None:
    conversation_id, message_id = told(doer)

    markdown = doer.client.get(f"/api/conversations/{conversation_id}/export?format=markdown").text
    whole = doer.client.get(f"/api/conversations/{conversation_id}/export?format=json").get_json()

    assert "- Added *Buy milk*\n- Added *Buy bread*" in markdown
    assert markdown.count("Buy milk") == 2 + ("Buy milk" in markdown.splitlines()[0]), "asked for, and done"
    answer = next(one for one in whole["messages"] if one["id"] == message_id)
    assert [one["name"] for one in answer["tool_call"]] == ["create_todo", "create_todo"]
    assert [one["output"]["status"] for one in answer["tool_result"]] == ["created", "created"]


@pytest.mark.slow
def test_the_history_leads_to_the_session(doer: Doer) -> None:
    conversation_id, message_id = told(doer)

    led = doer.client.get(f"/conversations/{conversation_id}?at={message_id}", headers=PAGE)

    assert led.status_code == 303
    assert led.headers["Location"] == f"/todos?session={conversation_id}&at={message_id}#at"
    assert conversation_id in doer.client.get("/history/panel?assistant=todos", headers=HTMX).text
