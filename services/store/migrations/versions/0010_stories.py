"""Children, their stories and chapters, what was withheld, the words they asked for, and the PIN of their screen."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _children()
    _stories()
    _chapters()
    _reviews()
    _words()
    _sessions()


def _children() -> None:
    op.create_table(
        "children",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("age", sa.Integer(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("pronouns", sa.Text(), nullable=False),
        sa.Column("interests", sa.Text(), nullable=False),
        sa.Column("avoid", sa.Text(), nullable=False),
        sa.Column("daily_limit", sa.Integer(), nullable=True),
        sa.Column("bedtime", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        _owned("children"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_children")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_children_user_id_id"), "children", ["user_id", "id"])
    op.create_table(
        "child_days",
        sa.Column("child_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        _of("child_days", "child_id", "children.id"),
        sa.PrimaryKeyConstraint("child_id", "day", name=op.f("pk_child_days")),
    )
    op.create_table(
        "child_pins",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("pin_hash", sa.Text(), nullable=False),
        sa.Column("tries", sa.Text(), nullable=False),
        sa.Column("locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        _owned("child_pins"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_child_pins")),
    )


def _stories() -> None:
    op.create_table(
        "stories",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("child_id", sa.Integer(), nullable=False),
        sa.Column("theme", sa.Text(), nullable=False),
        sa.Column("length", sa.Text(), nullable=False),
        sa.Column("own_title", sa.Text(), nullable=True),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("recap", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        _of("stories", "id", "conversations.id"),
        _of("stories", "child_id", "children.id"),
        _owned("stories"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stories")),
    )
    for columns in (["user_id", "updated_at", "id"], ["child_id", "updated_at", "id"], ["child_id", "theme", "id"]):
        op.create_index(op.f(f"ix_stories_{'_'.join(columns)}"), "stories", columns)


def _chapters() -> None:
    op.create_table(
        "chapters",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("story_id", sa.Text(), nullable=False),
        sa.Column("place_id", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("theme", sa.Text(), nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("idea", sa.Text(), nullable=False),
        sa.Column("bedtime", sa.Boolean(), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("engine", sa.Text(), nullable=True),
        sa.Column("fallback", sa.Boolean(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("choices", sa.Text(), nullable=False),
        sa.Column("choice_question", sa.Text(), nullable=False),
        sa.Column("is_last", sa.Boolean(), nullable=False),
        sa.Column("recap", sa.Text(), nullable=False),
        sa.Column("educational_elements", sa.Text(), nullable=False),
        sa.Column("reading_minutes", sa.Integer(), nullable=True),
        sa.Column("vocabulary_level", sa.Text(), nullable=True),
        sa.Column("grade", sa.Double(), nullable=True),
        sa.Column("words", sa.Integer(), nullable=True),
        sa.Column("safety_score", sa.Double(), nullable=True),
        sa.Column("checked_by", sa.Text(), nullable=False),
        sa.Column("withheld", sa.Integer(), nullable=False),
        sa.Column("first_chunk_ms", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("memory", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        _of("chapters", "id", "messages.id"),
        _of("chapters", "story_id", "stories.id"),
        _owned("chapters"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chapters")),
    )
    for columns in (["story_id", "number", "id"], ["stream_id"], ["place_id"], ["user_id"]):
        op.create_index(op.f(f"ix_chapters_{'_'.join(columns)}"), "chapters", columns)


def _reviews() -> None:
    op.create_table(
        "story_reviews",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("child_id", sa.Integer(), nullable=False),
        sa.Column("story_id", sa.Text(), nullable=True),
        sa.Column("chapter_id", sa.Text(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        _owned("story_reviews"),
        _of("story_reviews", "child_id", "children.id"),
        _of("story_reviews", "story_id", "stories.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_story_reviews")),
        # A piece is withheld once, however often that is told.
        sa.UniqueConstraint("chapter_id", "number", name=op.f("uq_story_reviews_chapter_id_number")),
    )
    for columns in (["user_id", "id"], ["child_id", "id"], ["story_id"]):
        op.create_index(op.f(f"ix_story_reviews_{'_'.join(columns)}"), "story_reviews", columns)
    unseen = sa.text("seen_at IS NULL")
    op.create_index(
        "ix_story_reviews_unseen", "story_reviews", ["user_id"], sqlite_where=unseen, postgresql_where=unseen
    )


def _words() -> None:
    op.create_table(
        "story_words",
        sa.Column("child_id", sa.Integer(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        _of("story_words", "child_id", "children.id"),
        _owned("story_words"),
        sa.PrimaryKeyConstraint("child_id", "word", name=op.f("pk_story_words")),
    )
    op.create_index(op.f("ix_story_words_child_id_last_at"), "story_words", ["child_id", "last_at"])
    op.create_index(op.f("ix_story_words_user_id"), "story_words", ["user_id"])


def _sessions() -> None:
    # A session that shows a child's screen ends with the child: it must not become the adult's again.
    with op.batch_alter_table("sessions") as sessions:
        sessions.add_column(sa.Column("child_id", sa.Integer(), nullable=True))
        sessions.create_foreign_key(
            op.f("fk_sessions_child_id_children"), "children", ["child_id"], ["id"], ondelete="CASCADE"
        )
    op.create_index(op.f("ix_sessions_child_id"), "sessions", ["child_id"])


def _owned(table: str) -> sa.ForeignKeyConstraint:
    return _of(table, "user_id", "users.id")


def _of(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target.split('.')[0]}")
    return sa.ForeignKeyConstraint([column], [target], name=name, ondelete="CASCADE")
