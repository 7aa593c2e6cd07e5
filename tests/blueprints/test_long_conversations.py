"""Conversations of thousands of messages: read in parts, and asked on from what the last ones say."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from services.assistants.study.resolving import path_of
from services.store import conversations
from services.store.base import new_id, utc_now
from services.store.threads import Conversation, Message
from tests.blueprints.people import Person
from tests.blueprints.students import Student, text_of
from tests.factories import make_answer, settle

URL = "/api/conversations"
HTML = {"Accept": "text/html"}


def make_long(s: Session, user_id: int, turns: int, *, words: str = "Word. ", summed_up_to: int | None = None) -> str:
    """A conversation with the study chat: question n is `Question n?`; its id."""
    first = make_answer(s, user_id, assistant="study", title="Long", question="Question 0?")
    settle(s, first.id, f"Answer 0. {words}")
    parent, its, rows = first.id, first.conversation_id, []
    same = {"conversation_id": its, "fallback": False, "created_at": utc_now()}
    upto = first.id
    for number in range(1, turns):
        asked, answer = new_id(), new_id()
        rows.append({**same, "id": asked, "role": "user", "content": f"Question {number}?", "parent_id": parent})
        told = {"kind": "summary", "content": "What was said.", "upto": upto}
        is_summed = summed_up_to is not None and number > summed_up_to
        rows.append({
            **same, "id": answer, "role": "assistant", "content": f"Answer {number}. {words}", "parent_id": asked,
            "outcome": "completed", "stream_id": answer, "finished_at": utc_now(),
            "extras": {"message": [told]} if is_summed else {},
            "turn": {"question": f"Question {number}?", "facts": {"topic": f"Topic {number}"}},
        })  # fmt: skip
        upto = answer if number == summed_up_to else upto
        parent = answer
    common = dict.fromkeys(("outcome", "stream_id", "finished_at", "extras", "turn"))
    s.execute(insert(Message), [{**common, **row, "position": n} for n, row in enumerate(rows, 2)])
    s.get_one(Conversation, its).head_id = parent
    s.get_one(Conversation, its).length = 2 * turns
    return its


def pages(person: Person, conversation_id: str, turns: int) -> Iterator[list[str]]:
    """The questions of each part, the newest part first."""
    before = ""
    while True:
        part = person.client.get(f"{URL}/{conversation_id}?turns={turns}&before={before}").json
        yield [message["content"] for message in part["messages"] if message["role"] == "user"]
        if not part["earlier"]:
            return
        before = part["messages"][0]["id"]


@pytest.mark.slow
def test_a_program_reads_a_conversation_in_parts(person: Person) -> None:
    its = person.services.database.run(make_long, person.user.id, 25)

    parts = list(pages(person, its, 10))

    assert [len(part) for part in parts] == [10, 10, 5]
    assert [question for part in reversed(parts) for question in part] == [f"Question {n}?" for n in range(25)]
    whole = person.client.get(f"{URL}/{its}").json
    assert len(whole["messages"]) == 50
    assert "earlier" not in whole


@pytest.mark.parametrize("query", ["turns=0", "turns=x", "turns=501", "turns=9999999999", "turns=²"])
def test_an_odd_number_of_turns_is_refused_at_its_field(person: Person, query: str) -> None:
    its = person.services.database.run(make_long, person.user.id, 2)

    refused = person.client.get(f"{URL}/{its}?{query}")

    assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, "turns")


def test_a_part_before_a_message_of_another_conversation_is_unknown(person: Person, stranger: Person) -> None:
    run = person.services.database.run
    its, theirs = run(make_long, person.user.id, 2), run(make_long, stranger.user.id, 2)
    foreign = run(conversations.path, stranger.user.id, theirs)[0].id

    assert person.client.get(f"{URL}/{its}?turns=5&before={foreign}").status_code == 404
    assert person.client.get(f"/study/{its}?at={foreign}", headers=HTML).status_code == 404
    assert person.client.get(f"/conversations/{its}/turns?before={foreign}", headers=HTML).status_code == 404
    assert stranger.client.get(f"/conversations/{its}/turns", headers=HTML).status_code == 404


@pytest.mark.slow
def test_the_alternatives_of_a_message_are_told_on_whatever_part_it_stands(person: Person) -> None:
    run = person.services.database.run
    its = run(make_long, person.user.id, 25)
    first = run(conversations.path, person.user.id, its)[0]
    other = run(make_answer, person.user.id, assistant="study", conversation_id=its, parent_id=conversations.ROOT)
    run(conversations.choose, person.user.id, its, first.id)
    second = person.client.get(f"{URL}/{its}?turns=10").json["messages"][0]["id"]
    first_part = person.client.get(f"{URL}/{its}?turns=500&before={second}").json["messages"]

    asked = run(conversations.question_of, other.id)
    assert first_part[0]["alternatives"] == [first.id, asked.id]
    assert [message["alternatives"] for message in first_part[1:]] == [[]] * (len(first_part) - 1)


def test_a_page_of_another_version_says_so_and_leads_back(person: Person) -> None:
    run = person.services.database.run
    its = run(make_long, person.user.id, 3)
    old = run(conversations.path, person.user.id, its)[0]
    run(make_answer, person.user.id, assistant="study", conversation_id=its, parent_id=conversations.ROOT)

    page = person.client.get(f"/study/{its}?at={old.id}", headers=HTML).text

    assert "This is another version of the conversation." in page
    assert 'id="message"' not in page
    assert "Question 2?" in page
    assert run(conversations.get, person.user.id, its).head_id != old.id, "looking changes nothing"


def test_a_search_hit_opens_the_page_at_its_message(person: Person) -> None:
    its = person.services.database.run(make_long, person.user.id, 3)
    message_id = person.client.get(f"{URL}/{its}").json["messages"][1]["id"]

    (found,) = person.client.get(f"{URL}?q=Answer+0").json["conversations"]
    listed = person.client.get("/history?q=Answer+0", headers=HTML).text
    by_title = person.client.get("/history/find?q=Long", headers=HTML).text
    led = person.client.get(f"/conversations/{its}?at={message_id}", headers=HTML)

    assert found["message_id"] == message_id
    assert f'href="/conversations/{its}?at={message_id}"' in listed
    assert f'href="/conversations/{its}"' in by_title
    assert (led.status_code, led.location) == (303, f"/study/{its}?at={message_id}#at")


@pytest.mark.slow
@pytest.mark.parametrize(("turns", "read"), [(10, 20), (400, 64)])
def test_a_question_reads_back_to_the_newest_summary_only(person: Person, turns: int, read: int) -> None:
    run = person.services.database.run
    its = run(make_long, person.user.id, turns, summed_up_to=turns - 5)

    rows = run(path_of, person.user.id, its, "And then?")

    assert len(rows) == read
    assert [row.id for row in rows] == [row.id for row in run(conversations.path, person.user.id, its)][-read:]
    assert rows[-1].turn == {"question": f"Question {turns - 1}?", "facts": {"topic": f"Topic {turns - 1}"}}
    assert rows[0].turn is None or turns == 10


@pytest.mark.slow
def test_without_a_summary_all_is_read_and_nothing_is_forgotten(person: Person) -> None:
    run = person.services.database.run
    its = run(make_long, person.user.id, 200, words="")

    assert len(run(path_of, person.user.id, its, "And then?")) == 400


@pytest.mark.slow
def test_a_question_in_a_long_conversation_is_answered_in_its_context(student: Student) -> None:
    its = student.services.database.run(make_long, student.user.id, 300, summed_up_to=290)

    events = student.ask("Photosynthesis?", interaction_id=its)

    assert "hotosynthesis" in text_of(events)
    stored: Any = student.services.database.run(conversations.path, student.user.id, its)[-1]
    facts = stored.turn["facts"]
    assert facts["summary"] == "What was said."
    assert [said["content"] for said in facts["history"]][-2:] == ["Question 299?", "Answer 299. Word. "]
    assert len(facts["history"]) == 2 * 9
