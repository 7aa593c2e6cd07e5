"""The real site and the scripted model, each as processes of their own.

Not patched by gevent: a test's clients are plain threads, and what they measure is not the site's event loop.
"""

import contextlib
import http.client
import json
import os
import random
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from services.streaming.embedded_valkey import socket_path

ROOT: Final = Path(__file__).resolve().parents[2]
POLL_S: Final = 0.02
_START_S: Final = 60.0
_FIELD: Final = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')
# Stands in the environment of everything that a site starts, so that what is left of it can be found.
_MARK: Final = "RILL_E2E_SITE"

T = TypeVar("T")


def eventually(check: Callable[[], T], *, within_s: float = 10.0, what: str = "it did not happen") -> T:
    """The first true value of `check()`."""
    until_s = time.monotonic() + within_s
    while not (value := check()):
        assert time.monotonic() < until_s, what
        time.sleep(POLL_S)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_WORDS: Final = re.findall(
    r"\S+",
    "think about what you have seen so far and write it down slowly étape für naïve "
    "quiet steps ask one question about pairs still open 数 ищи 🙂 and then look again",
)


def prose(words: int, *, seed: int = 1) -> str:
    """A made-up answer of so many tokens, with letters of several bytes, that no filter holds back."""
    chosen = random.Random(seed).choices(_WORDS, k=words)
    return " ".join(word + ("." if at % 9 == 8 else "\n\n" if at % 40 == 30 else "") for at, word in enumerate(chosen))


class Model:
    """`tests/model_server.py` as its own process; a context manager."""

    def __init__(self, script: str = "reply-20") -> None:
        self._command = [sys.executable, "-m", "tests.model_server", "--script", script]
        self.port = 0
        self._start()
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    def _start(self) -> None:
        command = [*self._command, "--port", str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens on its port for the length of the block."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

    def play(self, name: str | None = None, *, times: int = 1, **script: Any) -> None:
        """Answer the next requests so: with a named script, or one of these fields."""
        for _ in range(times):
            self._call("POST", "/__script", {"name": name} if name else script)

    def calls(self) -> list[dict[str, Any]]:
        """The requests since the start or the last reset, as they went."""
        calls: list[dict[str, Any]] = self._call("GET", "/__log")
        return calls

    def call(self) -> dict[str, Any]:
        """The latest request, once there is one."""
        return eventually(self.calls, what="the model was not asked")[-1]

    def release(self) -> None:
        """End all stalls, until `reset`."""
        self._call("POST", "/__release")

    def reset(self) -> None:
        """End all stalls, and forget calls and scripts in line."""
        self.release()
        self._call("POST", "/__reset")

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, json.dumps(body or {}))
            answer = connection.getresponse()
            said = json.loads(answer.read())
            assert answer.status == 200, said
            return said
        finally:
            connection.close()


