"""Make .venv, or bring it up to date. Run by the system's Python (setup.sh finds it), so standard library only.

A stamp is written last. Without one that fits, what is there is a half-made set-up, one that was moved or
one whose Python has gone, and it is made again from nothing: pip takes a package that was cut off in the
middle for installed.
"""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "rill-setup.json"
# Each holds all of the one before it, in the same versions (tests/test_structure.py).
# Ctrl-C, an end from outside, and a terminal that is closed.
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FILES = ("requirements.txt", "requirements-dev.txt", "requirements-e2e.txt")


def main(wanted: str) -> None:
    """Do what is needed so that .venv holds what the file `wanted` pins."""
    files = FILES[: FILES.index(wanted) + 1]
    # Two commands started at once take turns. The lock is on this very file: nothing is left behind.
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = _stamp()
        if stamp is not None and all(stamp["files"].get(name) == _hash(name) for name in files):
            return
        if stamp is None:
            version = sys.version.split()[0]
            print(f"Setting up .venv with Python {version}; this takes about a minute and is done once.", flush=True)
            _remake()
            stamp = {"venv": str(VENV), "python": sys.version, "files": {}}
        else:
            print(f"Bringing .venv up to date with {wanted}.", flush=True)
            STAMP.unlink()
        _install(wanted)
        stamp["files"].update({name: _hash(name) for name in files})
        aside = STAMP.with_suffix(".new")
        aside.write_text(json.dumps(stamp))
        os.replace(aside, STAMP)


def _hash(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def _stamp() -> dict | None:
    """The stamp, if there is one and .venv still is what it says."""
    try:
        stamp = json.loads(STAMP.read_text())
        version = subprocess.run(
            [PYTHON, "-I", "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    fits = stamp.get("venv") == str(VENV) and stamp.get("python", "").strip() == version.strip()
    return stamp if fits and isinstance(stamp.get("files"), dict) else None


def _remake() -> None:
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    try:
        venv.create(VENV, symlinks=True)
    except OSError as problem:
        sys.exit(f"Cannot make {VENV}: {problem}")
    status, said = _run("-m", "ensurepip", "--upgrade", "--default-pip", stdout=subprocess.PIPE)
    if status:
        sys.exit(f"Cannot make {VENV}: {said.decode(errors='replace').strip()}")


def _install(name: str) -> None:
    options = ["--require-hashes", "--only-binary", ":all:", "--no-user", "-q", "--no-input"]
    options += ["--disable-pip-version-check", "--progress-bar", "off", "-r", str(ROOT / name)]
    status, _ = _run("-m", "pip", "install", *options)
    if status:
        sys.exit(f"pip could not install {name}; what it said is above. Mend that and run the same command again.")


def _run(*arguments: str, stdout: int | None = None) -> tuple[int, bytes]:
    """Run the new Python to its end; gives its status and, if they go to a pipe, its words.

    However this program is stopped, that one and all that it has started are gone first: they would go on
    to write into what the next set-up removes and makes again.
    """
    # A stop between the start and the `try` would lose the child. In a group of its own it hears no Ctrl-C.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    errors = subprocess.STDOUT if stdout else None
    child = subprocess.Popen(
        [PYTHON, "-I", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors, process_group=0
    )
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        said = child.communicate()[0]
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    return child.returncode, said or b""


if __name__ == "__main__":
    for stop in _STOPS:
        signal.signal(stop, signal.default_int_handler)
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit("The set-up was stopped. Run the same command again: it begins anew.")
