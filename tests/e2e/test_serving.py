"""`make run`'s processes: what they leave, what they refuse, what they log. And the set-up before it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients import Account
from tests.e2e.sites import ROOT, Site, eventually, free_port

SETUP = ("scripts/setup.sh", "scripts/setup.py")
STAMP = ".venv/rill-setup.json"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_site_leaves_no_process_and_no_socket(site: Site, number: int) -> None:
    assert site.valkey() is not None
    assert site.socket.exists()

    site.stop(number)

    assert site.processes() == set()
    assert not site.socket.exists()


def test_ctrl_c_while_the_workers_start_is_heard_by_all(tmp_path: Path) -> None:
    log = tmp_path / "site.log"
    environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "var"), "PORT": str(free_port())}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.serve"],
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    eventually(lambda: log.read_text().count("Booting worker") == 2, within_s=30, what="no workers start")

    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(25) == 0
    said = log.read_text()
    assert "SIGKILL" not in said, "a worker did not hear it, and was waited for"
    assert "Traceback" not in said


def test_a_killed_master_takes_everything_along(site: Site) -> None:
    site.tell(signal.SIGKILL)

    eventually(lambda: not site.processes() - {site.master}, what="something outlived the master")

    assert not site.socket.exists()


def test_valkey_lives_through_a_reload_with_what_it_holds(site: Site) -> None:
    valkey, workers = site.valkey(), site.workers()

    site.tell(signal.SIGHUP)

    eventually(lambda: site.workers() and not site.workers() & workers, within_s=30, what="the old workers stay")
    assert site.valkey() == valkey


def test_a_reload_brings_back_a_keeper_that_was_killed(site: Site) -> None:
    valkey = site.valkey()
    assert valkey is not None
    keeper = int(Path(f"/proc/{valkey}/stat").read_text().rpartition(")")[2].split()[1])

    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: site.valkey() is None, what="the server outlived its keeper")
    site.tell(signal.SIGHUP)

    eventually(site.valkey, what="the server did not come back")


def test_a_second_site_on_the_same_data_is_refused_with_one_line(site: Site) -> None:
    second = serve(DATA_DIR=str(site.data_dir), PORT=str(free_port()))

    assert second.returncode == 1
    said = [line for line in second.stderr.splitlines() if "level=INFO" not in line]
    assert said == [f"Another Rill already runs on {str(site.data_dir)!r}: stop it, or set another DATA_DIR"]
    assert site.valkey() is not None


def test_a_malformed_setting_stops_the_start_with_one_line(tmp_path: Path) -> None:
    done = serve(DATA_DIR=str(tmp_path), STREAM_TTL="soon")

    assert done.returncode == 1
    assert done.stderr == "STREAM_TTL must be a whole number from 60 to 2592000\n"


def test_a_port_that_is_taken_stops_the_start_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = serve(DATA_DIR=str(tmp_path), PORT=str(port))

    assert done.returncode == 1
    assert (
        done.stderr == f"Cannot listen on 127.0.0.1, port {port}: Address already in use. Set another PORT (or BIND).\n"
    )


def test_a_database_that_is_away_stops_the_start_with_one_line(tmp_path: Path) -> None:
    done = serve(DATA_DIR=str(tmp_path), PORT=str(free_port()), DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")

    assert done.returncode == 1
    assert done.stderr == "DATABASE_URL: The database cannot be reached or opened.\n"


def serve(**settings: str) -> "subprocess.CompletedProcess[str]":
    """A start that is expected to fail."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.serve"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_query_strings_reach_no_log(site: Site) -> None:
    account = Account(site)

    account.call("GET", "/v1/tutor/stream?token=not-to-be-logged")
    account.call("GET", "/api/conversations?q=not-to-be-logged")
    site.stop()

    log = site.log_path.read_text()
    assert "path=/v1/tutor/stream" in log
    assert "not-to-be-logged" not in log


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone that requires nothing, so that its set-up needs no network; its path holds a space and is long."""
    folder = tmp_path / ("a long path " * 10).strip()
    (folder / "scripts").mkdir(parents=True)
    for name in SETUP:
        shutil.copy(ROOT / name, folder / name)
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-e2e.txt"):
        (folder / name).write_text("")
    assert len(os.fsencode(folder)) > 107
    return folder


def set_up(folder: Path, path: str = os.environ["PATH"]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/bin/sh", "scripts/setup.sh", "requirements.txt"],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def spoil_by_killing_it_in_the_middle(folder: Path) -> Path:
    (folder / STAMP).unlink()
    return folder


def spoil_by_cutting_the_stamp(folder: Path) -> Path:
    (folder / STAMP).write_text('{"venv": ')
    return folder


def spoil_by_moving_it(folder: Path) -> Path:
    return folder.rename(folder.with_name("elsewhere"))


def spoil_by_removing_its_python(folder: Path) -> Path:
    python = folder / ".venv/bin/python3"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    return folder


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_by_killing_it_in_the_middle,
        spoil_by_cutting_the_stamp,
        spoil_by_moving_it,
        spoil_by_removing_its_python,
    ],
)
def test_a_set_up_that_is_not_whole_is_made_again(clone: Path, spoil: Callable[[Path], Path]) -> None:
    first, second = set_up(clone), set_up(clone)
    assert first.returncode == 0, first.stderr
    assert "Setting up" in first.stdout
    assert second.stdout == "", "a whole one is left alone"
    (clone / ".venv/leftover").write_text("of the old one")

    folder = spoil(clone)
    again = set_up(folder)

    assert "Setting up" in again.stdout, again.stderr
    assert not (folder / ".venv/leftover").exists()
    assert set_up(folder).stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["begun", "half made"])
def test_a_set_up_that_is_stopped_says_what_to_do_and_is_made_again(clone: Path, number: int, stage: str) -> None:
    sign = clone / (".venv" if stage == "begun" else ".venv/lib")
    command = ["/bin/sh", "scripts/setup.sh", "requirements.txt"]
    with subprocess.Popen(
        command, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as begun:
        assert begun.stdout
        assert begun.stdout.readline().startswith("Setting up")
        eventually(lambda: sign.exists() and (stage == "begun" or any(sign.rglob("pip"))))
        os.killpg(begun.pid, number)
        said = begun.communicate(timeout=30)[1]

    assert processes_of(begun.pid) == [], "they would write into the next one"
    assert not (clone / STAMP).exists(), "needs a set-up that was stopped before its end"
    assert said == "The set-up was stopped. Run the same command again: it begins anew.\n"
    assert "Setting up" in set_up(clone).stdout
    assert set_up(clone).stdout == ""


def processes_of(session: int) -> list[str]:
    """What lives in a session, by its command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append((process / "cmdline").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_new_requirements_are_installed_into_a_whole_set_up(clone: Path) -> None:
    set_up(clone)
    (clone / "requirements.txt").write_text("# changed\n")

    assert "Bringing .venv up to date" in set_up(clone).stdout
    assert set_up(clone).stdout == ""


def machine(folder: Path, python: str) -> str:
    """A PATH with this program as its only Python."""
    tools = folder / "bin"
    tools.mkdir()
    for tool in ("sh", "dirname", "head"):
        found = shutil.which(tool)
        assert found
        (tools / tool).symlink_to(found)
    (tools / "python3").write_text(f"#!/bin/sh\n{python}\n")
    (tools / "python3").chmod(0o755)
    return str(tools)


def test_a_missing_venv_module_is_told_in_one_line_with_its_remedy(clone: Path, tmp_path: Path) -> None:
    has_none = 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac'

    done = set_up(clone, machine(tmp_path, has_none))

    assert done.returncode == 1
    assert done.stderr == "python3 has no venv module. On Debian and Ubuntu: apt install python3-venv\n"


def test_a_python_too_old_is_told_in_one_line_with_its_remedy(clone: Path, tmp_path: Path) -> None:
    is_old = 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi'

    done = set_up(clone, machine(tmp_path, is_old))

    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer is needed, and Python 3.9.2 is here.")
    assert done.stderr.count("\n") == 1


def test_a_machine_without_python_is_told_in_one_line_what_to_get(clone: Path, tmp_path: Path) -> None:
    path = machine(tmp_path, "")
    (tmp_path / "bin" / "python3").unlink()

    done = set_up(clone, path)

    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer is needed, and none is here.")
    assert done.stderr.count("\n") == 1
