"""Bases: named sets of documents, and who may read or change them.

A base is its owner's. Members are readers or editors; a shared one is read by every account of this site. Whatever
reads documents or chunks joins `readable` inside its own query: nobody's list of bases is taken on trust.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import CompoundSelect, ForeignKey, Index, Select, func, select, text, union_all, update
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store import caps, users
from services.store.base import Base, insert_into, new_id, utc_now
from services.store.database import write_next

Role = Literal["owner", "editor", "reader"]

MAX_BASES: Final = 100
MAX_MEMBERS: Final = 200
_UNKNOWN: Final = "There is no such base."
_RANK: Final[dict[str, int]] = {"reader": 1, "editor": 2, "owner": 3}


class BaseRow(Base):
    __tablename__ = "bases"
    __table_args__ = (
        Index(None, "owner_id", "id"),
        Index("ix_bases_shared", "id", sqlite_where=text("is_shared"), postgresql_where=text("is_shared")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    is_shared: Mapped[bool]
    created_at: Mapped[datetime]


class BaseMember(Base):
    __tablename__ = "base_members"
    __table_args__ = (Index(None, "user_id", "base_id"),)

    base_id: Mapped[str] = mapped_column(ForeignKey("bases.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    # "reader" or "editor"; the owner is none of the members.
    role: Mapped[str]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class BaseView:
    """A base as one person sees it.

    Attributes:
        role: What this person may do; "reader" also where the base is only shared with all.
        is_shared: Whether every account may read it.
        documents: How many there are; of these, `ready` can be found and `failed` could not be read.
        bytes: What its documents take up, as they came.
    """

    id: str
    name: str
    role: Role
    is_shared: bool
    created_at: datetime
    documents: int = 0
    ready: int = 0
    failed: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may use a base besides its owner."""

    user_id: int
    email: str
    role: Literal["editor", "reader"]


def readable(user_id: int) -> CompoundSelect[tuple[str]]:
    """The ids of the bases that a person may read, for `IN` inside another query; some may come twice."""
    return union_all(
        select(BaseRow.id).where(BaseRow.owner_id == user_id),
        select(BaseMember.base_id).where(BaseMember.user_id == user_id),
        select(BaseRow.id).where(text("bases.is_shared")),
    )


def create(s: Session, user_id: int, name: str, *, is_shared: bool = False, max_bases: int = MAX_BASES) -> BaseView:
    """Make an empty base.

    Raises:
        Conflict: Code `TOO_MANY_BASES`: the person has `max_bases` already.
    """
    way_out = "Delete one that you do not need."
    caps.check(s, BaseRow.owner_id, user_id, limit=max_bases, things="bases", way_out=way_out)
    row = BaseRow(id=new_id(), owner_id=user_id, name=name, is_shared=is_shared, created_at=utc_now())
    s.add(row)
    s.flush()
    return BaseView(row.id, row.name, "owner", row.is_shared, row.created_at)


def listing(s: Session, user_id: int) -> list[BaseView]:
    """All that the person may read: their own first, then the others', each by name."""
    rows = s.execute(_seen_by(user_id).where(BaseRow.id.in_(readable(user_id)))).all()
    counts = _counts(s, [row.id for row in rows])
    found = [_view(user_id, row, counts) for row in rows]
    return sorted(found, key=lambda base: (base.role != "owner", base.name.casefold(), base.id))


def get(s: Session, user_id: int, base_id: str) -> BaseView:
    """One base that the person may read.

    Raises:
        NotFound: Unknown, or not theirs to read.
    """
    row = s.execute(_seen_by(user_id).where(BaseRow.id == base_id, BaseRow.id.in_(readable(user_id)))).one_or_none()
    if row is None:
        raise errors.NotFound(_UNKNOWN)
    return _view(user_id, row, _counts(s, [base_id]))


def require(s: Session, user_id: int, base_id: str, role: Role) -> Role:
    """Make sure that the person may do what `role` may, and say what they are.

    Raises:
        NotFound: Unknown, or not theirs to read.
        Forbidden: They may read it, but no more than that or too little.
    """
    row = s.execute(_seen_by(user_id).where(BaseRow.id == base_id, BaseRow.id.in_(readable(user_id)))).one_or_none()
    if row is None:
        raise errors.NotFound(_UNKNOWN)
    theirs = _role(user_id, row)
    if _RANK[theirs] < _RANK[role]:
        raise errors.Forbidden(
            "Only the owner of this base may do this." if role == "owner" else "You may only read this base."
        )
    return theirs


def unreadable(s: Session, user_id: int, base_ids: Collection[str]) -> list[str]:
    """Those of some ids that are unknown, or not the person's to read; in their order."""
    asked = select(BaseRow.id).where(BaseRow.id.in_(set(base_ids)), BaseRow.id.in_(readable(user_id)))
    known = set(s.scalars(asked))
    return [base_id for base_id in base_ids if base_id not in known]


def names(s: Session, user_id: int, base_ids: Collection[str]) -> dict[str, str]:
    """What those of some bases that the person may read are called."""
    asked = select(BaseRow.id, BaseRow.name).where(BaseRow.id.in_(set(base_ids)), BaseRow.id.in_(readable(user_id)))
    return {row.id: row.name for row in s.execute(asked)}


def readers(s: Session, base_id: str, user_ids: Collection[int]) -> set[int]:
    """Those of some people who may read a base; none if it is gone."""
    base = s.get(BaseRow, base_id)
    if base is None:
        return set()
    asked = select(users.UserRow.id).where(users.UserRow.id.in_(set(user_ids)))
    if not base.is_shared:
        members = select(BaseMember.user_id).where(BaseMember.base_id == base_id)
        asked = asked.where((users.UserRow.id == base.owner_id) | users.UserRow.id.in_(members))
    return set(s.scalars(asked))


