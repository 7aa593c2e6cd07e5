"""Limits, idempotent starts, grace and streams that are used again: one answer from two workers."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.clients import Account, Answer, Viewer, at_once
from tests.e2e.sites import Model, Site, eventually, prose, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

Record = Callable[[str, object], None]
Join = Callable[[Site], Account]
LONG = {"text": prose(3000, seed=9), "pace_s": 0.02}
TO_EXISTING = "Sent to existing stream"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(model: Model) -> Iterator[None]:
    model.reset()
    yield
    model.reset()


@pytest.fixture(scope="module")
def site(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Streams are idle for two seconds; everything else is as usual."""
    with running(tmp_path_factory.mktemp("limits"), **_settings(model, STREAM_IDLE="2")) as started:
        yield started
        assert started.complaints() == []


@pytest.fixture(scope="module")
def small(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three runs on the whole site, and a grace of one second."""
    settings = _settings(model, MAX_STREAMING_CONNECTIONS="3", STREAM_DISCONNECT_GRACE="1")
    with running(tmp_path_factory.mktemp("small"), **settings) as started:
        yield started
        assert started.complaints() == []


@pytest.fixture(scope="module")
def strict(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """No grace at all."""
    with running(tmp_path_factory.mktemp("strict"), **_settings(model, STREAM_DISCONNECT_GRACE="0")) as started:
        yield started
        assert started.complaints() == []


@pytest.fixture
def join() -> Iterator[Join]:
    """Accounts whose runs are stopped when the test ends."""
    joined: list[Account] = []

    def make(site: Site) -> Account:
        joined.append(Account(site))
        return joined[-1]

    yield make
    for account in joined:
        for stream_id in account.running():
            account.stop(stream_id)


def _settings(model: Model, **more: str) -> dict[str, str]:
    return {"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "scripted", **more}


# -- slots


@pytest.mark.req("T4", "T18", "T23", "R1", "A6-3")
def test_of_twenty_simultaneous_starts_exactly_two_are_accepted(model: Model, site: Site, join: Join) -> None:
    ada = join(site)
    model.play(times=2, **LONG)

    answers = ada.ask_at_once(20)

    accepted = {answer.json["stream_id"] for answer in answers if answer.status == 201}
    refused = [answer for answer in answers if answer.status != 201]
    assert (len(accepted), len(refused)) == (2, 18)
    assert {site.pid_of_request(answer.request_id) for answer in answers} == site.workers()
    for answer in refused:
        problem = answer.json
        assert (answer.status, problem["code"]) == (429, "NO_SLOT_FREE")
        assert (problem["limit"], problem["current"]) == (2, 2)
        assert {run["stream_id"] for run in problem["running"]} == accepted
        assert all(run["stop_url"] == f"/api/streams/{run['stream_id']}/stop" for run in problem["running"])
        assert problem["message"].startswith("User has reached maximum concurrent streams (2)")
        assert int(answer.headers["Retry-After"]) >= 1
    assert set(ada.running()) == accepted
    assert len(ada.call("GET", "/api/conversations").json["conversations"]) == 2, "a refused start leaves nothing"
    eventually(lambda: len(model.calls()) == 2, what="the model is not asked twice")

    for stream_id in accepted:
        assert ada.stop(stream_id).json["confirmed"] is True
    assert len(model.calls()) == 2, "what was refused asks nobody"
    again = ada.start()
    assert Viewer(ada, again).opened().done().end["finish_reason"] == "stop"


@pytest.mark.req("R1")
def test_full_site_refuses_with_503_but_tells_ones_own_limit_first(model: Model, small: Site, join: Join) -> None:
    ada, bob = join(small), join(small)
    model.play(times=4, **LONG)
    first, second, third = ada.start(), ada.start(), bob.start()

    full = bob.ask()
    own = ada.ask()

    assert (full.status, full.json["code"]) == (503, "SITE_FULL")
    assert (full.json["limit"], full.json["current"]) == (3, 3)
    assert int(full.headers["Retry-After"]) >= 1
    assert (own.status, own.json["code"]) == (429, "NO_SLOT_FREE")
    assert (own.json["limit"], own.json["current"]) == (2, 2)
    assert {run["stream_id"] for run in own.json["running"]} == {first, second}
    assert len(bob.call("GET", "/api/conversations").json["conversations"]) == 1, "a refused start leaves nothing"
    ada.stop(first)
    fourth = bob.start()
    for account, stream_id in ((ada, second), (bob, third), (bob, fourth)):
        account.stop(stream_id)


@pytest.mark.req("R1")
def test_of_simultaneous_starts_by_many_only_as_many_as_the_site_has_slots_are_accepted(
    model: Model, small: Site, join: Join
) -> None:
    people = [join(small) for _ in range(8)]
    model.play(times=3, **LONG)

    answers: list[Answer] = at_once(8, lambda number: people[number].ask())

    assert sorted(answer.status for answer in answers) == [201] * 3 + [503] * 5
    for person, answer in zip(people, answers, strict=True):
        if answer.status == 201:
            person.stop(answer.json["stream_id"])
        else:
            assert person.running() == []
    assert people[0].ask().status == 201


# -- idempotent starts


@pytest.mark.req("T34")
def test_ten_starts_with_one_key_at_once_are_one_run(model: Model, site: Site, join: Join) -> None:
    ada, bob = join(site), join(site)
    model.play(times=1, **LONG)
    key = {"Idempotency_Key": "the same for all"}
    question = {"session_id": "s", "message": "Is this asked once?"}

    answers = ada.ask_at_once(10, headers=key, **question)

    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1, "the first answer again, to the letter"
    assert {site.pid_of_request(answer.request_id) for answer in answers} == site.workers()
    stream_id = answers[0].json["stream_id"]
    assert ada.running() == [stream_id]
    assert len(eventually(model.calls)) == 1
    other = ada.ask(headers=key, session_id="s", message="Something else")
    assert (other.status, other.json["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    ada.stop(stream_id)
    assert ada.ask(headers=key, **question).json["stream_id"] == stream_id, "also after its end"
    assert bob.ask(headers=key, **question).json["stream_id"] != stream_id, "a key is one person's own"


@pytest.mark.req("T34", "T23")
def test_refused_start_leaves_no_record_of_its_key(model: Model, site: Site, join: Join) -> None:
    ada = join(site)
    model.play(times=2, **LONG)
    first, second = ada.start(), ada.start()
    key = {"Idempotency_Key": "refused first"}

    assert ada.ask(headers=key, session_id="s").status == 429
    ada.stop(first)
    accepted = ada.ask(headers=key, session_id="s")

    assert accepted.status == 201
    assert accepted.json["stream_id"] not in (first, second)
    ada.stop(second)


@pytest.mark.req("T34")
def test_repeated_start_gets_its_first_answer_also_when_every_slot_is_held(
    model: Model, small: Site, join: Join
) -> None:
    ada, bob = join(small), join(small)
    model.play(times=3, **LONG)
    key = {"Idempotency_Key": "lost on its way"}
    first = ada.ask(headers=key, session_id="s")
    others = [(ada, ada.start()), (bob, bob.start())]

    again = ada.ask(headers=key, session_id="s")

    assert (again.status, again.body) == (201, first.body)
    for account, stream_id in [*others, (ada, first.json["stream_id"])]:
        account.stop(stream_id)


# -- streams that are used again


@pytest.mark.req("T35", "R16", "A6-2", "A6-4")
@pytest.mark.parametrize("by_the_owner", [True, False], ids=["by its worker", "by another worker"])
def test_follow_up_goes_on_in_the_same_stream(
    model: Model, site: Site, join: Join, by_the_owner: bool, record_property: Record
) -> None:
    ada = join(site)
    owner, stranger = sorted(site.workers())
    texts = [prose(30, seed=21), prose(30, seed=22)]
    model.play(text=texts[0], pace_s=0.01)
    model.play(text=texts[1], pace_s=0.01)
    stream_id = ada.start(pid=owner, session_id="s")
    viewers = [Viewer(ada, stream_id, pid=pid, until="stream.close").opened() for pid in (owner, stranger)]

    busy = ada.ask(pid=stranger, session_id="s", stream_id=stream_id)
    eventually(lambda: all(viewer.seen.all("message.end") for viewer in viewers), what="the first answer does not end")
    assert ada.running() == [], "an idle stream holds no slot"
    pid = owner if by_the_owner else stranger
    followed = ada.ask(pid=pid, session_id="s", stream_id=stream_id, message="And then?")
    eventually(
        lambda: all(len(viewer.seen.all("message.end")) == 2 for viewer in viewers), what="the second does not end"
    )
    ended_s = time.monotonic()
    seen = [viewer.done() for viewer in viewers]
    closed_s = max(viewer.ended_s for viewer in viewers) - ended_s
    after = ada.ask(session_id="s", stream_id=stream_id, message="And now?")

    assert (busy.status, busy.json["code"]) == (409, "STREAM_BUSY")
    assert (followed.status, followed.json["message"]) == (200, TO_EXISTING)
    assert followed.json["stream_id"] == stream_id
    assert site.owner_of(stream_id) == pid
    for viewer, one in zip(viewers, seen, strict=True):
        assert viewer.connections == 1
        assert one.names == [*["message.start", "message.delta", "message.end"] * 2, "stream.close"]
        assert one.all("stream.close") == [{"reason": "idle"}]
        assert one.text == texts[1]
        contents = [message["content"] for name, _, message in one.events if name == "message.delta"]
        assert "".join(contents) == "".join(texts)
    assert 1.5 < closed_s < 2 + 4, "two seconds on Redis' clock, then the next poll"
    record_property("closed_after_s", round(closed_s, 2))
    assert after.status == 201
    assert after.json["message"] == TO_EXISTING
    assert after.json["stream_id"] != stream_id
    answers = ada.call("GET", f"/api/conversations/{ada.conversation_of(after.json['stream_id'])}").json["messages"]
    assert [answer["content"] for answer in answers if answer["role"] == "assistant"][:2] == texts


@pytest.mark.req("T35", "R16", "A6-5")
def test_follow_up_on_somebody_elses_stream_is_not_found(site: Site, join: Join) -> None:
    ada, eve = join(site), join(site)
    stream_id = ada.start()

    assert eve.ask(stream_id=stream_id).status == 404
    assert eve.stop(stream_id).status == 404
    assert eve.call("GET", f"/api/streams/{stream_id}", Accept="text/event-stream").status == 404
    assert eve.running() == []


@pytest.mark.req("T35", "R16")
def test_follow_up_on_an_idle_stream_that_nobody_watches_opens_a_successor_once_its_time_is_up(
    site: Site, join: Join
) -> None:
    ada = join(site)
    stream_id = ada.start()
    eventually(lambda: ada.standing(stream_id)["state"] == "idle")

    def successor() -> Any:
        asked = ada.ask(stream_id=stream_id, session_id="s")
        return asked.status == 201 and asked.json

    # Follow-ups before that keep it open: each starts its time anew.
    assert ada.ask(stream_id=stream_id, session_id="s").status == 200
    eventually(lambda: ada.standing(stream_id)["state"] == "idle")
    idle_s = time.monotonic()
    eventually(lambda: time.monotonic() - idle_s > 2.1)
    found = successor()
    assert found
    assert found["stream_id"] != stream_id


@pytest.mark.req("T20", "R16", "A6-2")
def test_stop_of_an_idle_stream_by_another_worker_closes_it_for_its_viewers(
    model: Model, site: Site, join: Join
) -> None:
    ada = join(site)
    owner, stranger = sorted(site.workers())
    model.play(text=prose(5))
    stream_id = ada.start(pid=owner)
    viewers = [Viewer(ada, stream_id, pid=pid, until="stream.close").opened() for pid in (owner, stranger)]
    eventually(lambda: all(viewer.seen.all("message.end") for viewer in viewers))

    stopped = ada.stop(stream_id, pid=stranger)
    seen = [viewer.done() for viewer in viewers]

    assert stopped.json["outcome"] == "completed"
    for one in seen:
        assert one.end["finish_reason"] == "stop"
        assert one.all("stream.close") == [{"reason": "stopped"}]
    seen_all = ada.call("GET", f"/api/streams/{stream_id}", Accept="text/event-stream", Last_Event_ID=seen[0].last_id)
    assert seen_all.status == 204


# -- grace


@pytest.mark.req("T32", "T42", "R24")
@pytest.mark.parametrize("place", ["owner", "stranger"])
def test_run_is_stopped_a_grace_after_its_last_viewer_left(
    model: Model, small: Site, join: Join, place: str, record_property: Record
) -> None:
    ada = join(small)
    model.play(**LONG)
    owner, stranger = sorted(small.workers())
    stream_id = ada.start(pid=owner)
    viewer = Viewer(ada, stream_id, pid={"owner": owner, "stranger": stranger}[place]).opened()
    eventually(lambda: viewer.seen.text)

    left_s = model.call()["now_s"]
    viewer.leave()
    closed_s = eventually(lambda: model.call()["closed_s"]) - left_s

    record_property("model_closed_after_s", round(closed_s, 2))
    assert 0.9 < closed_s < 2.5
    stored = ada.stored(stream_id)
    assert (stored["outcome"], stored["finish_reason"]) == ("stopped", "cancelled")
    assert stored["content"].startswith(viewer.seen.text)


@pytest.mark.req("R24")
def test_another_viewer_on_the_other_worker_keeps_a_run_alive(model: Model, small: Site, join: Join) -> None:
    ada = join(small)
    owner, stranger = sorted(small.workers())
    model.play(times=2, **LONG)
    streams = [ada.start(pid=owner), ada.start(pid=owner)]
    leavers = [Viewer(ada, *pair).opened() for pair in zip(streams, (owner, stranger), strict=True)]
    stayers = [Viewer(ada, *pair).opened() for pair in zip(streams, (stranger, owner), strict=True)]
    left_s = time.monotonic()
    for leaver in leavers:
        leaver.leave()

    # Longer than the grace and a renewal of the lease.
    eventually(lambda: time.monotonic() - left_s > 5)

    assert [call["closed_s"] for call in model.calls()] == [None, None]
    assert set(ada.running()) == set(streams)
    for stayer in stayers:
        stayer.leave()
    eventually(lambda: all(call["closed_s"] for call in model.calls()), within_s=3)
    assert [ada.stored(stream_id)["outcome"] for stream_id in streams] == ["stopped"] * 2


@pytest.mark.req("T32", "R24")
@pytest.mark.parametrize("place", ["owner", "stranger"])
def test_without_grace_a_run_is_stopped_at_once(
    model: Model, strict: Site, join: Join, place: str, record_property: Record
) -> None:
    ada = join(strict)
    model.play(**LONG)
    owner, stranger = sorted(strict.workers())
    stream_id = ada.start(pid=owner)
    viewers = [Viewer(ada, stream_id, pid=pid).opened() for pid in (owner, stranger)]
    last, first = viewers if place == "owner" else viewers[::-1]
    eventually(lambda: first.seen.text and last.seen.text)
    first.leave()
    eventually(lambda: last.seen.seq > first.seen.seq + 20, what="the run does not go on for the other viewer")

    left_s = model.call()["now_s"]
    last.leave()
    closed_s = eventually(lambda: model.call()["closed_s"]) - left_s

    record_property("model_closed_after_s", round(closed_s, 2))
    assert closed_s < 1
    stored = ada.stored(stream_id)
    assert (stored["outcome"], stored["finish_reason"]) == ("stopped", "cancelled")
    assert stored["content"].startswith(last.seen.text)
