"""The points' ledger and the cache of answers."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _accounts()
    _caps()
    _reservations()
    _entries()
    _cached_answers()


def _owner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id_users"), ondelete="CASCADE"
    )


def _accounts() -> None:
    op.create_table(
        "points_accounts",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("spent", sa.Integer(), nullable=False),
        sa.CheckConstraint("reserved >= 0 AND spent >= 0 AND granted >= 0", name=op.f("ck_points_accounts_sums")),
        _owner("points_accounts"),
        sa.PrimaryKeyConstraint("user_id", "month", name=op.f("pk_points_accounts")),
    )


def _caps() -> None:
    op.create_table(
        "points_caps",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=False),
        _owner("points_caps"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_points_caps")),
    )


def _reservations() -> None:
    op.create_table(
        "points_reservations",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        _owner("points_reservations"),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_points_reservations")),
    )
    op.create_index(op.f("ix_points_reservations_user_id"), "points_reservations", ["user_id"], unique=False)
    op.create_index(op.f("ix_points_reservations_created_at"), "points_reservations", ["created_at"], unique=False)


def _entries() -> None:
    op.create_table(
        "points_entries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("spent", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        _owner("points_entries"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_entries")),
        sa.UniqueConstraint("message_id", "kind", name=op.f("uq_points_entries_message_id_kind")),
    )
    op.create_index(op.f("ix_points_entries_user_id_id"), "points_entries", ["user_id", "id"], unique=False)
    op.create_index(op.f("ix_points_entries_user_id_month"), "points_entries", ["user_id", "month"], unique=False)


def _cached_answers() -> None:
    op.create_table(
        "cached_answers",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        _owner("cached_answers"),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_cached_answers_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_cached_answers")),
    )
    op.create_index(op.f("ix_cached_answers_message_id"), "cached_answers", ["message_id"], unique=False)
