"""Points under concurrency and kills, on the real site with two workers."""

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from tests.e2e.clients import Account, at_once
from tests.e2e.sites import ROOT, Model, Site, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ASK = "/api/stream/stream-conversation"
PRICE = 24
TIMES = 50


@pytest.mark.req("R31", "U15", "U16")
def test_fifty_at_once_on_a_balance_for_ten_pay_exactly_also_when_all_workers_are_killed(
    model: Model, make_site: Callable[..., Site]
) -> None:
    site = make_site(
        OPENAI_BASE_URL=model.base_url,
        STUDY_POINTS=str(10 * PRICE),
        STUDY_MAX_STREAMS="60",
        USER_MAX_STREAMS="60",
        STUDY_RATE_LIMIT="10000/minute",
    )
    ada = Account(site)
    priced = ada.call("POST", "/api/points/estimate", {"message": "Why?"}).json["points"]
    assert priced == PRICE, "needs a price that fits ten times"
    model.play(stall_after=5, times=10)

    def ask(number: int) -> int:
        # Another question each: the same one twice would be one question to the cache.
        return ada.call("POST", ASK, {"message": "Why?", "fresh": True}, Accept="application/json").status

    statuses = Counter(at_once(TIMES, ask))
    held = ada.call("GET", "/api/points").json

    assert statuses == {201: 10, 402: 40}
    assert (held["reserved"], held["left"], held["spent"]) == (10 * PRICE, 0, 0)
    eventually(lambda: len(model.calls()) == 10, what="not all ten have asked the model")
    for pid in site.workers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # Nobody looks at them: the sweep settles what their workers left.
    settled = eventually(lambda: _unheld(ada), within_s=60, what="points are held for answers that have ended")
    assert 0 < settled["spent"] <= 10 * PRICE
    assert settled["spent"] + settled["left"] == settled["granted"]
    audit = [sys.executable, "-m", "flask", "--app", "app", "points", "audit"]
    environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(site.data_dir)}
    books = subprocess.run(audit, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert (books.returncode, books.stdout.strip()) == (0, "The books agree."), books.stderr


def _unheld(ada: Account) -> dict[str, int] | None:
    with contextlib.suppress(OSError):
        found = ada.call("GET", "/api/points")
        if found.status == 200 and found.json["reserved"] == 0:
            balance: dict[str, int] = found.json
            return balance
    return None
