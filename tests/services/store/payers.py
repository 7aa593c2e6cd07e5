"""A process that asks and pays, for tests of the ledger and of todos: `python -c PROGRAM URL USER JOB...`.

It says `ready`, begins when a line comes, and ends with one line of JSON. The jobs:
`ask N AMOUNT GRANT`: N questions at once, each stored with its reservation in one transaction.
`settle MESSAGE COST N`: N times at once.
`quota N LIMIT`: N units of a month's quota at once.
`complete TODO N`: N times at once.
`die POINT AMOUNT GRANT`: says `here` at that point of one question's life, and waits there to be killed.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import gevent
from gevent import subprocess

from services import errors
from services.store import points, quotas
from services.store.base import new_id
from services.store.database import Database, Session
from services.todos.actions import By, Todos
from tests.factories import make_answer, settle

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
from gevent import monkey; monkey.patch_all()
import sys
from tests.services.store import payers
payers.main(*sys.argv[1:])
"""
POINTS_OF_DEATH = ("reserving", "reserved", "settling")


def ask(s: Session, user_id: int, amount: int, grant: int) -> str:
    """Store a question and its running answer, and reserve what it may cost."""
    unique = {"stream_id": new_id(), "run_id": new_id()}
    answer = make_answer(s, user_id, assistant="study", **unique)
    points.reserve(s, user_id, answer.id, amount, grant=grant)
    return answer.id


def end(s: Session, message_id: str, cost: int) -> bool:
    """Settle an answer and its price, as the `ends` of Turns do: the price only if the answer was settled here."""
    if not settle(s, message_id):
        return False
    points.settle(s, message_id, cost)
    return True


class Payer:
    """A process of `payers`, ready to begin."""

    def __init__(self, url: str, user_id: int, *job: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, *map(str, (user_id, *job))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def wait(self) -> None:
        assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()

    def begin(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self) -> list[Any]:
        said, complaint = self.process.communicate(timeout=40)
        assert self.process.returncode == 0, complaint
        return json.loads(said)

    def kill_when_there(self) -> None:
        assert self.process.stdout.readline() == "here\n", self.process.stderr.read()
        self.process.kill()
        self.process.communicate(timeout=10)
        assert self.process.returncode == -signal.SIGKILL


def _at_once(count: int, call: Any) -> list[Any]:
    return [job.get() for job in [gevent.spawn(call) for _ in range(count)]]


def _asked(database: Database, user_id: int, amount: int, grant: int) -> str | None:
    try:
        return database.run(ask, user_id, amount, grant)
    except errors.PointsExhausted:
        return None


def _counted(database: Database, user_id: int, limit: int) -> int | None:
    try:
        return database.run(quotas.reserve, user_id, new_id(), limit).used
    except errors.QuotaExhausted:
        return None


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _wait_for_death() -> None:
    _say("here")
    sys.stdin.read()


def _die(database: Database, user_id: int, where: str, amount: int, grant: int) -> None:
    def life(s: Session) -> str:
        message_id = ask(s, user_id, amount, grant)
        if where == "reserving":
            _wait_for_death()
        return message_id

    def death(s: Session) -> None:
        end(s, message_id, amount)
        _wait_for_death()

    message_id = database.run(life)
    if where == "reserved":
        _wait_for_death()
    database.run(death)


def main(url: str, user: str, job: str, *args: str) -> None:
    """Do the job."""
    database, user_id = Database(url), int(user)
    _say("ready")
    sys.stdin.readline()
    if job == "ask":
        count, amount, grant = map(int, args)
        done = _at_once(count, lambda: _asked(database, user_id, amount, grant))
    elif job == "settle":
        message_id, cost, times = args
        done = _at_once(int(times), lambda: database.run(points.settle, message_id, int(cost)))
    elif job == "quota":
        count, limit = map(int, args)
        done = _at_once(count, lambda: _counted(database, user_id, limit))
    elif job == "complete":
        done = _at_once(int(args[1]), lambda: Todos(database).complete(By(user_id), args[0]).change_id)
    else:
        _die(database, user_id, args[0], int(args[1]), int(args[2]))
        done = []
    _say(json.dumps(done))
    database.close()
