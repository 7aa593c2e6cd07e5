"""Threads as rows: conversations, their messages, what people think of them and which they keep in mind.

The queries are in conversations.py, paths.py, answers.py, search.py, feedback.py and bookmarks.py.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.store.base import Base, Json

_UNREAD: Final = text("answered_at > seen_at")


class Conversation(Base):
    """A thread of one person with one assistant: a tree of messages, of which one path is shown.

    Attributes:
        length: How many messages it has, on all its paths; the next one's position.
        client_name: The client's own name for it (the tutor's `session_id`), unique per person and assistant.
        head_id: The last message of the path that is shown; no reference, as the two tables would refer to each other.
        answered_at: When an answer was last settled.
        seen_at: When its person last looked at it, or asked in it.
        updated_at: When a message was last added or settled.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("user_id", "assistant", "client_name"),
        Index(None, "user_id", "updated_at", "id"),
        Index(None, "user_id", "assistant", "updated_at", "id"),
        Index("ix_conversations_unread", "user_id", "assistant", sqlite_where=_UNREAD, postgresql_where=_UNREAD),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    assistant: Mapped[str]
    client_name: Mapped[str | None]
    title: Mapped[str]
    length: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    head_id: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]

    @property
    def unread(self) -> bool:
        """Whether an answer came since its person last looked."""
        return self.answered_at is not None and self.seen_at is not None and self.answered_at > self.seen_at


_RUNNING: Final = text("outcome IS NULL AND role = 'assistant'")
_ENDED: Final = text("finished_at IS NOT NULL")


class Message(Base):
    """One message. What follows `content` is about answers; in a person's message it is empty.

    Attributes:
        position: From 0, without gaps in a conversation; whatever follows a message has a higher one.
        parent_id: The message before it on its path; None for a first one. Those with one parent are alternatives.
        outcome: completed, failed, stopped or interrupted; None while the answer runs, and in a person's message.
        engine: Who answered: a model's name, or `built-in`.
        stream_id: The stream that shows the answer; several answers in turn may share one.
        continues_id: The message whose text this one goes on from.
        turn: What the run was started with, JSON: question, facts, partial.
        extras: What the answer showed besides its text, JSON: suggested tests and the like.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "position"),
        Index(None, "stream_id"),
        Index(None, "continues_id"),
        Index(None, "parent_id"),
        # All of a tree but its words, which are long, and lie before `parent_id` in a row.
        Index("ix_messages_tree", "conversation_id", "position", "parent_id", "id", "role"),
        Index("ix_messages_running", "created_at", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
        Index("ix_messages_ended", "finished_at", sqlite_where=_ENDED, postgresql_where=_ENDED),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    position: Mapped[int]
    role: Mapped[str]
    content: Mapped[str]
    outcome: Mapped[str | None]
    finish_reason: Mapped[str | None]
    error_code: Mapped[str | None]
    engine: Mapped[str | None]
    fallback: Mapped[bool]
    stream_id: Mapped[str | None]
    run_id: Mapped[str | None] = mapped_column(unique=True)
    continues_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"))
    usage: Mapped[dict[str, Any] | None] = mapped_column(Json)
    extras: Mapped[dict[str, Any] | None] = mapped_column(Json)
    turn: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    # SET NULL, not CASCADE: a path is longer than SQLite lets one deletion lead to the next.
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"))


class Feedback(Base):
    """What a person thinks of an answer.

    Attributes:
        value: up or down.
        reason: In the person's words; may be empty.
    """

    __tablename__ = "feedback"

    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    value: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime]


class Bookmark(Base):
    """An answer that its person wants to find again."""

    __tablename__ = "bookmarks"
    __table_args__ = (Index("ix_bookmarks_newest", "user_id", "created_at", "message_id"),)

    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
