"""The words that a child asked the meaning of, for its adult to look at."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from services.store.base import Base


class StoryWordRow(Base):
    """One word of one child's.

    Attributes:
        word: In lower case, as a dictionary has it.
        times: How often it was asked.
    """

    __tablename__ = "story_words"
    __table_args__ = (Index(None, "child_id", "last_at"), Index(None, "user_id"))

    child_id: Mapped[int] = mapped_column(ForeignKey("children.id", ondelete="CASCADE"), primary_key=True)
    word: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    times: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class KeptWord:
    """The same as everybody else sees it."""

    word: str
    times: int
    first_at: datetime
    last_at: datetime
