"""What stands between this site and its readers: limits, deadlines, turns, and disbelief."""

import json
import os
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
import zlib
from typing import Any, BinaryIO, cast

import gevent
import pytest

from services import errors
from services.media.reader import Reader
from services.reading import kinds
from services.reading.kinds import Picture, Reading, Refused
from tests import uploads


def reading(reader: Reader, content: bytes = b"x", user_id: int = 1) -> Reading:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        return reader.read(user_id, cast(BinaryIO, file))


def saying(program: str) -> Reader:
    """A reader whose child is this program instead."""
    return Reader(deadline_s=20, command=(sys.executable, "-c", textwrap.dedent(program)))


def writing(*records: Any, rest: bytes = b"") -> Reader:
    """A reader whose child writes just this."""
    told = b""
    for record in records:
        line = record if isinstance(record, bytes) else json.dumps(record).encode()
        told += struct.pack(">I", len(line)) + line
    packed = zlib.compress(told + rest)
    return saying(f"import sys, zlib; sys.stdout.buffer.write(zlib.decompress({packed!r}))")


def refusal(reader: Reader, content: bytes = b"x", user_id: int = 1) -> str:
    with pytest.raises(Refused) as refused:
        reading(reader, content, user_id)
    return refused.value.reason


TEXT = {"mime": kinds.TEXT, "pages": ["words"], "page_count": None}
PDF = {"mime": kinds.PDF, "pages": ["one", "two"], "page_count": 2}
THUMBNAIL = {"role": "thumbnail", "mime": kinds.WEBP, "bytes": 3}


def test_a_child_reads_the_file() -> None:
    found = reading(Reader(), uploads.pdf(["One.", "Two."]))

    assert list(found.pages) == ["One.", "Two."]
    assert found.pictures.keys() == {"thumbnail"}


def test_two_hundred_pages_are_read_within_seconds() -> None:
    pages = [f"Page {number}.\n" + "\n".join(["Light and water become sugar."] * 55) for number in range(200)]
    began = time.monotonic()

    found = reading(Reader(), uploads.pdf(pages))

    assert time.monotonic() - began < 10
    assert found.page_count == 200
    assert found.pages[199].startswith("Page 199.\nLight")


@pytest.mark.req("D1-27")
@pytest.mark.parametrize("content", [uploads.zip_bomb(), uploads.pixel_bomb(), uploads.locked_pdf()])
def test_what_the_child_refuses_is_refused(content: bytes) -> None:
    assert refusal(Reader(), content) in {kinds.NOT_TEXT, kinds.TOO_MANY_PIXELS, kinds.LOCKED}


@pytest.mark.slow
@pytest.mark.req("D1-27")
def test_a_page_that_unpacks_to_gigabytes_ends_within_its_limits() -> None:
    hurried = "from services.reading import __main__ as child; child.CPU_S = 2; child.main()"
    began = time.monotonic()

    assert refusal(saying(hurried), uploads.stream_bomb()) == kinds.TOO_HEAVY
    assert time.monotonic() - began < 20


@pytest.mark.slow
def test_a_page_that_takes_for_ever_to_draw_has_its_text_and_no_picture() -> None:
    found = reading(Reader(), uploads.slow_page())

    assert (found.page_count, found.pictures) == (1, {})


def test_a_child_that_hangs_is_ended() -> None:
    reader = Reader(deadline_s=0.5, command=(sys.executable, "-c", "import signal; signal.pause()"))
    began = time.monotonic()

    assert refusal(reader) == kinds.TOO_HEAVY
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(1)",
        "import os; os.abort()",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "pass",
        "import sys; sys.stdout.buffer.write(b'\\xff\\xff\\xff\\xff')",
        "import sys; sys.stdout.buffer.write(b'\\x00\\x00\\x00\\x09{}')",
    ],
)
def test_a_child_that_ends_without_a_word_has_read_nothing(program: str) -> None:
    assert refusal(saying(program)) == kinds.TOO_HEAVY


@pytest.mark.parametrize(
    "record",
    [
        b"no json",
        [],
        {},
        {"refused": "a word of its own"},
        {"refused": ["unhashable"]},
        {**TEXT, "mime": "text/html"},
        {**TEXT, "mime": None},
        {**TEXT, "pages": "words"},
        {**TEXT, "pages": [1]},
        {**TEXT, "pages": ["x" * (kinds.MAX_CHARS + 1)]},
        {**TEXT, "page_count": 1},
        {**PDF, "page_count": None},
        {**PDF, "page_count": 3},
        {**PDF, "page_count": "2"},
        {**PDF, "pages": [""] * 1001, "page_count": 1001},
    ],
)
def test_a_child_that_makes_no_sense_is_not_believed(record: Any) -> None:
    assert refusal(writing(record)) == kinds.BROKEN


