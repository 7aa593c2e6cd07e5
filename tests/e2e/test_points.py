"""Points on the real site: many questions at once over two workers, some of whose workers are killed."""

import contextlib
import http.client
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.clients import Account, Answer, at_once
from tests.e2e.sites import Model, Site, eventually, prose, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

QUESTION = {"message": "Why is the sky blue?", "fresh": True}
START = "/api/stream/stream-conversation"
# The lease of a killed worker's run lapses, and the sweep of the other one finds its answer.
SWEPT_S = 70.0


@pytest.fixture
def model() -> Iterator[Model]:
    with Model() as server:
        yield server


@pytest.fixture
def site(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """No limit but points stands in the way."""
    settings = {
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_MODEL": "scripted",
        "STUDY_RATE_LIMIT": "100000/minute",
        "STUDY_MAX_STREAMS": "200",
        "USER_MAX_STREAMS": "200",
        "MAX_STREAMING_CONNECTIONS": "500",
    }
    with running(tmp_path_factory.mktemp("points"), **settings) as started:
        yield started


class Purse:
    """Somebody whose cap is enough for so many questions, and not quite for one more."""

    def __init__(self, site: Site, questions: int) -> None:
        self.account = Account(site)
        self.each = self.account.call("POST", "/api/points/estimate", QUESTION).json["points"]
        capped = self.account.call("PUT", "/api/points/cap", {"cap": (questions + 1) * self.each - 1})
        assert capped.status == 200, capped

    @property
    def balance(self) -> dict[str, Any]:
        found: dict[str, Any] = self.account.call("GET", "/api/points").json
        return found

    def ask_at_once(self, count: int, meanwhile: Callable[[], None] = lambda: None) -> list[Answer | None]:
        """The answers to so many questions; None for one whose worker died over it."""
        workers = sorted(self.account.site.workers())
        with contextlib.ExitStack() as stack:
            ways = [stack.enter_context(self.account.connect(workers[at % len(workers)])) for at in range(count)]
            return at_once(count + 1, lambda at: self._ask(ways[at]) if at < count else meanwhile())[:count]

    def _ask(self, connection: http.client.HTTPConnection) -> Answer | None:
        try:
            return self.account.call("POST", START, QUESTION, connection=connection)
        except (OSError, http.client.HTTPException):
            return None

    def settled(self) -> dict[str, Any]:
        """The balance once nothing is held any more."""
        eventually(lambda: self.balance["reserved"] == 0, within_s=SWEPT_S, what="points are still held")
        return self.balance


def costs(site: Site) -> list[tuple[str, int, int]]:
    """What the database says of every answer: its outcome, how long it is, and what was paid for it."""
    query = """SELECT outcome, length(content), entry.spent FROM messages
               LEFT JOIN points_entries AS entry
                 ON entry.message_id = messages.id AND entry.kind IN ('settle', 'release')
               WHERE role = 'assistant'"""
    with contextlib.closing(sqlite3.connect(f"file:{site.data_dir}/rill.sqlite3?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def differences(site: Site) -> list[Any]:
    """Where account and ledger differ; both are read past the site."""
    query = """SELECT account.user_id FROM points_accounts AS account JOIN (
                 SELECT user_id, month, sum(granted) AS granted, sum(reserved) AS reserved, sum(spent) AS spent
                 FROM points_entries GROUP BY user_id, month) AS ledger USING (user_id, month)
               WHERE (account.granted, account.reserved, account.spent)
                  <> (ledger.granted, ledger.reserved, ledger.spent)"""
    with contextlib.closing(sqlite3.connect(f"file:{site.data_dir}/rill.sqlite3?mode=ro", uri=True)) as database:
        held = database.execute("SELECT * FROM points_reservations").fetchall()
        return database.execute(query).fetchall() + held


@pytest.mark.req("R31", "U7")
def test_fifty_at_once_on_a_balance_for_ten_and_a_worker_killed_over_their_answers(model: Model, site: Site) -> None:
    model.play(times=10, text=prose(60), stall_after=30)
    purse = Purse(site, questions=10)

    answers = [answer for answer in purse.ask_at_once(50) if answer is not None]

    accepted = [answer for answer in answers if answer.status == 201]
    refused = [answer for answer in answers if answer.status == 402]
    assert (len(accepted), len(refused)) == (10, 40)
    assert {answer.json["code"] for answer in refused} == {"POINTS_EXHAUSTED"}
    assert purse.balance["reserved"] == 10 * purse.each
    # One worker may have been quick enough to take them all: which it is, is chance.
    owners = [site.owner_of(answer.json["stream_id"]) for answer in accepted]
    victim = owners[0]
    eventually(lambda: len(model.calls()) >= 10, what="the model was not asked ten times")
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: victim not in site.processes(), what="the kill did not end it")
    model.release()

    now = purse.settled()
    paid = costs(site)
    assert len(paid) == 10, "a refused question leaves nothing"
    assert [outcome for outcome, _, _ in paid].count("interrupted") == owners.count(victim)
    assert {outcome for outcome, _, _ in paid} <= {"completed", "interrupted"}
    assert all((spent > 0) == (length > 0) for _, length, spent in paid), paid
    assert now["spent"] == sum(spent for _, _, spent in paid)
    assert differences(site) == []


@pytest.mark.req("R31")
def test_workers_killed_while_fifty_ask_leave_no_difference(model: Model, site: Site) -> None:
    model.play(times=60, text=prose(20))
    purse = Purse(site, questions=10)

    cut_off = 0
    for answers_begun in (1, 3, 6):
        victim = kill_after(site, model, len(model.calls()) + answers_begun)
        seen = purse.ask_at_once(50, meanwhile=victim)
        assert {answer.status for answer in seen if answer is not None} <= {201, 402, 503}
        cut_off += seen.count(None)
        eventually(lambda: serves(site, purse.account), within_s=40, what="the worker was not replaced")
    assert cut_off, "needs questions that a kill cut off"

    now = purse.settled()
    paid = costs(site)
    assert None not in {outcome for outcome, _, _ in paid}, "every answer is settled"
    assert None not in {spent for _, _, spent in paid}, "and paid"
    assert now["spent"] == sum(spent for _, _, spent in paid)
    assert differences(site) == []


def serves(site: Site, account: Account) -> bool:
    """Whether two workers live and take connections."""
    workers = site.workers()
    try:
        for pid in workers:
            account.reach(pid).close()
    except (AssertionError, OSError, http.client.HTTPException):
        return False
    return len(workers) == 2


def kill_after(site: Site, model: Model, calls: int) -> Callable[[], None]:
    """Kills one of the workers as soon as the model has been asked so often."""
    victim = sorted(site.workers())[0]

    def act() -> None:
        eventually(lambda: len(model.calls()) >= calls, what="the model was not asked")
        os.kill(victim, signal.SIGKILL)

    return act
