"""A worker killed in the middle of a step: the todo is there once or not at all, and everybody is told the truth."""

import contextlib
import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.e2e.clients import Account
from tests.e2e.sites import Model, Site, eventually, running
from tests.sse import Reader

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.req("D36", "D17")]

ASK: Final = "/api/todos/agent-create/stream"
CALL: Final = ("create_todo", json.dumps({"item": "Book the hall", "start_time": "2027-03-01 14:00:00"}))
SETTLED_S: Final = 45.0


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as server:
        yield server


@pytest.fixture(scope="module")
def site(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "scripted", "TODOS_RATE_LIMIT": "100000/minute"}
    with running(tmp_path_factory.mktemp("todo-kill"), **settings) as started:
        yield started
        assert started.complaints() == []


@pytest.fixture(autouse=True)
def fresh(model: Model, site: Site) -> Iterator[None]:
    model.reset()
    eventually(lambda: len(site.workers()) == 2, what="the killed worker was not replaced")
    yield
    model.reset()


@contextlib.contextmanager
def nobody_writes(site: Site) -> Iterator[None]:
    """Hold the database's turn to write: steps wait at the door of their transactions."""
    with contextlib.closing(sqlite3.connect(site.data_dir / "rill.sqlite3", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            database.execute("ROLLBACK")


@contextlib.contextmanager
def nothing_is_logged(site: Site) -> Iterator[None]:
    """Valkey stands still: what runs say is not accepted by anybody's log."""
    pid = site.valkey()
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def start(ada: Account, model: Model, session: str = "hall") -> str:
    """Ask; the model has been asked, and is silent until it is released."""
    model.play(tokens=0, stall_after=0, finish="tool_calls", tool_calls=[CALL])
    question = {"messages": [{"role": "user", "content": "Book the hall"}], "session_id": session}
    asked = ada.call("POST", ASK, question)
    assert asked.status == 201, asked
    eventually(model.calls, what="the model was not asked")
    stream_id: str = asked.json["stream_id"]
    return stream_id


def until_called(ada: Account, model: Model, stream_id: str) -> None:
    """Release the model, and follow the stream until it tells of the call."""
    reader, names = Reader(), list[str]()
    with ada.connect() as connection:
        headers = {"Authorization": f"Bearer {ada.token}", "Accept": "text/event-stream"}
        connection.request("GET", f"/api/streams/{stream_id}", headers=headers)
        response = connection.getresponse()
        model.release()
        while "tool_call" not in names:
            data = response.read1()
            assert data, f"the stream ended after {names}"
            names += [frame.name for frame in reader.feed(data)]
        assert "tool_result" not in names


def kill(site: Site, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: pid not in site.processes(), what="the kill did not end it")


def written(site: Site) -> int:
    """How many todos the database has, of everybody."""
    with contextlib.closing(sqlite3.connect(f"file:{site.data_dir}/rill.sqlite3?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT COUNT(*) FROM todos").fetchone()[0])


def steps(site: Site, stream_id: str) -> list[dict[str, Any]]:
    """The results of an answer's steps as they are stored."""
    extras = json.loads(site.message(stream_id)["extras"])
    calls, results = extras["tool_call"], extras["tool_result"]
    assert [one["id"] for one in calls] == [one["id"] for one in results], "each call has its result"
    return [one["output"] for one in results]


def items(ada: Account) -> list[str]:
    return [todo["item"] for todo in ada.call("GET", "/api/todos?view=all").json["todos"]]


def again(ada: Account, model: Model, stream_id: str) -> str:
    """Try the question again with a model that wants the same; the new stream, once it has ended."""
    model.reset()
    model.play(tokens=0, finish="tool_calls", tool_calls=[CALL])
    model.play(text="The hall is booked.")
    tried = ada.call("POST", f"/api/streams/{stream_id}/retry")
    assert tried.status == 201, tried
    assert ada.stored(tried.json["stream_id"])["outcome"] == "completed"
    found: str = tried.json["stream_id"]
    return found


def test_a_step_that_was_killed_before_it_was_done_has_done_nothing_and_says_so(model: Model, site: Site) -> None:
    ada = Account(site)
    stream_id = start(ada, model)
    with nobody_writes(site):
        until_called(ada, model, stream_id)
        kill(site, site.owner_of(stream_id))

    stored = ada.stored(stream_id, settled_within_s=SETTLED_S)

    assert stored["outcome"] == "interrupted"
    assert items(ada) == []
    (output,) = steps(site, stream_id)
    assert output["status"] == "error"
    assert "changed nothing" in output["error"]
    (done,) = steps(site, again(ada, model, stream_id))
    assert "already_done" not in done
    assert items(ada) == ["Book the hall"]


def test_a_step_that_was_done_before_the_kill_is_there_once_told_and_can_be_undone(model: Model, site: Site) -> None:
    ada, before = Account(site), written(site)
    stream_id = start(ada, model)
    with contextlib.ExitStack() as held:
        with nobody_writes(site):
            until_called(ada, model, stream_id)
            held.enter_context(nothing_is_logged(site))
        eventually(lambda: written(site) > before, what="the step was not done")
        kill(site, site.owner_of(stream_id))

    stored = ada.stored(stream_id, settled_within_s=SETTLED_S)

    assert stored["outcome"] == "interrupted"
    assert items(ada) == ["Book the hall"]
    (output,) = steps(site, stream_id)
    (todo,) = ada.call("GET", "/api/todos").json["todos"]
    assert (output["status"], output["todo_id"], output["item"]) == ("created", todo["id"], "Book the hall")
    (done,) = steps(site, again(ada, model, stream_id))
    assert done["already_done"] is True
    assert done["todo_id"] == todo["id"]
    assert items(ada) == ["Book the hall"], "a retry does nothing twice"
    message_id = site.message(stream_id)["id"]
    undone = ada.call("POST", "/api/todos/undo", {"message_id": message_id})
    assert undone.status == 200, undone
    assert items(ada) == [], "undo works"
