"""Todos, what was done to them, the calendar feed's secret, and how many answers of a month are used."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _todos()
    _tags()
    _changes()
    _feeds()
    _quotas()


def _todos() -> None:
    op.create_table(
        "todos",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("start", sa.Text(), nullable=True),
        sa.Column("due", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("moment", sa.BigInteger(), nullable=True),
        sa.Column("is_timed", sa.Boolean(), nullable=False),
        sa.Column("importance", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=True),
        sa.Column("project_key", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("anchor", sa.Text(), nullable=True),
        sa.Column("series_id", sa.Text(), nullable=True),
        sa.Column("following_id", sa.Text(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        _owned("todos"),
        sa.ForeignKeyConstraint(["parent_id"], ["todos.id"], name=op.f("fk_todos_parent_id_todos"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_todos")),
    )
    for columns in (
        ["user_id", "position"],
        ["user_id", "status", "moment"],
        ["user_id", "status", "completed_at"],
        ["user_id", "project_key"],
        ["user_id", "series_id"],
        ["parent_id"],
    ):
        op.create_index(op.f(f"ix_todos_{'_'.join(columns)}"), "todos", columns)


def _tags() -> None:
    op.create_table(
        "todo_tags",
        sa.Column("todo_id", sa.Text(), nullable=False),
        sa.Column("tag_key", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        _owned("todo_tags"),
        sa.ForeignKeyConstraint(["todo_id"], ["todos.id"], name=op.f("fk_todo_tags_todo_id_todos"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("todo_id", "tag_key", name=op.f("pk_todo_tags")),
    )
    op.create_index(op.f("ix_todo_tags_user_id_tag_key_todo_id"), "todo_tags", ["user_id", "tag_key", "todo_id"])


def _changes() -> None:
    op.create_table(
        "todo_lists",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        _owned("todo_lists"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_todo_lists")),
    )
    op.create_table(
        "todo_changes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("todo_id", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("states", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("undoes", sa.Text(), nullable=False),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        _owned("todo_changes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_todo_changes")),
        sa.UniqueConstraint("user_id", "revision", name=op.f("uq_todo_changes_user_id_revision")),
        # What makes a call happen once, however often it is made.
        sa.UniqueConstraint(
            "user_id", "message_id", "call_id", name=op.f("uq_todo_changes_user_id_message_id_call_id")
        ),
    )


def _feeds() -> None:
    op.create_table(
        "todo_feeds",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        _owned("todo_feeds"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_todo_feeds")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_todo_feeds_secret_hash")),
    )


def _quotas() -> None:
    op.create_table(
        "quota_months",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0", name="ck_quota_months_used"),
        _owned("quota_months"),
        sa.PrimaryKeyConstraint("user_id", "month", name=op.f("pk_quota_months")),
    )
    op.create_table(
        "quota_reservations",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        _owned("quota_reservations"),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_quota_reservations")),
    )
    op.create_index(op.f("ix_quota_reservations_user_id"), "quota_reservations", ["user_id"])
    op.create_index(op.f("ix_quota_reservations_created_at"), "quota_reservations", ["created_at"])


def _owned(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id_users"), ondelete="CASCADE"
    )
