"""The whole schema: importing this module makes every table known to `metadata`."""

from services.store import (
    cache,
    cards,
    decks,
    invites,
    ledger,
    media,
    problems,
    progress,
    sessions,
    submissions,
    threads,
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
)
metadata = Base.metadata


def is_modelled(name: str | None, kind: str, _parents: object) -> bool:
    """Whether a thing in the database belongs to a model; the search index, made from messages, has none."""
    return not (kind == "table" and name is not None and name.startswith("search_"))
