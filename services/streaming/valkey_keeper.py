"""The program that keeps the embedded Valkey running: starts it, starts it again when it dies, and ends
it when its owner has ended, which it learns from the end of standard input.

Not for import: `embedded_valkey.EmbeddedValkey` executes it. Standard library only.
"""

import argparse
import contextlib
import ctypes
import fcntl
import logging
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Final

from services.streaming.embedded_valkey import READY, ValkeyNotStarted, folder, socket_path

logger = logging.getLogger(__name__)

# Within this a server that was asked to end has written its file; a stopped one cannot hear.
_END_TIMEOUT_S: Final = 2.0
# An owner that was killed and started again meets the keeper that is still ending the old server:
# that one is waited for, once it has seen its owner's end and said so in the lock's file.
_ENDING: Final = "ending"
_NOTICE_TIMEOUT_S: Final = 0.3
_POLL_S: Final = 0.01
# A server that lived this long is started again at once; before that, the pause doubles.
_STEADY_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.1
_LAST_PAUSE_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1


class Keeper:
    """One server, started again until the owner ends."""

    def __init__(self, binary: Path, data_dir: Path) -> None:
        self._binary = binary
        self._folder = folder(data_dir)
        self._lock = self._folder / "lock"
        self._socket = socket_path(data_dir)
        self._announced = False
        self._woken, wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wake, False)
        # The owner decides when to end, so signals only wake: a terminal or systemd that signals every
        # process at once must not take the server from workers that still drain. Handlers rather
        # than SIG_IGN, which the server would inherit.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self) -> None:
        """Keep a server until the owner ends.

        Raises:
            ValkeyNotStarted: The directory cannot be used, or the first server ended before it answered.
        """
        lock = self._prepare()
        pause_s = 0.0
        while not self._owner_leaves_within(pause_s):
            began = time.monotonic()
            server = self._spawn()
            try:
                if self._until_answer(server):
                    self._announce()
                elif not self._announced:
                    raise ValkeyNotStarted(self._why_not())
                while server.poll() is None and not self._owner_left(None):
                    pass
                if server.poll() is None:
                    self._lock.write_text(_ENDING)
            finally:
                ended = server.poll()
                _end(server)
            if ended is not None:
                logger.warning("embedded Valkey ended status=%s, starting it again", ended)
            lived_s = time.monotonic() - began
            pause_s = 0.0 if lived_s > _STEADY_S else min(max(2 * pause_s, _FIRST_PAUSE_S), _LAST_PAUSE_S)
        self._tidy()
        lock.close()

    def _prepare(self) -> IO[str]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._socket.parent != self._folder:
                _make_private(self._socket.parent)
            lock = self._lock.open("a")
        except OSError as problem:
            raise ValkeyNotStarted(f"{str(self._folder)!r} cannot be used: {problem.strerror}") from None
        began = time.monotonic()
        while not _locked(lock):
            patience_s = 2 * _END_TIMEOUT_S if self._lock.read_text() == _ENDING else _NOTICE_TIMEOUT_S
            if time.monotonic() - began > patience_s:
                raise ValkeyNotStarted(self._taken())
            time.sleep(_POLL_S)
        lock.truncate(0)
        if _answers(self._socket) is not None:
            raise ValkeyNotStarted(self._taken())
        (self._folder / "valkey.log").write_text("")
        return lock

    def _taken(self) -> str:
        return f"Another Rill already runs on {str(self._folder.parent)!r}: stop it, or set another DATA_DIR"

    def _spawn(self) -> subprocess.Popen[bytes]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "logfile": "valkey.log",
            "loglevel": "notice",
            # Every second, not every write: a killed server loses nothing, a lost machine one second.
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # What does not fit is refused, never evicted: a log with a hole would be worse.
            "maxmemory": "0",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        return subprocess.Popen(  # noqa: S603 - the path comes from an installed package
            [self._binary, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )

    def _until_answer(self, server: subprocess.Popen[bytes]) -> bool:
        """Wait until the server answers or the owner ends; False if the server ended before that."""
        while server.poll() is None:
            if _answers(self._socket) or self._owner_left(_POLL_S):
                return True
        return False

    def _announce(self) -> None:
        """Tell the owner that the server answers, once."""
        if not self._announced:
            self._announced = True
            with contextlib.suppress(BrokenPipeError):
                os.write(1, f"{READY}\n".encode())

    def _owner_left(self, timeout_s: float | None) -> bool:
        """Wait for the owner's end, a signal or the time-out; True if the owner has ended."""
        ready, _, _ = select.select([0, self._woken], [], [], timeout_s)
        if self._woken in ready:
            os.read(self._woken, 4096)
        return 0 in ready

    def _owner_leaves_within(self, pause_s: float) -> bool:
        deadline = time.monotonic() + pause_s
        while not self._owner_left(max(0.0, deadline - time.monotonic())):
            if time.monotonic() >= deadline:
                return False
        return True

    def _why_not(self) -> str:
        lines = (self._folder / "valkey.log").read_text(errors="replace").strip().splitlines()
        return f"The embedded Valkey does not start: {lines[-1] if lines else 'no word from it'}"

    def _tidy(self) -> None:
        self._socket.unlink(missing_ok=True)
        if self._socket.parent != self._folder:
            with contextlib.suppress(OSError):
                self._socket.parent.rmdir()


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _make_private(folder: Path) -> None:
    """Make a folder that only we can use, in a place where anybody may make one of that name."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise ValkeyNotStarted(f"{str(folder)!r} is not a private folder of ours: remove it")


def _answers(path: Path) -> bool | None:
    """Whether a server answers at the path; False while it loads, None if nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
        talk.settimeout(1.0)
        try:
            talk.connect(str(path))
        except OSError:
            return None
        try:
            talk.sendall(b"PING\r\n")
            return talk.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End a server: asked first, so that it writes its file; a stopped one cannot hear and is killed."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
    server.wait()


def main() -> None:
    """The child's program."""
    logging.basicConfig(format="[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s", level=logging.INFO)
    parser = argparse.ArgumentParser(description="Keeps the embedded Valkey running until standard input ends.")
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    arguments = parser.parse_args()
    os.umask(0o077)
    try:
        Keeper(arguments.binary, arguments.data_dir).run()
    except ValkeyNotStarted as refusal:
        print(refusal, flush=True)  # noqa: T201 - the owner reads it from the pipe and says it
        sys.exit(1)


if __name__ == "__main__":
    main()
