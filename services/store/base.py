"""What every table shares: the declarative base, column types, ids and the clock.

Texts and times are made safe here, once, so that both databases keep the same thing.
"""

import json
import os
import re
import time
import unicodedata
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import DateTime, Dialect, MetaData, Table, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

# PostgreSQL refuses NUL in a text; neither driver can encode a lone surrogate. Both can arrive in JSON.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def clean(text: str) -> str:
    """The text as both databases can keep it: without NUL, lone surrogates as U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


class Words(TypeDecorator[str]):
    """Text of any length, cleaned on its way in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 (SQLAlchemy's signature)
        return None if value is None else clean(value)


class Json(TypeDecorator[Any]):
    """A JSON value, kept as text: nothing is queried inside it, and both databases keep it alike."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 (SQLAlchemy's signature)
        return None if value is None else clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 (SQLAlchemy's signature)
        return None if value is None else json.loads(value)


class Instant(TypeDecorator[datetime]):
    """A moment, always aware and in UTC; SQLite keeps no zone by itself."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Every table's base. No relationships: rows leave their session and must not load lazily."""

    # Named constraints: a later migration can address them on both databases.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: Words, datetime: Instant}  # noqa: RUF012 (SQLAlchemy reads it once)


# What a column holds that must not leave the site, not even in its owner's export.
SECRET: Final = {"secret": True}
# What a table holds that its owner's export leaves out: it is given back in another way, or made of what is.
APART: Final = {"apart": True}


def utc_now() -> datetime:
    """The time on this machine."""
    return datetime.now(UTC)


class _Ids:
    """Makes ids; ids made in one process never go backwards, even if its clock does."""

    def __init__(self) -> None:
        self._last = 0

    def make(self) -> str:
        self._last = max(time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big") >> 1, self._last + 1)
        return "".join(_CROCKFORD[self._last >> shift & 31] for shift in range(125, -1, -5))


_ids = _Ids()


def new_id() -> str:
    """A fresh id: 26 characters, 48 bits of milliseconds, then chance; sorts by the time it was made."""
    return _ids.make()


def same_word(text: str) -> str:
    """The form under which two spellings of one word (an e-mail address) are the same."""
    return unicodedata.normalize("NFKC", clean(text).strip()).casefold()


def insert_into(session: Session, row: type[Base]) -> "sqlite.Insert | postgresql.Insert":
    """The database's own INSERT, which knows ON CONFLICT; SQLAlchemy has no common one."""
    return insert_for(session.get_bind().dialect.name, row)


def insert_for(dialect: str, row: type[Base] | Table) -> "sqlite.Insert | postgresql.Insert":
    """The same by the database's name, for a statement that is built once."""
    return postgresql.insert(row) if dialect == "postgresql" else sqlite.insert(row)
