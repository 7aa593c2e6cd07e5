"""The ingestion's child, when it ends or talks nonsense; and how many may work at once."""

import sys
from contextlib import closing
from pathlib import Path

import gevent
import pytest

from services.knowledge.lanes import Lanes
from services.knowledge.workshop import COMMAND, Workshop
from tests.services.knowledge.readers import Reader, eventually


@pytest.mark.slow
def test_a_child_that_ends_is_replaced_once(reader: Reader, tmp_path: Path) -> None:
    mark = tmp_path / "was here"
    program = (
        f"import os, pathlib; mark = pathlib.Path({str(mark)!r}); first = not mark.exists(); mark.touch()\n"
        f"if not first: os.execv({sys.executable!r}, {list(COMMAND)!r})"
    )
    document = reader.add("Words.")

    with closing(Workshop(command=(sys.executable, "-c", program))) as workshop:
        reader.ingest(workshop=workshop).work()

    assert reader.is_whole(document)
    assert reader.get(document).attempts == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(1)",
        "import signal; signal.pause()",
        "import socket; socket.socket(fileno=0).sendall(b'\\xff\\xff\\xff\\xff')",
        "import socket; socket.socket(fileno=0).sendall(b'\\x00\\x00\\x00\\x02{}')",
        "import socket; socket.socket(fileno=0).sendall(b'\\x00\\x00\\x00\\x02[]')",
        "import socket; s = socket.socket(fileno=0); s.recv(9999); s.sendall(b'\\0\\0\\0\\x0d{\"chunks\":[]} ')",
    ],
)
def test_a_child_that_makes_no_sense_fails_its_document_only(reader: Reader, program: str) -> None:
    document = reader.add("Words.")

    with closing(Workshop(command=(sys.executable, "-c", program), silence_s=1.0)) as workshop:
        reader.ingest(workshop=workshop).work()

    assert reader.get(document).state == "failed"
    assert "too much memory or time" in (reader.get(document).error or "")


@pytest.mark.slow
def test_the_child_ends_after_a_while_without_work(reader: Reader) -> None:
    workshop = Workshop()
    document = reader.add("Words.")
    reader.ingest(workshop=workshop).work()
    assert workshop.pid is not None

    workshop.rest(60.0)
    assert workshop.pid is not None
    workshop.rest(0.0)

    assert workshop.pid is None
    assert reader.is_whole(document)


# -- lanes


def test_no_more_than_its_lanes_work_on_one_machine(tmp_path: Path) -> None:
    lanes = [Lanes(tmp_path, 2) for _ in range(3)]

    with lanes[0].one() as first, lanes[1].one() as second, lanes[2].one() as third:
        assert (first, second, third) == (0, 1, None)
    with lanes[2].one() as again:
        assert again == 0
    with Lanes(tmp_path, 0).one() as none:
        assert none is None


def test_a_site_without_lanes_reads_nothing(reader: Reader) -> None:
    document = reader.add("Words.")

    reader.ingest(INGEST_PROCESSES="0").run_for_ever()

    assert reader.get(document).state == "queued"


@pytest.mark.slow
def test_a_worker_that_is_woken_reads_at_once(reader: Reader) -> None:
    ingest = reader.ingest()
    at_work = gevent.spawn(ingest.run_for_ever)
    gevent.sleep(0)
    document = reader.add("Words.")

    ingest.wake()

    eventually(lambda: reader.get(document).is_at_rest)
    at_work.kill()
    assert reader.is_whole(document)
