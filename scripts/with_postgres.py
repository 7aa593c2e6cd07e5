"""Run a command beside a PostgreSQL of its own: `python -m scripts.with_postgres COMMAND...`.

The server is Debian's, on a Unix socket in a temporary folder, with no port. The command finds it in
`TEST_DATABASE_URL`; its exit status is ours.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

# initdb and postgres refuse to run as root; either of these may own a temporary folder.
UNPRIVILEGED = ("postgres", "nobody")


def main(command: list[str]) -> int:
    """Run the command and say how it ended."""
    with server() as url:
        return subprocess.run(command, env={**os.environ, "TEST_DATABASE_URL": url}, check=False).returncode


@contextmanager
def server() -> Iterator[str]:
    """A new, empty PostgreSQL for the length of the block; yields its URL."""
    programs = find_programs()
    # A short path: a socket's has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="rill-pg-", dir="/tmp") as name:
        folder, prefix = Path(name), []
        if os.getuid() == 0:
            user = next(filter(None, map(user_named, UNPRIVILEGED)))
            os.chown(folder, user.pw_uid, user.pw_gid)
            prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
        data, log = folder / "data", folder / "log"
        settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"
        run([*prefix, programs / "initdb", "-D", data, "-U", "rill", "-A", "trust", "-E", "UTF8", "--no-sync"], folder)
        run([*prefix, programs / "pg_ctl", "-D", data, "-l", log, "-w", "-o", settings, "start"], folder)
        try:
            run([programs / "createdb", "-h", folder, "-U", "rill", "rill"], folder)
            yield f"postgresql+psycopg://rill@/rill?host={quote(str(folder), safe='')}"
        finally:
            run([*prefix, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], folder)


def find_programs() -> Path:
    """The folder of the newest PostgreSQL here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    if on_path:
        return Path(on_path).resolve().parent
    sys.exit("PostgreSQL's server is missing. On Debian and Ubuntu: apt install postgresql")


def user_named(name: str) -> pwd.struct_passwd | None:
    """The account, or None if this machine has none of that name."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def run(command: list[str | Path], folder: Path) -> None:
    """Run one of PostgreSQL's programs, quiet unless it fails."""
    # Not captured: the server would hold the pipe open, and pg_ctl's end would never be seen.
    with (folder / "words").open("w+") as words:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=words, stderr=words, check=False)
        if done.returncode:
            words.seek(0)
            sys.exit(f"PostgreSQL did not start: {words.read()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
