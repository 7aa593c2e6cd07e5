"""Conversations as trees, with search, feedback and what has been seen."""

from typing import Any

import sqlalchemy as sa
from alembic import op

# The index is filled with the very words that are looked for later.
from services.store.words import indexed

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BATCH = 500


def upgrade() -> None:
    _tree()
    _unread()
    _feedback()
    if op.get_bind().dialect.name == "postgresql":
        _search_on_postgresql()
    else:
        _search_on_sqlite()
    _fill_search()


def _tree() -> None:
    # SQLite's own way to add a reference leaves it where no later migration would see what deleting does.
    with op.batch_alter_table("messages") as messages:
        messages.add_column(sa.Column("parent_id", sa.Text(), nullable=True))
        messages.create_foreign_key(
            op.f("fk_messages_parent_id_messages"), "messages", ["parent_id"], ["id"], ondelete="SET NULL"
        )
    op.create_index(op.f("ix_messages_parent_id"), "messages", ["parent_id"])
    op.add_column("conversations", sa.Column("head_id", sa.Text(), nullable=True))
    # What was a list becomes a tree without branches.
    op.execute(
        "UPDATE messages SET parent_id = (SELECT before.id FROM messages AS before"
        " WHERE before.conversation_id = messages.conversation_id AND before.position = messages.position - 1)"
    )
    op.execute(
        "UPDATE conversations SET head_id = (SELECT last.id FROM messages AS last"
        " WHERE last.conversation_id = conversations.id ORDER BY last.position DESC LIMIT 1)"
    )


def _unread() -> None:
    op.add_column("conversations", sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("conversations", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    # Nobody is told of answers from before there was anything to tell.
    op.execute("UPDATE conversations SET answered_at = updated_at, seen_at = updated_at")
    unread = sa.text("answered_at > seen_at")
    op.create_index(
        "ix_conversations_unread",
        "conversations",
        ["user_id", "assistant"],
        sqlite_where=unread,
        postgresql_where=unread,
    )


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_feedback_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_feedback")),
    )


def _search_on_postgresql() -> None:
    op.execute(
        "CREATE TABLE search_entries ("
        " id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,"
        " message_id TEXT REFERENCES messages (id) ON DELETE CASCADE,"
        " words TSVECTOR NOT NULL)"
    )
    _search_indexes()
    # Without the list of pending entries: a search would read all of it, one by one.
    op.execute("CREATE INDEX search_words ON search_entries USING gin (words) WITH (fastupdate = off)")


def _search_on_sqlite() -> None:
    op.execute(
        "CREATE TABLE search_entries ("
        " id INTEGER PRIMARY KEY,"
        " conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,"
        " message_id TEXT REFERENCES messages (id) ON DELETE CASCADE,"
        " words TEXT NOT NULL)"
    )
    _search_indexes()
    # The words are cut and folded before they come here: the tokenizer only parts them at the spaces.
    op.execute(
        "CREATE VIRTUAL TABLE search_index USING fts5 ("
        " words, content = 'search_entries', content_rowid = 'id', detail = none, columnsize = 0,"
        """ tokenize = "ascii tokenchars ':'")"""
    )
    add = "INSERT INTO search_index (rowid, words) VALUES (new.id, new.words);"
    remove = "INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.id, old.words);"
    # Triggers, because what goes with its conversation or its owner goes without a statement of ours.
    op.execute(f"CREATE TRIGGER search_entries_add AFTER INSERT ON search_entries BEGIN {add} END")
    op.execute(f"CREATE TRIGGER search_entries_remove AFTER DELETE ON search_entries BEGIN {remove} END")
    op.execute(f"CREATE TRIGGER search_entries_change AFTER UPDATE ON search_entries BEGIN {remove} {add} END")


def _search_indexes() -> None:
    op.execute("CREATE INDEX search_entries_conversation ON search_entries (conversation_id)")
    op.execute("CREATE UNIQUE INDEX search_entries_message ON search_entries (message_id)")


def _fill_search() -> None:
    connection = op.get_bind()
    titles = sa.text(
        "SELECT id, user_id, id AS conversation_id, NULL AS message_id, title AS content"
        " FROM conversations WHERE id > :after ORDER BY id LIMIT :batch"
    )
    messages = sa.text(
        "SELECT messages.id, user_id, conversation_id, messages.id AS message_id, content FROM messages"
        " JOIN conversations ON conversations.id = messages.conversation_id"
        " WHERE messages.id > :after ORDER BY messages.id LIMIT :batch"
    )
    add = "INSERT INTO search_entries (conversation_id, message_id, words) VALUES (:conversation_id, :message_id, "
    is_postgresql = connection.dialect.name == "postgresql"
    add += "array_to_tsvector(string_to_array(:words, ' ')))" if is_postgresql else ":words)"
    for query in (titles, messages):
        after = ""
        while rows := connection.execute(query, {"after": after, "batch": _BATCH}).mappings().all():
            after = rows[-1]["id"]
            entries = [entry for row in rows if (entry := _entry(row))["words"]]
            if entries:
                connection.execute(sa.text(add), entries)


def _entry(row: Any) -> dict[str, Any]:
    return {
        "conversation_id": row["conversation_id"],
        "message_id": row["message_id"],
        "words": " ".join(indexed(row["user_id"], row["content"])),
    }
