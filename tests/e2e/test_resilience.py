"""What a viewer is owed when connections and workers fail: the real site, two workers, a scripted model."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.clients import Account, Viewer
from tests.e2e.sites import Model, Site, eventually, prose, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

Record = Callable[[str, object], None]
SLOT_FREE_S = 15.0


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as server:
        yield server


@pytest.fixture(scope="module")
def site(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "scripted", "STREAM_IDLE": "60"}
    with running(tmp_path_factory.mktemp("resilience"), **settings) as started:
        yield started
        assert started.complaints() == []


@pytest.fixture(autouse=True)
def fresh(model: Model) -> Iterator[None]:
    model.reset()
    yield
    model.reset()


@pytest.mark.req("T42", "A6-1", "A6-3")
@pytest.mark.parametrize("seed", [1, 2])
def test_thirty_random_disconnects_cost_no_character(model: Model, site: Site, seed: int) -> None:
    text = prose(400, seed=seed)
    model.play(text=text, pace_s=0.012)
    ada = Account(site)
    chance = random.Random(seed)

    stream_id = ada.start()
    viewer = Viewer(ada, stream_id, cuts=[chance.randint(1, 1000) for _ in range(30)], retry_s=0.01)
    seen = viewer.opened().done()

    assert viewer.connections == 31, "each of the thirty cuts must have hit a response"
    assert set(viewer.pids) == site.workers(), "the reconnects must have met both workers"
    assert set(seen.verdicts) == {"exact"}
    assert seen.text == text == ada.stored(stream_id)["content"]
    assert seen.end["finish_reason"] == "stop"


@pytest.mark.req("T4", "T20", "T41", "R1")
def test_killed_workers_runs_end_once_for_every_viewer_and_free_their_slots(
    model: Model, site: Site, record_property: Record
) -> None:
    ada, bob = Account(site), Account(site)
    owner, survivor = sorted(site.workers())
    text = prose(3000)
    model.play(text=text, pace_s=0.02, times=3)
    stream_id, other, unwatched = ada.start(pid=owner), ada.start(pid=survivor), bob.start(pid=owner)
    assert [site.owner_of(one) for one in (stream_id, other, unwatched)] == [owner, survivor, owner]
    viewers = [Viewer(ada, stream_id, pid=pid).opened() for pid in (owner, owner, survivor, survivor)]
    eventually(lambda: all(viewer.seen.text for viewer in viewers), what="nobody sees any text")
    eventually(lambda: bob.standing(unwatched)["text"], what="the third run has no text")
    assert ada.ask().status == 429, "both slots must be taken before the kill"

    os.kill(owner, signal.SIGKILL)
    killed_s = time.monotonic()
    eventually(lambda: owner not in site.processes(), what="the kill did not end it")
    freed_s = eventually(lambda: stream_id not in ada.running() and time.monotonic(), within_s=SLOT_FREE_S) - killed_s
    seen = [viewer.done() for viewer in viewers]

    assert {viewer.pids[0] for viewer in viewers[:2]} == {owner}
    assert {pid for viewer in viewers[2:] for pid in viewer.pids} == {survivor}
    assert all(viewer.connections > 1 for viewer in viewers[:2]), "who was on the killed worker came back"
    record_property("slot_free_after_s", round(freed_s, 2))
    stored = ada.stored(stream_id)
    assert stored["outcome"] == stored["finish_reason"] == "interrupted"
    assert len({str(one.events[-2:]) for one in seen}) == 1, "one end, the same for all"
    for one in seen:
        assert one.names == ["message.start", "message.delta", "error", "message.end"]
        assert [(error["code"], error["retryable"]) for error in one.all("error")] == [("INTERRUPTED", True)]
        assert one.end["finish_reason"] == "interrupted"
        assert one.text
        assert one.text == stored["content"] == text[: len(one.text)]
    assert other in ada.running(), "the other worker's run goes on"
    ada.stop(other)
    assert _accepted_of_twenty(ada, model) == 2

    # Read from the database alone: whoever looks at the conversation or the stream would settle it.
    eventually(lambda: site.message(unwatched)["outcome"], within_s=45, what="the sweeper did not settle it")
    record_property("unwatched_settled_after_s", round(time.monotonic() - killed_s, 2))
    swept = site.message(unwatched)
    late = Viewer(bob, unwatched).opened().done()
    assert swept["outcome"] == swept["finish_reason"] == late.end["finish_reason"] == "interrupted"
    assert late.names == ["message.start", "message.delta", "error", "message.end"]
    assert late.text == swept["content"] == bob.stored(unwatched)["content"] == text[: len(late.text)]
    assert bob.running() == []


@pytest.mark.req("T20")
def test_stop_by_another_worker_closes_the_models_connection_and_continue_goes_on(
    model: Model, site: Site, record_property: Record
) -> None:
    ada = Account(site)
    eventually(lambda: len(site.workers()) == 2)
    text = prose(3000, seed=7)
    model.play(text=text, pace_s=0.02)
    stream_id = ada.start()
    owner = site.owner_of(stream_id)
    stranger = next(iter(site.workers() - {owner}))
    viewers = [Viewer(ada, stream_id, pid=pid, until="stream.close").opened() for pid in (owner, stranger)]
    eventually(lambda: all(viewer.seen.text for viewer in viewers), what="nobody sees any text")

    asked_at = model.call()["now_s"]
    stopped = ada.stop(stream_id, pid=stranger)
    seen = [viewer.done() for viewer in viewers]

    assert site.pid_of_request(stopped.request_id) == stranger != owner
    assert stopped.json == {"message": "Stream closed", "outcome": "stopped", "confirmed": True}
    call = eventually(lambda: model.call()["closed_s"] and model.call())
    assert call["outcome"] == "closed by client"
    assert call["closed_s"] - asked_at < 1.0, "the model was heard for longer than a second"
    record_property("model_closed_after_s", round(call["closed_s"] - asked_at, 3))
    stored = ada.stored(stream_id)
    for one in seen:
        assert one.names == ["message.start", "message.delta", "message.end", "stream.close"]
        assert one.all("stream.close") == [{"reason": "stopped"}]
        assert one.end["finish_reason"] == "cancelled"
        assert one.text == stored["content"]
    partial = stored["content"]
    assert stored["outcome"] == "stopped"
    assert partial
    assert text.startswith(partial)
    assert ada.stop(stream_id).json == {"message": "Stream closed", "outcome": "stopped", "confirmed": True}

    model.play(text=" and so it goes on to its end")
    continued = ada.call("POST", f"/api/streams/{stream_id}/continue", {})
    assert continued.status == 201, continued
    again = Viewer(ada, continued.json["stream_id"]).opened().done()

    told = model.call()["body"]["messages"]
    assert partial in [message["content"] for message in told if message["role"] == "assistant"]
    assert again.end["finish_reason"] == "stop"
    path = f"/api/conversations/{ada.conversation_of(stream_id)}"
    answers = [message for message in ada.call("GET", path).json["messages"] if message["role"] == "assistant"]
    assert [answer["outcome"] for answer in answers] == ["stopped", "completed"]
    assert answers[1]["continues"] == answers[0]["id"]
    assert answers[0]["content"] + answers[1]["content"] == partial + again.text
    assert ada.call("POST", f"/api/streams/{continued.json['stream_id']}/continue", {}).json["code"] == "COMPLETE"


def _accepted_of_twenty(account: Account, model: Model) -> int:
    model.play(text=prose(3000), pace_s=0.02, times=2)
    answers = account.ask_at_once(20)
    accepted = [answer.json["stream_id"] for answer in answers if answer.status == 201]
    assert {answer.status for answer in answers} == {201, 429}
    for stream_id in accepted:
        account.stop(stream_id)
    return len(accepted)
