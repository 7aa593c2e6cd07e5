"""Turns of the study chat for tests, and a shelf with a few files on it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.assistants.base import Turn
from services.assistants.study import context
from services.assistants.study.context import Page, Upload
from services.assistants.study.input import StudyInput
from services.errors import NotFound
from services.store.conversations import new_id

CELL_PAGES = (
    "Chapter 1. What living things share. They grow, they answer to their surroundings, they multiply.",
    "Chapter 2. The mitochondria release energy from sugar. A muscle cell may hold thousands of mitochondria.",
    "Chapter 3. Ribosomes build proteins. They are found in all living cells, also in those without a nucleus.",
)
PDF = Upload("media1", "cell.pdf", "pdf", "a" * 64, [Page(n, text) for n, text in enumerate(CELL_PAGES, 1)])
PHOTO = Upload("media2", "photo.jpg", "image", "b" * 64)


@dataclass(slots=True)
class Row:
    """A stored message, as far as the context of a question looks at it."""

    role: str
    content: str
    id: str = field(default_factory=new_id)
    outcome: str | None = "completed"
    turn: dict[str, Any] | None = None
    extras: dict[str, Any] | None = None


def said(*texts: str) -> list[Row]:
    """A path of messages, a question first."""
    return [Row("assistant" if place % 2 else "user", text) for place, text in enumerate(texts)]


def make_turn(
    message: str = "What do mitochondria do?",
    *,
    path: Sequence[Row] = (),
    uploads: Sequence[Upload] = (),
    budget_tokens: int = 4000,
    cached: dict[str, Any] | None = None,
    partial: str = "",
    **fields: Any,
) -> Turn:
    """A turn as the site stores it."""
    sent = StudyInput(message=message, **fields)
    facts = context.facts(sent, path=path, uploads=uploads, budget_tokens=budget_tokens, cached=cached)
    return Turn("study", 7, "c1", "m1", message, facts, partial)


class Shelf:
    """Files of user 7."""

    def __init__(self, *uploads: Upload) -> None:
        self.uploads = {upload.id: upload for upload in uploads}
        self.fetched: list[str] = []
        self.forgotten: list[str] = []

    def get(self, user_id: int, media_id: str) -> Upload:
        if user_id != 7 or media_id not in self.uploads:
            raise NotFound
        return self.uploads[media_id]

    def fetch_new(self, user_id: int, url: str) -> tuple[Upload, bool]:
        self.fetched.append(url)
        upload = Upload("fetched", "fetched.txt", "text", "c" * 64, [Page(1, "What came from there.")])
        is_new = upload.id not in self.uploads
        self.uploads[upload.id] = upload
        return upload, is_new

    def forget_unused(self, user_id: int, media_id: str) -> bool:
        self.forgotten.append(media_id)
        return self.uploads.pop(media_id, None) is not None

    def pages(self, user_id: int, media_id: str) -> Sequence[Page]:
        return self.get(user_id, media_id).pages

    def drawn_pages(self, user_id: int, media_id: str) -> Sequence[int]:
        return self.get(user_id, media_id).drawn

    def drawn_page(self, user_id: int, media_id: str, number: int) -> tuple[str, bytes]:
        if number not in self.get(user_id, media_id).drawn:
            raise NotFound
        return "image/jpeg", b"page %d" % number

    def image(self, user_id: int, media_id: str) -> tuple[str, bytes]:
        self.get(user_id, media_id)
        return "image/jpeg", b"jpeg bytes"