class Site:
    """gunicorn with the site's own configuration and an embedded Valkey, in a directory of its own.

    Args:
        directory: Holds DATA_DIR and the log; a second site may be started in the same after the first.
        settings: Environment variables.
    """

    def __init__(self, directory: Path, *, port: int | None = None, **settings: str) -> None:
        self.port = port or free_port()
        self.data_dir = directory / "var"
        self.log_path = directory / "site.log"
        self._mark = secrets.token_hex(8)
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            _MARK: self._mark,
            "PORT": str(self.port),
            "DATA_DIR": str(self.data_dir),
            "WEB_CONCURRENCY": "2",
            "TUTOR_RATE_LIMIT": "100000/minute",
            "STUDY_RATE_LIMIT": "100000/minute",
            "SEARCH_RATE_LIMIT": "100000/minute",
            "TODOS_RATE_LIMIT": "100000/minute",
            "STORIES_RATE_LIMIT": "100000/minute",
            "REGISTRATION_RATE_LIMIT": "100000/minute",
            "DRAIN_SECONDS": "2",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0

    # -- life

    def start(self) -> Self:
        """Start it and wait until all workers serve."""
        directory = self.log_path.parent
        directory.mkdir(parents=True, exist_ok=True)
        self._started_at = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scripts.serve"], cwd=ROOT, env=self._environ, stdout=log, stderr=log
            )
        eventually(self._serves, within_s=_START_S, what=f"the site does not serve:\n{self.tail()}")
        return self

    def _serves(self) -> bool:
        assert self._process
        assert self._process.poll() is None, f"the site ended:\n{self.tail()}"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            try:
                connection.request("GET", "/readyz")
                ready = connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False
        return ready and len(self.workers()) == int(self._environ["WEB_CONCURRENCY"])

    @property
    def is_up(self) -> bool:
        """Whether its master lives."""
        return self._process is not None and self._process.poll() is None

    def tell(self, number: int) -> None:
        """Signal the master."""
        assert self._process
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, *, within_s: float = 45.0) -> None:
        """Signal the master and wait for its end."""
        assert self._process
        if self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(within_s)

    def destroy(self) -> None:
        """Leave nothing, however the test went."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        # More than once: what is killed last may have started something since it was counted.
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(POLL_S)
        self.socket.unlink(missing_ok=True)

    # -- what it consists of

    @property
    def master(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def socket(self) -> Path:
        """Where the embedded Valkey listens."""
        return socket_path(self.data_dir)

    def processes(self) -> set[int]:
        """Everything that this site has started and that lives."""
        mark = f"{_MARK}={self._mark}".encode()
        # Valkey writes its title over its environment.
        title = f"unixsocket:{self.socket}"
        found = set()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    if mark in (folder / "environ").read_bytes().split(b"\0") or title in _command(int(folder.name)):
                        found.add(int(folder.name))
        return found

    def workers(self) -> set[int]:
        """The pids of the workers that have not ended, draining ones too."""
        children = Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()
        return {int(pid) for pid in children if "gunicorn" in _command(int(pid))}

    def valkey(self) -> int | None:
        """The pid of the embedded server, if it lives."""
        return next((pid for pid in self.processes() if _is_valkey(_command(pid))), None)

    # -- what it says

    def lines(self, *, since: int | None = None, **fields: str) -> list[dict[str, str]]:
        """The log's lines that have all of these fields, from the last start on."""
        with self.log_path.open("rb") as log:
            log.seek(self._started_at if since is None else since)
            text = log.read().decode("utf-8", "replace")
        parsed = ({name: value.strip('"') for name, value in _FIELD.findall(line)} for line in text.splitlines())
        return [line for line in parsed if all(line.get(name) == value for name, value in fields.items())]

    def pid_of_request(self, request_id: str) -> int:
        """Which worker took a request, by the lines that it logged under it."""
        found = eventually(lambda: self.lines(request_id=request_id), what=f"no line of request {request_id}")
        return int(found[0]["pid"])

    def owner_of(self, stream_id: str) -> int:
        """Which worker has (had) the latest run of a stream, by the run's start line."""
        started = eventually(
            lambda: self.lines(event="run started", stream_id=stream_id), what=f"no run of {stream_id} has started"
        )
        return int(started[-1]["pid"])

    def message(self, stream_id: str) -> dict[str, Any]:
        """A stream's latest answer as the database has it, read past the site."""
        with contextlib.closing(sqlite3.connect(f"file:{self.data_dir}/rill.sqlite3?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            query = "SELECT * FROM messages WHERE stream_id = ? AND role = 'assistant' ORDER BY position DESC"
            row = database.execute(query, (stream_id,)).fetchone()
        return dict(row) if row else {}

    def tail(self) -> str:
        """The end of the log, for a failure's message."""
        return self.log_path.read_text("utf-8", "replace")[-4000:] if self.log_path.exists() else ""

    def complaints(self) -> list[str]:
        """Lines that no test expects; what the master says of a worker that a test killed comes when it likes."""
        with self.log_path.open("rb") as log:
            log.seek(self._started_at)
            text = log.read().decode("utf-8", "replace")
        return [
            line
            for line in text.splitlines()
            if ("Traceback" in line or "level=ERROR" in line) and "was sent SIGKILL!" not in line
        ]


@contextlib.contextmanager
def running(directory: Path, *, port: int | None = None, **settings: str) -> Iterator[Site]:
    """A site for the length of the block; nothing of it is left afterwards."""
    site = Site(directory, port=port, **settings)
    try:
        yield site.start()
        site.stop()
    finally:
        site.destroy()


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def _is_valkey(command: str) -> bool:
    # The keeper names the server's program among its arguments.
    return "valkey-server" in command and "valkey_keeper" not in command
