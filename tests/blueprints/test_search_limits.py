"""The limits of the search's API: how many at once, how often, how long; what fails, and what is counted."""

import logging
import re
from typing import Any

import gevent
import pytest
from flask import Flask

from tests.blueprints.searchers import JSON, SSE, Searcher, names, of, text_of
from tests.blueprints.streams import Stream
from tests.model_server import ModelServer, Script


@pytest.mark.slow
@pytest.mark.req("Q15", "R1", "D1-5")
def test_three_run_at_once_and_the_fourth_is_told_why_not(modelled_searcher: Searcher, model: ModelServer) -> None:
    model.play(*[Script(text="Slow [1].", stall_after=0) for _ in range(3)])
    opened = [modelled_searcher.post() for _ in range(3)]
    try:
        for headers in (SSE, JSON):
            refused = modelled_searcher.post(headers=headers)

            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) >= 1
            assert (refused.json["limit"], refused.json["current"]) == (3, 3)
            assert len(refused.json["running"]) == 3
        assert len(modelled_searcher.conversations()) == 3
    finally:
        model.release()
        for response in opened:
            response.close()


@pytest.mark.slow
@pytest.mark.req("Q15", "R7")
def test_more_than_ten_questions_a_minute_are_refused(make_app: Any) -> None:
    somebody = Searcher(make_app(BUILTIN_PACE_MS="0", INGEST_PROCESSES="0"), has_documents=False)

    answers = [somebody.post(headers=JSON) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    said = answers[-1].json["message"]
    assert re.fullmatch(r"At most 10 answers a minute can be started here\. Try again in \d+ seconds?\.", said)


@pytest.mark.slow
@pytest.mark.req("R4")
def test_a_repeated_request_gets_the_first_ones_answer(searcher: Searcher) -> None:
    headers = {"Idempotency-Key": "once"}

    first = searcher.post(headers={**JSON, **headers}).json
    again = searcher.post(headers={**JSON, **headers}).json
    other = searcher.post("Another question?", headers={**JSON, **headers})

    assert again == first
    assert (other.status_code, other.json["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    assert len(searcher.conversations()) == 1


@pytest.mark.req("Q14", "R8")
def test_an_answer_takes_a_minute_at_most(searching: Flask) -> None:
    settings = searching.extensions["rill"].settings

    assert settings.streaming_timeout_s > 60
    assert settings.deadline_s("search") == 60
    assert settings.deadline_s("study") == settings.streaming_timeout_s


@pytest.mark.req("Q14", "R8", "Q18")
@pytest.mark.slow
def test_an_answer_past_its_time_is_an_error_and_what_came_is_kept(make_app: Any, model: ModelServer) -> None:
    site = make_app(
        OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted", STREAMING_TIMEOUT="1", INGEST_PROCESSES="0"
    )
    somebody = Searcher(site)
    model.play(*[Script(text="Kept for 30 days [1].", stall_after=3) for _ in range(2)])

    frames = somebody.ask()
    whole = somebody.post(headers=JSON)

    assert (frames[-1].name, frames[-1].json["code"], frames[-1].json["retryable"]) == ("error", "DEADLINE", True)
    assert (whole.status_code, whole.json["code"]) == (503, "DEADLINE")
    assert whole.json["answer"].startswith("Kept for")
    assert "Retry-After" in whole.headers


@pytest.mark.slow
@pytest.mark.req("Q18", "R20")
def test_without_its_model_the_built_in_engine_answers_and_is_named(
    modelled_searcher: Searcher, model: ModelServer
) -> None:
    model.play(*[Script(status=401) for _ in range(8)])

    frames = modelled_searcher.ask()

    done = of(frames, "done")[0]
    assert (done["engine"], done["fallback"]) == ("built-in", True)
    assert "Backups are kept for 30 days [1]" in text_of(frames)
    assert of(frames, "citation")


@pytest.mark.slow
@pytest.mark.req("Q14", "R14")
def test_a_model_that_breaks_off_is_one_error_and_nothing_after_it(
    modelled_searcher: Searcher, model: ModelServer
) -> None:
    model.play(*[Script(text="Kept for 30 days [1] and then", cut_after=4) for _ in range(2)])

    frames = modelled_searcher.ask()
    whole = modelled_searcher.post(headers=JSON)

    assert names(frames) == ["token", "error"]
    assert frames[-1].json["code"] == "MODEL_BROKEN"
    assert (whole.status_code, whole.json["code"]) == (503, "MODEL_BROKEN")


# -- what operators see


@pytest.mark.req("Q13")
def test_the_sequence_of_events_is_logged(searcher: Searcher, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    searcher.ask()

    records = [record for record in caplog.records if record.message == "search events"]
    assert len(records) == 1
    sequence = str(records[0].sequence)  # type: ignore[attr-defined]
    assert sequence.startswith("metadata passages ")
    assert sequence.endswith(" trust end")
    assert "Backups" not in str(records[0].__dict__)


@pytest.mark.slow
@pytest.mark.req("Q15", "Q16", "Q14")
def test_durations_and_clients_that_left_are_counted(modelled_searcher: Searcher, model: ModelServer) -> None:
    metrics = modelled_searcher.services.metrics

    def count(how: str) -> float:
        lines = metrics.expose(runs=0, viewers=0).decode().splitlines()
        wanted = f'rill_views_ended_total{{assistant="search",how="{how}"}} '
        return next((float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted)), 0.0)

    left, whole = count("left"), count("whole")
    model.play(Script(text="Slow [1].", stall_after=1))
    with Stream(modelled_searcher.post()) as stream:
        stream.until("token")
    model.release()
    modelled_searcher.ask("How long does restoring take?")

    assert (count("left"), count("whole")) == (left + 1, whole + 1)
    assert 'rill_view_seconds_count{assistant="search"}' in metrics.expose(runs=0, viewers=0).decode()


@pytest.mark.slow
@pytest.mark.req("Q14")
def test_a_program_that_waits_for_the_whole_answer_may_leave(modelled_searcher: Searcher, model: ModelServer) -> None:
    """Whoever waits counts as a reader, so that the answer goes on; when it is done nothing of them is left."""
    model.play(Script(text="Slow [1].", stall_after=0))
    waiting = gevent.spawn(modelled_searcher.whole)
    hub = modelled_searcher.services.hub
    with gevent.Timeout(10):
        while not hub.viewers:
            gevent.sleep(0)
    model.release()
    waiting.get(timeout=10)

    assert hub.viewers == 0
