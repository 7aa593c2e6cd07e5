"""What the operator's page reads by: ended answers by time, and sizes of uploads."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ended = sa.text("finished_at IS NOT NULL")
    op.create_index("ix_messages_ended", "messages", ["finished_at"], sqlite_where=ended, postgresql_where=ended)
    op.create_index(op.f("ix_media_stored_bytes"), "media", ["stored_bytes"])
