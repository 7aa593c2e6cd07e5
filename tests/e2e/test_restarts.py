"""Deploys and stops under live answers: nothing lost, nothing twice, nothing without an end, nothing left."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.clients import Account, Viewer
from tests.e2e.sites import Model, Site, eventually, prose, running
from tests.e2e.transcript import Transcript

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

Record = Callable[[str, object], None]


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
def shared(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "scripted", "DRAIN_SECONDS": "12"}
    with running(tmp_path_factory.mktemp("restarts"), **settings) as started:
        yield started
        started.stop()


@pytest.fixture
def site(shared: Site) -> Iterator[Site]:
    """A site that serves, whatever the test before has done to it."""
    if not shared.is_up:
        shared.start()
    yield shared
    assert shared.complaints() == []


@pytest.mark.req("T41", "T42", "A6-3")
def test_reload_under_twenty_live_streams_costs_their_viewers_one_reconnect(
    model: Model, site: Site, record_property: Record
) -> None:
    people = [Account(site) for _ in range(10)]
    text = prose(450, seed=4)
    model.play(text=text, pace_s=0.02, times=20)
    runs = [(person, person.start()) for person in people for _ in range(2)]
    viewers = [Viewer(*run).opened() for run in runs]
    before, valkey = site.workers(), site.valkey()
    assert {site.owner_of(stream_id) for _, stream_id in runs} == before
    eventually(lambda: all(viewer.seen.text for viewer in viewers), what="not all streams live")
    assert not any(viewer.seen.all("message.end") for viewer in viewers), "the reload must hit living answers"

    site.tell(signal.SIGHUP)
    seen = [viewer.done() for viewer in viewers]

    for (person, stream_id), one in zip(runs, seen, strict=True):
        assert one.names == ["message.start", "message.delta", "message.end"]
        assert (one.text, one.end["finish_reason"]) == (text, "stop")
        assert set(one.verdicts) == {"exact"}
        stored = person.stored(stream_id)
        assert (stored["content"], stored["outcome"]) == (text, "completed")
    reconnects = [viewer.connections - 1 for viewer in viewers]
    record_property("reconnects", (min(reconnects), max(reconnects)))
    record_property("longest_pause_s", round(max(viewer.pause_s for viewer in viewers), 3))
    assert max(reconnects) == 1
    assert all(viewer.refusals == [] for viewer in viewers)
    assert max(viewer.pause_s for viewer in viewers) <= 3
    eventually(lambda: not before & site.workers(), within_s=15, what="the old workers do not go")
    assert len(site.workers()) == 2
    assert site.valkey() == valkey, "Valkey lives through a reload"
    assert [person.running() for person in people] == [[]] * 10
    # To its end: a call that came later would take the next test's script.
    assert Viewer(people[0], people[0].start()).opened().done().end["finish_reason"] == "stop"


@pytest.mark.req("T41", "T42")
def test_stop_and_start_ends_what_can_end_and_interrupts_the_rest(
    model: Model, site: Site, record_property: Record
) -> None:
    ada, bob = Account(site), Account(site)
    short, long = prose(100, seed=6), prose(3000, seed=7)
    model.play(text=short, pace_s=0.02, times=2)
    ending = [(ada, ada.start()), (bob, bob.start())]
    eventually(lambda: len(model.calls()) == 2, what="the model is not asked")
    model.play(text=long, pace_s=0.02, times=2)
    lasting = [(ada, ada.start()), (bob, bob.start())]
    viewers = [Viewer(*run).opened() for run in ending + lasting]
    eventually(lambda: all(viewer.seen.text for viewer in viewers), what="not all streams live")
    assert not any(viewer.seen.all("message.end") for viewer in viewers), "the stop must hit living answers"

    site.stop(signal.SIGTERM)

    assert site.processes() == set()
    assert not site.socket.exists()
    stored = {stream_id: site.message(stream_id) for _, stream_id in ending + lasting}
    for _, stream_id in ending:
        assert (stored[stream_id]["outcome"], stored[stream_id]["content"]) == ("completed", short)
    for _, stream_id in lasting:
        assert stored[stream_id]["outcome"] == stored[stream_id]["finish_reason"] == "interrupted"
        assert stored[stream_id]["content"]
        assert long.startswith(stored[stream_id]["content"])

    site.start()
    seen = [viewer.done() for viewer in viewers]

    for (person, stream_id), one in zip(ending + lasting, seen, strict=True):
        assert one.text == stored[stream_id]["content"] == person.stored(stream_id)["content"]
        assert set(one.verdicts) == {"exact"}
    assert [one.end["finish_reason"] for one in seen] == ["stop", "stop", "interrupted", "interrupted"]
    for one in seen[2:]:
        assert one.names == ["message.start", "message.delta", "error", "message.end"]
        assert [(error["code"], error["retryable"]) for error in one.all("error")] == [("INTERRUPTED", True)]
    model.reset()
    model.play(text=" and the rest of it")
    again = ada.call("POST", f"/api/streams/{lasting[0][1]}/continue", {})
    assert again.status == 201, again
    assert Viewer(ada, again.json["stream_id"]).opened().done().end["finish_reason"] == "stop"
    assert seen[2].text in [message["content"] for message in model.call()["body"]["messages"]]


@pytest.mark.req("T20", "T41")
def test_quick_stop_leaves_nothing_and_the_next_start_ends_what_was_cut(
    model: Model, site: Site, record_property: Record
) -> None:
    ada = Account(site)
    text = prose(3000, seed=8)
    model.play(text=text, pace_s=0.02)
    viewer = Viewer(ada, ada.start()).opened()
    eventually(lambda: viewer.seen.text)

    site.stop(signal.SIGINT, within_s=15)

    assert site.processes() == set()
    assert not site.socket.exists()
    site.start()
    seen: Transcript = viewer.done()
    assert seen.names == ["message.start", "message.delta", "error", "message.end"]
    assert seen.end["finish_reason"] == "interrupted"
    assert seen.text == ada.stored(viewer.stream_id)["content"] == text[: len(seen.text)]
    record_property("longest_pause_s", round(viewer.pause_s, 2))
    assert ada.running() == []


@pytest.mark.req("T41", "T42")
def test_killed_valkey_costs_time_but_no_character(model: Model, site: Site, record_property: Record) -> None:
    ada, text, viewers = _watched_on_both_workers(model, site)
    valkey = site.valkey()
    assert valkey is not None

    os.kill(valkey, signal.SIGKILL)
    killed_s = time.monotonic()
    eventually(lambda: site.valkey() not in (None, valkey), within_s=5, what="Valkey is not started again")
    eventually(lambda: ada.call("GET", "/readyz").status == 200, within_s=5, what="Valkey is not back within 5 s")
    record_property("back_after_s", round(time.monotonic() - killed_s, 2))

    _ended_well(model, site, ada, text, viewers)
    record_property("longest_pause_s", round(max(viewer.pause_s for viewer in viewers), 2))


@pytest.mark.req("T41", "T42")
def test_frozen_valkey_costs_time_but_no_character_and_starts_are_refused_soon(
    model: Model, site: Site, record_property: Record
) -> None:
    ada, text, viewers = _watched_on_both_workers(model, site)
    valkey = site.valkey()
    assert valkey is not None

    os.kill(valkey, signal.SIGSTOP)
    try:
        frozen_s = time.monotonic()
        answers = [ada.ask(pid=pid) for pid in sorted(site.workers())]
        pages = [ada.call("GET", path, Accept="text/html", Authorization=None) for path in ("/", "/login")]
        pages.append(ada.call("GET", "/", Accept="text/html"))
        health = [ada.call("GET", path) for path in ("/healthz", "/readyz")]
        eventually(lambda: time.monotonic() - frozen_s > 5)
    finally:
        os.kill(valkey, signal.SIGCONT)

    for answer in answers:
        assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.took_s < 2
    assert [page.status for page in pages] == [200, 200, 200]
    assert [answer.status for answer in health] == [200, 503]
    assert max(answer.took_s for answer in (*pages, *health)) < 2
    record_property("refused_within_s", round(max(answer.took_s for answer in answers), 2))
    _ended_well(model, site, ada, text, viewers)
    record_property("longest_pause_s", round(max(viewer.pause_s for viewer in viewers), 2))


def _watched_on_both_workers(model: Model, site: Site) -> tuple[Account, str, list[Viewer]]:
    """A run in mid-answer, with two viewers on each worker."""
    ada, text = Account(site), prose(300, seed=12)
    model.play(text=text, pace_s=0.02)
    workers = sorted(site.workers())
    stream_id = ada.start(pid=workers[0])
    viewers = [Viewer(ada, stream_id, pid).opened() for pid in (*workers, *workers)]
    eventually(lambda: all(viewer.seen.text for viewer in viewers), what="not everybody sees text")
    return ada, text, viewers


def _ended_well(model: Model, site: Site, ada: Account, text: str, viewers: list[Viewer]) -> None:
    """The answer came to its own end, everywhere the same, and limits hold afterwards."""
    for seen in [viewer.done() for viewer in viewers]:
        assert seen.names == ["message.start", "message.delta", "message.end"]
        assert (seen.text, seen.end["finish_reason"]) == (text, "stop")
    stored = ada.stored(viewers[0].stream_id)
    assert (stored["content"], stored["outcome"]) == (text, "completed")
    assert ada.running() == []
    model.play(text=prose(3000), pace_s=0.02, times=2)
    answers = ada.ask_at_once(20)
    assert sorted(answer.status for answer in answers) == [201] * 2 + [429] * 18
    eventually(lambda: len(model.calls()) == 3, what="the model is not asked")
    for stream_id in ada.running():
        assert ada.stop(stream_id).json["confirmed"] is True
    assert len(model.calls()) == 3, "no question was put to the model twice"
