import io
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gevent
import pytest

from services import logs
from services.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(secret_key="0123456789abcdef", data_dir=tmp_path)


@pytest.fixture
def written(settings: Settings) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure(settings, stream=stream)
    yield stream
    root.handlers[:], root.level = before, level
    logging.getLogger("services.streaming").setLevel(logging.NOTSET)


def last_line(written: io.StringIO) -> str:
    return written.getvalue().splitlines()[-1]


def test_a_line_names_time_level_process_logger_and_event(written: io.StringIO) -> None:
    logging.getLogger("services.demo").warning("slot refused")

    assert re.fullmatch(
        rf"time=\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}\+00:00 level=WARNING pid={os.getpid()} "
        r'logger=services\.demo event="slot refused"',
        last_line(written),
    )


def test_fields_of_the_record_follow_its_event(written: io.StringIO) -> None:
    extra = {"events": 12, "duration_s": 0.5, "resumed": True, "reason": None}

    logging.getLogger("services.demo").info("run ended", extra=extra)

    assert last_line(written).endswith('event="run ended" events=12 duration_s=0.5 resumed=true')


def test_an_address_that_opens_something_by_itself_is_not_told(written: io.StringIO) -> None:
    logging.getLogger("services.demo").error(
        "Exception on /todos/feed/s3cret.ics [GET]", extra={"path": "/todos/feed/s3cret"}
    )

    assert last_line(written).endswith('event="Exception on /todos/feed/... [GET]" path=/todos/feed/...')


def test_ids_stand_on_every_line_inside_and_on_none_outside(written: io.StringIO) -> None:
    logger = logging.getLogger("services.demo")

    with logs.about(request="r-1"):
        with logs.about(run="run-7"):
            logger.info("inside")
            inside = last_line(written)
        logger.info("between")
        between = last_line(written)
    logger.info("outside")

    assert "request_id=r-1 run_id=run-7" in inside
    assert "request_id=r-1" in between
    assert "run_id" not in between
    assert "_id=" not in last_line(written)


def test_an_id_given_with_the_record_wins(written: io.StringIO) -> None:
    with logs.about(run="run-1"):
        logging.getLogger("services.demo").info("reaped", extra={"run_id": "run-2"})

    assert last_line(written).count("run_id=") == 1
    assert "run_id=run-2" in last_line(written)


def test_greenlets_do_not_see_each_others_ids(written: io.StringIO) -> None:
    logger = logging.getLogger("services.demo")

    def work(name: str) -> None:
        with logs.about(request=name):
            gevent.sleep(0)
            logger.info("done %s", name)

    with logs.about(request="parent"):
        gevent.joinall([gevent.spawn(work, f"r{number}") for number in range(5)], raise_error=True)

    lines = written.getvalue().splitlines()
    assert len(lines) == 5
    for line in lines:
        name = re.search(r'event="done (r\d)"', line)
        assert name
        assert f"request_id={name[1]} " in line


@pytest.mark.parametrize("value", ['a" event="forged', "line\nlevel=ERROR", "x\r\ny", "a\u2028b", "\x1b[31m", "\ud800"])
def test_a_value_can_neither_end_its_line_nor_forge_a_field(written: io.StringIO, value: str) -> None:
    logging.getLogger("services.demo").info("seen", extra={"detail": value})

    text = written.getvalue()
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1
    quoted = re.search(r'detail="((?:[^"\\]|\\.)*)"$', text.rstrip("\n"))
    assert quoted, "the value is one quoted string, to the end of the line"
    assert all(ord(character) >= 0x20 for character in quoted[1])


def test_an_exception_is_part_of_its_line(written: io.StringIO) -> None:
    try:
        raise ValueError("wrong\nthing")
    except ValueError:
        logging.getLogger("services.demo").exception("run failed")

    assert len(written.getvalue().splitlines()) == 1
    assert 'exception="Traceback' in last_line(written)
    assert "ValueError: wrong\\nthing" in last_line(written)


def test_streaming_tells_details_only_when_asked(written: io.StringIO, settings: Settings) -> None:
    logger = logging.getLogger("services.streaming.hub")

    logger.debug("quiet")
    assert written.getvalue() == ""
    logs.configure(replace(settings, enable_logs=True), stream=written)
    logger.debug("told")

    assert "level=DEBUG" in last_line(written)
    assert "event=told" in last_line(written)


def test_configuring_again_does_not_double_the_lines(written: io.StringIO, settings: Settings) -> None:
    logs.configure(settings, stream=written)

    logging.getLogger("services.demo").info("once")

    assert len(written.getvalue().splitlines()) == 1


def test_libraries_that_tell_urls_are_quiet(written: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://example.org/?token=secret")

    assert written.getvalue() == ""
