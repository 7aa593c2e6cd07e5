"""A dead network and a killed worker in mid-story: the same story goes on, counted once, and there is no second one."""

import contextlib
import os
import random
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.clients import Account, at_once
from tests.e2e.sites import Model, Site, eventually, running
from tests.e2e.story_readers import Family, Listener, cut, tale

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

SETTLED_S = 45.0


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as server:
        yield server


@pytest.fixture(scope="module")
def site(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_MODEL": "scripted",
        "STORIES_RATE_LIMIT": "100000/minute",
        "STORIES_CHECK": "rules",
    }
    with running(tmp_path_factory.mktemp("story-kill"), **settings) as started:
        yield started
        assert started.complaints() == []


@pytest.fixture(autouse=True)
def fresh(model: Model, site: Site) -> Iterator[None]:
    model.reset()
    eventually(lambda: len(site.workers()) == 2, what="the killed worker was not replaced")
    yield
    model.reset()


@pytest.fixture
def family(site: Site) -> Family:
    return Family(Account(site))


def kill(site: Site, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: pid not in site.processes(), what="the kill did not end it")


@pytest.mark.req("Y26", "Y37", "Y39", "R4", "A6-9", "D1-1")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_network_that_fails_again_and_again_costs_no_word_and_starts_nothing(
    model: Model, site: Site, family: Family, seed: int
) -> None:
    text = tale(300, seed=seed)
    model.play(text=text, pace_s=0.01)
    chance = random.Random(seed)

    cuts = [chance.randint(1, 900) for _ in range(12)]
    heard = Listener(family.account, family.query(), cuts=cuts, among=sorted(site.workers())).opened().done()

    assert heard.connections == 13, "each of the cuts must have hit a response"
    assert set(heard.pids) == site.workers(), "it must have met both workers"
    assert len(heard.stream_ids) == 1
    assert set(heard.verdicts) == {"exact"}
    assert heard.text == heard.end["story"]["story_content"]
    assert heard.text.startswith(text)
    assert (heard.end["type"], heard.end["finish_reason"]) == ("complete", "stop")
    assert len(model.calls()) == 2, "the chapter, and what goes with it"
    assert family.told_today() == 1
    (chapter,) = family.story()["chapters"]
    assert chapter["story_content"] == heard.text


@pytest.mark.req("Y37", "R4", "A6-9", "A6-11")
def test_requests_that_are_lost_before_their_answer_are_one_story(model: Model, family: Family) -> None:
    model.play(text=tale(250), pace_s=0.01)
    headers = {"Authorization": f"Bearer {family.account.token}", "Accept": "text/event-stream"}

    def lose(number: int) -> None:
        with family.account.connect(sorted(family.account.site.workers())[number % 2]) as connection:
            connection.request("GET", family.query(), headers=headers)
            cut(connection.sock)

    # Nobody has heard a word, nor an id, that they could come back with.
    at_once(6, lose)
    heard = Listener(family.account, family.query()).opened().done()

    assert heard.end["type"] == "complete"
    assert len(model.calls()) == 2
    assert family.told_today() == 1
    assert len(family.stories()) == 1


@pytest.mark.req("Y37", "Y39", "R4", "A6-3", "A6-9")
def test_when_the_worker_that_reads_out_is_killed_the_story_goes_on_at_another(
    model: Model, site: Site, family: Family
) -> None:
    text = tale(300)
    model.play(text=text, pace_s=0.02)
    teller, reader = sorted(site.workers())
    begun = Listener(family.account, family.query(), pid=teller).opened()
    (stream_id,) = begun.stream_ids
    assert site.owner_of(stream_id) == teller
    heard = Listener(family.account, family.query(), pid=reader).opened()

    kill(site, reader)
    heard.done()
    begun.done()

    assert heard.stream_ids == {stream_id}
    assert heard.connections > 1
    assert set(heard.verdicts) == {"exact"}
    assert heard.text == begun.text == heard.end["story"]["story_content"]
    assert (heard.end["type"], len(model.calls())) == ("complete", 2)
    assert family.told_today() == 1