@pytest.mark.parametrize(
    "announced",
    [
        {**THUMBNAIL, "mime": "image/svg+xml"},
        {**THUMBNAIL, "role": "content"},
        {**THUMBNAIL, "bytes": -1},
        {**THUMBNAIL, "bytes": 1 << 40},
        {"role": "thumbnail"},
    ],
)
def test_a_picture_that_cannot_be_ours_is_not_believed(announced: dict[str, Any]) -> None:
    assert refusal(writing(PDF, announced, rest=b"abc")) == kinds.BROKEN


@pytest.mark.slow
def test_a_text_is_kept_from_a_child_that_broke_off_in_its_picture() -> None:
    whole = reading(writing(PDF, THUMBNAIL, rest=b"abc"))
    cut = reading(writing(PDF, THUMBNAIL, rest=b"ab"))

    assert whole.pictures == {"thumbnail": Picture(kinds.WEBP, b"abc")}
    assert (cut.pages, cut.pictures) == (["one", "two"], {})


@pytest.mark.slow
def test_a_picture_without_the_one_for_a_model_was_not_read() -> None:
    head: dict[str, Any] = {"mime": kinds.PNG, "pages": [], "page_count": None}

    assert refusal(writing(head, THUMBNAIL, rest=b"abc")) == kinds.TOO_HEAVY


def test_the_child_gets_no_secret_and_no_open_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a secret")
    program = """
        import json, os, struct, sys
        names = sorted(set(os.environ) - {"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LC_CTYPE"})
        files = sorted(int(name) for name in os.listdir("/proc/self/fd"))
        line = json.dumps({"mime": "text/plain", "pages": [json.dumps([names, files])], "page_count": None}).encode()
        sys.stdout.buffer.write(struct.pack(">I", len(line)) + line)
    """
    with open(os.devnull) as other:
        os.set_inheritable(other.fileno(), True)

        names, files = json.loads(reading(saying(program)).pages[0])

    assert names == []
    assert files[:3] == [0, 1, 2]
    assert len(files) <= 4, "the fourth is the folder that is listed"


def test_the_child_is_confined_before_it_reads() -> None:
    program = """
        import resource
        from services.reading.__main__ import MEMORY_BYTES, RESULT_BYTES, confined
        confined()
        assert resource.getrlimit(resource.RLIMIT_AS) == (MEMORY_BYTES, MEMORY_BYTES)
        assert resource.getrlimit(resource.RLIMIT_FSIZE) == (RESULT_BYTES, RESULT_BYTES)
        assert resource.getrlimit(resource.RLIMIT_CPU)[0] <= 20
        try:
            bytearray(2 * MEMORY_BYTES)
        except MemoryError:
            print("refused")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)

    assert done.stdout == "refused\n"


def test_the_child_ends_with_its_owner() -> None:
    program = """
        import os, subprocess, sys
        child = "import os; from services.reading.__main__ import confined; confined(); print('on', flush=True);"
        child += "os.read(0, 1)"
        started = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert started.stdout.readline() == b"on\\n"
        print(started.pid, flush=True)
        os.kill(os.getpid(), 9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    child = int(done.stdout)

    with gevent.Timeout(10):
        while is_alive(child):
            gevent.sleep(0)


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def slow() -> Reader:
    """A reader of two at once whose children hang, and which waits for turns hardly at all."""
    return Reader(patience_s=0.2, deadline_s=2, command=(sys.executable, "-c", "import signal; signal.pause()"))


@pytest.mark.slow
def test_a_person_with_slow_files_waits_and_others_do_not(slow: Reader) -> None:
    first = gevent.spawn(refusal, slow)
    gevent.sleep(0)

    with pytest.raises(errors.Unavailable) as unavailable:
        reading(slow)
    assert unavailable.value.retry_after_s
    assert refusal(slow, user_id=2) == kinds.TOO_HEAVY, "had a turn while the first one's file was being read"
    assert first.get(timeout=10) == kinds.TOO_HEAVY


@pytest.mark.slow
def test_turns_are_forgotten_when_nobody_waits() -> None:
    reader = writing(TEXT)
    for user_id in range(5):
        reading(reader, user_id=user_id)

    assert not reader._turns


def test_a_scan_comes_with_its_pages_as_pictures() -> None:
    found = reading(Reader(), uploads.scan(2, texts={1: "Words."}))

    assert found.pictures.keys() == {"thumbnail", "page-2"}
    assert found.pictures["page-2"].mime == kinds.JPEG


@pytest.mark.parametrize("role", ["page-0", "page-", "page--1", "page-12345", "page-1\n", 7])
def test_a_picture_of_no_page_is_not_believed(role: Any) -> None:
    told = {"role": role, "mime": kinds.JPEG, "bytes": 3}

    assert refusal(writing(PDF, told, rest=b"abc")) == kinds.BROKEN


def test_more_pictures_than_were_asked_for_are_left_out() -> None:
    many = b"".join(
        struct.pack(">I", len(line)) + line + b"abc"
        for number in range(1, 40)
        for line in [json.dumps({"role": f"page-{number}", "mime": kinds.JPEG, "bytes": 3}).encode()]
    )

    assert len(reading(writing(PDF, rest=many)).pictures) == 2 + kinds.MAX_DRAWN_PAGES
