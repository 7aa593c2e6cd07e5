"""Bases of documents, their chunks, and what finds those: words and vectors."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _bases()
    _documents()
    _contents()
    _chunks()
    _vectors()
    if op.get_bind().dialect.name == "postgresql":
        _words_on_postgresql()
    else:
        _words_on_sqlite()


def _bases() -> None:
    op.create_table(
        "bases",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_bases_owner_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bases")),
    )
    op.create_index(op.f("ix_bases_owner_id_id"), "bases", ["owner_id", "id"])
    shared = sa.text("is_shared")
    op.create_index("ix_bases_shared", "bases", ["id"], sqlite_where=shared, postgresql_where=shared)
    op.create_table(
        "base_members",
        sa.Column("base_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"], ["bases.id"], name=op.f("fk_base_members_base_id_bases"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_base_members_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("base_id", "user_id", name=op.f("pk_base_members")),
    )
    op.create_index(op.f("ix_base_members_user_id_base_id"), "base_members", ["user_id", "base_id"])


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("base_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mime", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["base_id"], ["bases.id"], name=op.f("fk_documents_base_id_bases"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("base_id", "sha256", name=op.f("uq_documents_base_id_sha256")),
    )
    op.create_index(op.f("ix_documents_base_id_id"), "documents", ["base_id", "id"])
    op.create_index(op.f("ix_documents_base_id_state_id_bytes"), "documents", ["base_id", "state", "id", "bytes"])
    op.create_index(op.f("ix_documents_base_id_updated_at"), "documents", ["base_id", "updated_at"])
    waiting = sa.text("state IN ('queued', 'reading', 'embedding')")
    op.create_index("ix_documents_waiting", "documents", ["id"], sqlite_where=waiting, postgresql_where=waiting)


def _contents() -> None:
    for name, column in (
        ("document_pieces", sa.Column("data", sa.LargeBinary(), nullable=False)),
        ("document_pages", sa.Column("text", sa.Text(), nullable=False)),
    ):
        op.create_table(
            name,
            sa.Column("document_id", sa.Text(), nullable=False),
            sa.Column("number", sa.Integer(), nullable=False),
            column,
            sa.ForeignKeyConstraint(
                ["document_id"], ["documents.id"], name=op.f(f"fk_{name}_document_id_documents"), ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint("document_id", "number", name=op.f(f"pk_{name}")),
        )


def _chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("base_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_chunks_document_id_documents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
        sa.UniqueConstraint("document_id", "position", name=op.f("uq_chunks_document_id_position")),
        # A number that is given twice would lead an old citation to another document.
        sqlite_autoincrement=True,
    )


def _vectors() -> None:
    op.create_table(
        "chunk_vectors",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("base_id", sa.Text(), nullable=False),
        sa.Column("chunk_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("bits", sa.LargeBinary().with_variant(postgresql.BIT(256), "postgresql"), nullable=True),
        sa.ForeignKeyConstraint(
            ["chunk_id"], ["chunks.id"], name=op.f("fk_chunk_vectors_chunk_id_chunks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model", "base_id", "chunk_id", name=op.f("pk_chunk_vectors")),
        # The rows lie in the order in which they are scanned.
        sqlite_with_rowid=False,
    )
    # With all that a search by words asks of a chunk besides, so that it reads nothing else.
    op.create_index("ix_chunk_vectors_chunk", "chunk_vectors", ["chunk_id", "base_id", "document_id"], unique=True)


def _words_on_sqlite() -> None:
    # The words are cut and folded before they come here; what is left to do is taking off their endings.
    op.execute(
        "CREATE VIRTUAL TABLE chunk_words USING fts5 ("
        " title, words, content = '', contentless_delete = 1, tokenize = 'porter ascii')"
    )
    # A trigger, because what goes with its document, its base or its owner goes without a statement of ours.
    op.execute(
        "CREATE TRIGGER chunks_remove AFTER DELETE ON chunks BEGIN DELETE FROM chunk_words WHERE rowid = old.id; END"
    )


def _words_on_postgresql() -> None:
    # English without its list of words that are not worth indexing: a phrase may be made of them.
    op.execute("CREATE TEXT SEARCH DICTIONARY chunk_stems (TEMPLATE = snowball, LANGUAGE = english)")
    op.execute("CREATE TEXT SEARCH CONFIGURATION chunk_english (COPY = pg_catalog.english)")
    op.execute("ALTER TEXT SEARCH CONFIGURATION chunk_english ALTER MAPPING REPLACE english_stem WITH chunk_stems")
    op.execute(
        "CREATE TABLE chunk_words ("
        " chunk_id BIGINT PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE,"
        " words TSVECTOR NOT NULL)"
    )
    # Without the list of pending entries: a search would read all of it, one by one.
    op.execute("CREATE INDEX ix_chunk_words_words ON chunk_words USING gin (words) WITH (fastupdate = off)")
