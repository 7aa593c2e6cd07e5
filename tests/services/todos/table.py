"""Reads the tables of this directory: moments, what was said at them, and what it has to mean."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent


class Row(NamedTuple):
    said: str
    meant: str
    now: datetime
    zone: str
    line: int


def rows(name: str) -> Iterator[Row]:
    now, zone = datetime.min.replace(tzinfo=UTC), ""
    for number, line in enumerate((HERE / name).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("# "):
            continue
        if line.startswith("@ "):
            moment, zone = line[2:].partition(" | ")[0].split()
            now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
            continue
        said, arrow, meant = line.partition(" -> ")
        assert arrow, f"{name}:{number} has no arrow"
        yield Row(said, meant.strip(), now, zone, number)
