"""The whole schema: importing this module makes every table known to `metadata`."""

from services.store import invites, problems, progress, sessions, submissions, threads, tokens, users
from services.store.base import Base

TABLES = (
    users.UserRow,
    sessions.SessionRow,
    tokens.TokenRow,
    invites.Invite,
    threads.Conversation,
    threads.Message,
    problems.Problem,
    submissions.Submission,
    progress.Progress,
)
metadata = Base.metadata
