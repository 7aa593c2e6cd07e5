"""What the README promises, on a fresh clone: nothing set up, nothing in any cache, not root, an awkward path."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.chats import PROBLEM, answer, ended, shown, watch_lengths
from tests.e2e.conftest import PASSWORD
from tests.e2e.sites import ROOT, eventually, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

Record = Callable[[str, object], None]

NOBODY: Final = 65534
PATH: Final = "/usr/local/bin:/usr/bin:/bin"
# How to reach the network is the machine's affair; all else of the environment is left behind.
NETWORK: Final = ("PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
SET_UP_WITHIN_S: Final = 600.0


@dataclass(slots=True)
class Clone:
    """A clone whose owner runs make in it, as in a terminal; `port` is where `make run` serves."""

    folder: Path
    home: Path
    port: int

    def make(self, *arguments: str, log: Path) -> "subprocess.Popen[bytes]":
        """`make` with a new environment, as the leader of a process group of its own."""
        kept = [f"{name}={os.environ[name]}" for name in NETWORK if name in os.environ]
        command = [*_as_nobody(), "env", "-i", f"HOME={self.home}", f"PATH={PATH}", *kept, "make", *arguments]
        with log.open("wb") as output:
            return subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
            )

    @contextlib.contextmanager
    def running(self, log: Path, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
        """`make run`, once it serves; at the end it has been stopped by Ctrl-C."""
        told = [f"{name}={value}" for name, value in settings.items()]
        process = self.make("run", f"PORT={self.port}", *told, log=log)
        try:
            eventually(
                lambda: process.poll() is not None or self.serves(), within_s=SET_UP_WITHIN_S, what="it does not serve"
            )
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            interrupt(process)

    def serves(self) -> bool:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    def processes(self) -> dict[int, str]:
        """What runs in the clone, or from it, with its command line."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    places = [os.readlink(folder / name) for name in ("cwd", "exe")]
                    if any(Path(place).is_relative_to(self.folder) for place in places):
                        found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def valkey_socket(self) -> Path:
        """Where the embedded Valkey listens, by its title."""
        titles = [line.split("unixsocket:")[1] for line in self.processes().values() if "unixsocket:" in line]
        assert len(titles) == 1, self.processes()
        return Path(titles[0].strip())

    def packages(self) -> int:
        return len(list(self.folder.glob(".venv/lib/python3*/site-packages/*")))


def _as_nobody() -> list[str]:
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Ctrl-C: to everything in the foreground."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    # Not below pytest's folder: that is closed to others than its owner.
    above = Path(tempfile.mkdtemp(prefix="fresh-clone-"))
    above.chmod(0o755)
    folder = above / ("a folder with a long name " * 4).strip() / "rill"
    home = above / "home"
    home.mkdir()
    assert len(os.fsencode(folder)) > 107
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, folder], check=True)
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", above], check=True)
    made = Clone(folder, home, free_port())
    yield made
    for pid in made.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(above, ignore_errors=True)


def test_a_set_up_whose_pip_was_killed_says_so_and_is_made_again(
    clone: Clone, tmp_path: Path, record_property: Record
) -> None:
    log = tmp_path / "killed.log"
    began = time.monotonic()
    process = clone.make("run", f"PORT={clone.port}", log=log)

    def installing() -> int | None:
        pips = [pid for pid, command in clone.processes().items() if " -m pip install " in command]
        return pips[0] if pips and clone.packages() > 15 else None

    pip = eventually(installing, within_s=SET_UP_WITHIN_S, what="pip installs nothing")
    assert pip
    os.kill(pip, signal.SIGKILL)

    assert process.wait(60) == 2
    said = log.read_text()
    assert said.startswith("Setting up .venv")
    assert "run the same command again" in said
    assert "Traceback" not in said
    record_property("until_pip_installed_s", round(time.monotonic() - began, 1))

    began = time.monotonic()
    with clone.running(log):
        record_property("until_it_serves_s", round(time.monotonic() - began, 1))
    assert log.read_text().startswith("Setting up .venv")
    assert clone.processes() == {}


def test_a_newcomer_reads_a_hint_and_ctrl_c_leaves_nothing(
    clone: Clone, make_page: Callable[..., Page], tmp_path: Path, record_property: Record
) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    page = make_page(clone)

    with clone.running(first, BUILTIN_PACE_MS="100"):
        assert f"Open http://127.0.0.1:{clone.port}" in first.read_text()
        listens_at = clone.valkey_socket()
        assert listens_at.exists()
        come_to_the_first_hint(page)
        page.wait_for_function("() => window.lengths.length > 5")
        assert page.evaluate("lengths") == sorted(page.evaluate("lengths"))
        expect(answer(page)).to_contain_text("Built-in engine")
        before = shown(page)

    assert clone.processes() == {}
    assert not listens_at.exists()
    assert not clone.serves()
    assert "Traceback" not in first.read_text()

    began = time.monotonic()
    with clone.running(second):
        record_property("until_it_serves_again_s", round(time.monotonic() - began, 1))
        page.goto(PROBLEM)
        ended(page, "interrupted")
        assert shown(page).startswith(before)
        page.get_by_role("button", name="Continue").click()
        ended(page)
        assert shown(page).startswith(before)

    assert "Setting up" not in second.read_text()
    assert clone.processes() == {}


def come_to_the_first_hint(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Create the first account").click()
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("link", name="Open the tutor").click()
    page.get_by_role("link", name="The odd sock").click()
    page.wait_for_load_state()
    watch_lengths(page)
    page.get_by_role("button", name="Give me a first hint").click()


def test_the_tests_run_there(clone: Clone, tmp_path: Path) -> None:
    log = tmp_path / "tests.log"

    done = clone.make("test", "ARGS=tests/test_app.py tests/test_structure.py", log=log).wait(SET_UP_WITHIN_S)

    assert done == 0, log.read_text()
    assert " passed" in log.read_text()
    assert clone.processes() == {}
