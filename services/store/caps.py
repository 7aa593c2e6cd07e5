"""How many of a thing one person may have: enough for anybody, and an end to what one account can store."""

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from services import errors
from services.store.database import write_next


def check(
    s: Session, owner: InstrumentedAttribute[int], user_id: int, *, limit: int, things: str, way_out: str
) -> None:
    """Before the first query of a transaction that adds one: refuse it if the person has as many as they may.

    Args:
        owner: The column that says whose a thing is; an index begins with it.
        things: Their name, in the plural.
        way_out: What the person can do then, as a sentence.

    Raises:
        Conflict: Code `TOO_MANY_` and the name; `extra` carries `limit` and `current`.
    """
    # Two requests at once take turns, so that the last place is given once.
    write_next(s, turn=f"{things} of {user_id}")
    held = s.scalar(select(func.count()).select_from(owner.class_).where(owner == user_id)) or 0
    if held >= limit:
        raise errors.Conflict(
            f"You have {held} {things}, which is as many as one may have. {way_out}",
            code=f"TOO_MANY_{things.upper()}",
            extra={"limit": limit, "current": held},
        )
