"""The whole schema: importing this module makes every table known to `metadata`."""

from services.store import (
    bases,
    cache,
    cards,
    chunks,
    decks,
    documents,
    invites,
    ledger,
    media,
    problems,
    progress,
    quotas,
    sessions,
    submissions,
    threads,
    todo_changes,
    todo_feeds,
    todos,
    tokens,
    users,
)
from services.store.base import Base

TABLES = (
    users.UserRow,
    sessions.SessionRow,
    tokens.TokenRow,
    invites.Invite,
    threads.Conversation,
    threads.Message,
    threads.Feedback,
    threads.Bookmark,
    problems.Problem,
    submissions.Submission,
    progress.Progress,
    ledger.PointsAccount,
    ledger.PointsCap,
    ledger.PointsReservation,
    ledger.PointsEntry,
    media.MediaRow,
    media.MediaPiece,
    media.MediaPage,
    cache.CachedRow,
    decks.Deck,
    cards.Card,
    cards.Review,
    decks.Attempt,
    bases.BaseRow,
    bases.BaseMember,
    documents.DocumentRow,
    documents.DocumentPiece,
    documents.DocumentPage,
    chunks.Chunk,
    chunks.ChunkVector,
    todos.TodoRow,
    todos.TodoTag,
    todo_changes.TodoList,
    todo_changes.TodoChange,
    todo_feeds.TodoFeed,
    quotas.QuotaMonth,
    quotas.QuotaReservation,
)
metadata = Base.metadata


def is_modelled(name: str | None, kind: str, _parents: object) -> bool:
    """Whether a thing in the database belongs to a model; the full-text indexes, of messages and chunks, have none."""
    return not (kind == "table" and name is not None and name.startswith(("search_", "chunk_words")))