@pytest.mark.req("Y25", "Y37", "Y39", "Y20", "R4", "A6-3", "A6-9")
def test_when_the_worker_that_tells_is_killed_the_story_is_continued_where_it_stopped(
    model: Model, site: Site, family: Family
) -> None:
    text = tale(400)
    model.play(text=text, pace_s=0.02)
    owner, survivor = sorted(site.workers())
    near = Listener(family.account, family.query(), pid=owner).opened()
    (stream_id,) = near.stream_ids
    assert site.owner_of(stream_id) == owner
    far = Listener(family.account, family.query(), pid=survivor).opened()

    kill(site, owner)
    heard = [near.done(), far.done()]

    for one in heard:
        assert one.stream_ids == {stream_id}, "a reconnect starts no second story"
        assert (one.end["type"], one.end["error_code"], one.end["retryable"]) == ("error", "INTERRUPTED", True)
        assert set(one.verdicts) <= {"exact"}
        assert one.text
        assert text.startswith(one.text)
    partial = near.text
    assert far.text == partial
    assert family.told_today() == 1
    stored = family.account.stored(stream_id, settled_within_s=SETTLED_S)
    assert (stored["outcome"], stored["content"]) == ("interrupted", partial)
    assert len(model.calls()) == 1

    # The same request comes back to what there is; the next chapter waits for the end of this one.
    again = Listener(family.account, family.query()).opened().done()
    assert (again.stream_ids, again.text, again.end["type"]) == ({stream_id}, partial, "error")
    refused = family.account.call("GET", family.query(chapter_number=2))
    assert (refused.status, refused.json["code"]) == (409, "CHAPTER_UNFINISHED")

    model.play(text=tale(120, seed=3))
    continued = family.account.call("POST", refused.json["continue_url"], {})
    assert continued.status == 201, continued
    rest = Listener(family.account, continued.json["stream_url"]).opened().done()

    assert rest.events[0]["partial"] == partial
    assert (rest.end["type"], rest.end["story"]["success"]) == ("complete", True)
    story = family.story()
    (chapter,) = story["chapters"]
    assert chapter["story_content"] == partial + rest.text
    assert (chapter["outcome"], story["chapters_told"]) == ("completed", 1)
    assert family.told_today() == 1, "one chapter, counted once"
    model.play(text=tale(250, seed=4))
    second = Listener(family.account, family.query(chapter_number=2, choice="1")).opened().done()
    assert second.end["story"]["story_id"] == story["id"]
    assert family.told_today() == 2
    assert len(family.stories()) == 1


@pytest.mark.req("Y25", "Y39", "A6-8", "A6-12")
def test_a_worker_killed_before_the_first_word_leaves_one_story_that_can_be_tried_again(
    model: Model, site: Site, family: Family
) -> None:
    model.play(text=tale(250), stall_after=0)
    begun = family.account.call("GET", family.query())
    assert begun.status == 201, begun
    eventually(model.calls, what="the model was not asked")

    kill(site, site.owner_of(begun.json["stream_id"]))
    stored = family.account.stored(begun.json["stream_id"], settled_within_s=SETTLED_S)
    model.reset()
    model.play(text=tale(250))
    tried = family.account.call("POST", f"/api/streams/{begun.json['stream_id']}/retry", {})

    assert (stored["outcome"], stored["content"]) == ("interrupted", "")
    assert tried.status == 201, tried
    heard = Listener(family.account, tried.json["stream_url"]).opened().done()
    assert heard.end["type"] == "complete"
    story = family.story()
    assert [chapter["outcome"] for chapter in story["chapters"]] == ["completed"]
    assert family.told_today() == 1


@pytest.mark.req("Y37", "R4", "D1-1")
def test_a_deploy_in_mid_story_is_not_noticed_but_by_a_new_connection(model: Model, site: Site, family: Family) -> None:
    with contextlib.ExitStack() as held:
        held.callback(model.release)
        model.play(text=tale(300), pace_s=0.005)
        heard = Listener(family.account, family.query()).opened()

        site.tell(signal.SIGHUP)
        heard.done()

    assert len(heard.stream_ids) == 1
    assert set(heard.verdicts) <= {"exact"}
    assert heard.end["type"] in {"complete", "error"}
    assert family.told_today() == 1
    assert len(family.stories()) == 1
    eventually(lambda: len(site.workers()) == 2, within_s=30, what="the old workers stayed")


@pytest.mark.req("Y25", "Y37", "Y39", "A6-9", "D1-1")
def test_the_built_in_storytellers_chapter_is_continued_after_a_kill_without_a_word_told_twice(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(BUILTIN_PACE_MS="25", STORIES_RATE_LIMIT="100000/minute")
    family = Family(Account(site))
    heard = Listener(family.account, family.query()).opened()
    (stream_id,) = heard.stream_ids

    kill(site, site.owner_of(stream_id))
    heard.done()
    assert (heard.end["type"], heard.end["error_code"]) == ("error", "INTERRUPTED")
    family.account.stored(stream_id, settled_within_s=SETTLED_S)
    continued = family.account.call("POST", f"/api/streams/{stream_id}/continue", {})
    assert continued.status == 201, continued
    rest = Listener(family.account, continued.json["stream_url"]).opened().done()

    assert rest.end["story"]["success"] is True
    (chapter,) = family.story()["chapters"]
    whole = chapter["story_content"]
    assert whole == heard.text + rest.text
    paragraphs = [paragraph for paragraph in whole.split("\n\n") if paragraph.strip()]
    assert len(set(paragraphs)) == len(paragraphs) > 1, "nothing is told twice"
    assert whole.count(whole[:60]) == 1, "it does not begin again"
    assert len(chapter["choices"]) == 2
    assert family.told_today() == 1
    assert len(family.stories()) == 1
    site.stop()
    assert site.complaints() == []
