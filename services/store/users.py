"""Accounts: who may sign in, and everything that is kept about one person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Select, Table, func, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store.base import SECRET, Base, same_word, utc_now
from services.store.database import write_next


class UserRow(Base):
    __tablename__ = "users"
    # Ids are not given twice: a token of a deleted account must not fit the next one.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 (SQLAlchemy reads it once)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    # What makes an address unique: neither database compares case the way people do.
    email_key: Mapped[str] = mapped_column(unique=True, info=SECRET)
    password_hash: Mapped[str] = mapped_column(info=SECRET)
    is_admin: Mapped[bool]
    epoch: Mapped[int]
    language: Mapped[str]
    zone: Mapped[str]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class User:
    """An account, without its password.

    Attributes:
        epoch: Rises whenever everything signed in so far is signed out.
        language: A BCP 47 tag, such as `en`.
        zone: An IANA time zone, such as `Europe/Zurich`.
    """

    id: int
    email: str
    is_admin: bool
    epoch: int
    language: str
    zone: str
    created_at: datetime


def of_row(row: UserRow) -> User:
    """The account without its password."""
    return User(
        id=row.id,
        email=row.email,
        is_admin=row.is_admin,
        epoch=row.epoch,
        language=row.language,
        zone=row.zone,
        created_at=row.created_at,
    )


def create(
    s: Session, email: str, password_hash: str, *, admin: bool | None = None, language: str = "en", zone: str = "UTC"
) -> User:
    """Make an account.

    Args:
        s: An open session.
        email: As the person writes it; unique whatever its case.
        password_hash: Made by the caller.
        admin: None: the site's first account becomes its admin, however many register at once.
        language: See `User`.
        zone: See `User`.

    Raises:
        Conflict: Code `EMAIL_TAKEN`.
    """
    if admin is None:
        write_next(s, turn="first account")
        admin = count(s) == 0
    row = UserRow(
        email=email.strip(),
        email_key=same_word(email),
        password_hash=password_hash,
        is_admin=admin,
        epoch=0,
        language=language,
        zone=zone,
        created_at=utc_now(),
    )
    s.add(row)
    try:
        s.flush()
    except IntegrityError as exc:
        raise errors.Conflict("An account with this e-mail address exists already.", code="EMAIL_TAKEN") from exc
    return of_row(row)


def by_id(s: Session, user_id: int) -> User | None:
    """The account with this id."""
    row = s.get(UserRow, user_id)
    return None if row is None else of_row(row)


def by_email(s: Session, email: str) -> User | None:
    """The account with this e-mail address, in any case."""
    row = s.scalar(select(UserRow).where(UserRow.email_key == same_word(email)))
    return None if row is None else of_row(row)


def password_hash(s: Session, user_id: int) -> str | None:
    """The hash to check a password against; None if there is no such account."""
    return s.scalar(select(UserRow.password_hash).where(UserRow.id == user_id))


def set_password(s: Session, user_id: int, new_hash: str) -> User:
    """Change the password and sign out everywhere; whoever changed it is signed in anew by the caller.

    Raises:
        NotFound: There is no such account.
    """
    return _sign_out(s, user_id, password_hash=new_hash)


def raise_epoch(s: Session, user_id: int) -> User:
    """Sign out everywhere: sessions and login tokens end, personal API tokens stay.

    Raises:
        NotFound: There is no such account.
    """
    return _sign_out(s, user_id)


def rehash(s: Session, user_id: int, new_hash: str) -> None:
    """Keep a newer hash of the same password; nobody is signed out."""
    s.execute(update(UserRow).where(UserRow.id == user_id).values(password_hash=new_hash))


def update_profile(s: Session, user_id: int, *, language: str, zone: str) -> User:
    """Change how the site speaks to this person.

    Raises:
        NotFound: There is no such account.
    """
    return _changed(s, user_id, language=language, zone=zone)


def delete(s: Session, user_id: int) -> None:
    """Delete the account and everything that is kept about it.

    Raises:
        NotFound: There is no such account.
    """
    if s.scalar(delete_from(UserRow).where(UserRow.id == user_id).returning(UserRow.id)) is None:
        raise errors.NotFound("There is no such account.")


def count(s: Session) -> int:
    """How many accounts there are."""
    return s.scalar(select(func.count()).select_from(UserRow)) or 0


def export(s: Session, user_id: int) -> dict[str, Any]:
    """Everything that is kept about one person, as JSON values: table name -> rows.

    It follows the schema, so that a table added later is exported too. Hashes and keys stay out, and so do the
    contents of files, which are got one by one.

    Raises:
        NotFound: There is no such account.
    """
    # Imported here: the schema imports this module.
    from services.store.schema import metadata

    if by_id(s, user_id) is None:
        raise errors.NotFound("There is no such account.")
    owned: dict[str, Select[Any]] = {}
    found: dict[str, Any] = {}
    for table in metadata.sorted_tables:
        query = _owned(table, user_id, owned)
        if query is not None:
            owned[table.name] = query
            if table.info.get("apart"):
                continue
            # What stays out is not even read: it may be large.
            told = [column for column in table.columns if not _is_secret(column)]
            rows = s.execute(query.with_only_columns(*told).order_by(*table.primary_key.columns))
            found[table.name] = [_plain(row._mapping) for row in rows]
    return found


def _owned(table: Table, user_id: int, parents: dict[str, Select[Any]]) -> Select[Any] | None:
    """The rows of one table that belong to the person, directly or through a table above it."""
    if table.name == UserRow.__tablename__:
        return select(table).where(table.c.id == user_id)
    if "user_id" in table.c:
        return select(table).where(table.c.user_id == user_id)
    for key in table.foreign_keys:
        parent = key.column
        if parent.table is not table and parent.table.name in parents:
            keys = parents[parent.table.name].with_only_columns(parent)
            return select(table).where(key.parent.in_(keys))
    return None


def _plain(values: Any) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _is_secret(column: Column[Any]) -> bool:
    return bool(column.info.get("secret"))


def _value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _sign_out(s: Session, user_id: int, **values: Any) -> User:
    from services.store import sessions  # imported here: sessions hands out users

    user = _changed(s, user_id, epoch=UserRow.epoch + 1, **values)
    sessions.close_all(s, user_id)
    return user


def _changed(s: Session, user_id: int, **values: Any) -> User:
    row = s.scalar(
        update(UserRow)
        .where(UserRow.id == user_id)
        .values(**values)
        .returning(UserRow)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise errors.NotFound("There is no such account.")
    return of_row(row)