def change(
    s: Session, user_id: int, base_id: str, *, name: str | None = None, is_shared: bool | None = None
) -> BaseView:
    """Rename a base, or share it with all accounts; None leaves a thing as it is.

    Raises:
        NotFound: Unknown, or not theirs to read.
        Forbidden: Not the owner's.
    """
    write_next(s)
    require(s, user_id, base_id, "owner")
    values: dict[str, Any] = {}
    if name is not None:
        values["name"] = name
    if is_shared is not None:
        values["is_shared"] = is_shared
    if values:
        s.execute(update(BaseRow).where(BaseRow.id == base_id).values(**values))
    return get(s, user_id, base_id)


def rename(s: Session, user_id: int, base_id: str, name: str) -> BaseView:
    """Give a base another name; raises as `change`."""
    return change(s, user_id, base_id, name=name)


def delete(s: Session, user_id: int, base_id: str) -> None:
    """Delete a base with its documents and all that was made of them.

    Raises:
        NotFound: Unknown, or not theirs to read.
        Forbidden: Not the owner's.
    """
    write_next(s)
    require(s, user_id, base_id, "owner")
    s.execute(delete_from(BaseRow).where(BaseRow.id == base_id))


def members(s: Session, user_id: int, base_id: str) -> list[Member]:
    """Who may use a base besides its owner, by e-mail address. For its owner and its editors.

    Raises:
        NotFound: Unknown, or not theirs to read.
        Forbidden: A reader asks.
    """
    require(s, user_id, base_id, "editor")
    asked = (
        select(BaseMember.user_id, users.UserRow.email, BaseMember.role)
        .join(users.UserRow, users.UserRow.id == BaseMember.user_id)
        .where(BaseMember.base_id == base_id)
        .order_by(users.UserRow.email_key)
    )
    return [Member(member_id, email, _member_role(role)) for member_id, email, role in s.execute(asked)]


def set_member(
    s: Session,
    owner_id: int,
    base_id: str,
    email: str,
    role: Literal["editor", "reader"],
    *,
    max_members: int = MAX_MEMBERS,
) -> Member:
    """Let an account use a base, or change what it may do there.

    Raises:
        NotFound: Unknown, or not theirs to read.
        Forbidden: Not the owner's.
        InvalidInput: At `email`: no such account, or the owner's own.
        Conflict: Code `TOO_MANY_MEMBERS`.
    """
    write_next(s, turn=f"members {base_id}")
    require(s, owner_id, base_id, "owner")
    user = users.by_email(s, email)
    if user is None or user.id == owner_id:
        wrong = "has no account here" if user is None else "is your own; it can do everything already"
        raise errors.InvalidInput([errors.FieldError("email", wrong)])
    now_there = select(func.count()).where(BaseMember.base_id == base_id, BaseMember.user_id != user.id)
    if (s.scalar(now_there) or 0) >= max_members:
        raise errors.Conflict(f"A base has {max_members} members at most.", code="TOO_MANY_MEMBERS")
    fresh = insert_into(s, BaseMember).values(base_id=base_id, user_id=user.id, role=role, created_at=utc_now())
    s.execute(fresh.on_conflict_do_update(index_elements=["base_id", "user_id"], set_={"role": role}))
    return Member(user.id, user.email, role)


def remove_member(s: Session, user_id: int, base_id: str, email: str) -> None:
    """Take an account out of a base: its owner anybody, everybody themselves.

    Raises:
        NotFound: Unknown, not theirs to read, or no member with this address.
        Forbidden: Somebody else, and not the owner's.
    """
    write_next(s)
    user = users.by_email(s, email)
    require(s, user_id, base_id, "reader" if user is not None and user.id == user_id else "owner")
    gone = delete_from(BaseMember).where(
        BaseMember.base_id == base_id, BaseMember.user_id == (0 if user is None else user.id)
    )
    if s.scalar(gone.returning(BaseMember.user_id)) is None:
        raise errors.NotFound("There is no such member.")


def _seen_by(user_id: int) -> Select[Any]:
    role = (
        select(BaseMember.role)
        .where(BaseMember.base_id == BaseRow.id, BaseMember.user_id == user_id)
        .scalar_subquery()
        .label("role")
    )
    return select(BaseRow.id, BaseRow.owner_id, BaseRow.name, BaseRow.is_shared, BaseRow.created_at, role)


def _view(user_id: int, row: Any, counts: dict[str, dict[str, int]]) -> BaseView:
    return BaseView(row.id, row.name, _role(user_id, row), row.is_shared, row.created_at, **counts.get(row.id, {}))


def _role(user_id: int, row: Any) -> Role:
    if row.owner_id == user_id:
        return "owner"
    return _member_role(row.role)


def _member_role(role: str | None) -> Literal["editor", "reader"]:
    return "editor" if role == "editor" else "reader"


def _counts(s: Session, base_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    from services.store.documents import DocumentRow  # imported here: documents imports this module

    asked = (
        select(DocumentRow.base_id, DocumentRow.state, func.count(), func.sum(DocumentRow.bytes))
        .where(DocumentRow.base_id.in_(base_ids))
        .group_by(DocumentRow.base_id, DocumentRow.state)
    )
    counts = {base_id: {"documents": 0, "ready": 0, "failed": 0, "bytes": 0} for base_id in base_ids}
    for base_id, state, number, size in s.execute(asked):
        its = counts[base_id]
        its["documents"] += number
        its["bytes"] += int(size)
        if state in ("ready", "failed"):
            its[state] += number
    return counts
