"""Uploads: whose they are, their bytes in pieces, and the text of their pages. What is stored never changes.

Bytes lie in the database, so that any machine serves them. They are kept in pieces: neither a request nor a
statement ever holds a whole file. The rows are uploads.py's.
"""

from collections.abc import Iterator
from typing import Final, Literal

from sqlalchemy import Text, func, insert, select, type_coerce
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Session

from services import errors
from services.store.base import new_id, utc_now
from services.store.database import write_next
from services.store.threads import Conversation, Message
from services.store.uploads import Kind, Made, Media, MediaPage, MediaPiece, MediaRow, Page, Role, Upload, Usage

__all__ = [
    "PIECE_BYTES",
    "Kind",
    "Made",
    "Media",
    "MediaPage",
    "MediaPiece",
    "MediaRow",
    "Page",
    "Role",
    "Upload",
    "Usage",
    "add",
    "delete",
    "drawn_page",
    "drawn_pages",
    "find",
    "forget_unused",
    "get",
    "listing",
    "made",
    "page",
    "pages",
    "piece",
    "room_for",
    "used",
]

PIECE_BYTES: Final = 256 * 1024
_UNKNOWN: Final = "There is no such file."
_PAGE_ROLES: Final = "page-"
_PAGES_MIME: Final = "image/jpeg"


def add(s: Session, user_id: int, upload: Upload, *, max_total_bytes: int, max_files: int) -> tuple[Media, bool]:
    """Keep a file. The same file under the same name is there already: that one is given.

    Returns:
        The file, and whether it was not there before.

    Raises:
        TooLarge: Code `MEDIA_FULL`: the person's files would take up more than `max_total_bytes`, or be too many.
    """
    # Two uploads at once must not both find the last free place.
    write_next(s, turn=f"media {user_id}")
    known = find(s, user_id, upload.sha256, upload.name)
    if known is not None:
        return known, False
    room_for(used(s, user_id), upload.stored_bytes, max_total_bytes=max_total_bytes, max_files=max_files)
    row = _row(user_id, upload)
    s.add(row)
    s.flush()
    for role, number, data in _pieces(upload):
        # One statement each: a driver's copy of a whole file would be a second one in memory.
        s.execute(insert(MediaPiece), [{"media_id": row.id, "role": role, "number": number, "data": data}])
    if upload.pages:
        texts = enumerate(upload.pages, start=1)
        s.execute(insert(MediaPage), [{"media_id": row.id, "number": number, "text": text} for number, text in texts])
    return _of_row(row), True


def room_for(now: Usage, size_bytes: int, *, max_total_bytes: int, max_files: int) -> None:
    """Refuse what does not fit beside what is there.

    Raises:
        TooLarge: Code `MEDIA_FULL`; carries `limit` and `current`, in bytes or files.
    """
    if now.bytes + size_bytes > max_total_bytes:
        raise _full("Your files take up all the space that you have", max_total_bytes, now.bytes)
    if now.files >= max_files:
        raise _full("You have as many files as you may", max_files, now.files)


def find(s: Session, user_id: int, sha256: str, name: str) -> Media | None:
    """The person's file with this content and name."""
    same = select(MediaRow).where(MediaRow.user_id == user_id, MediaRow.sha256 == sha256, MediaRow.name == name)
    row = s.scalar(same)
    return None if row is None else _of_row(row)


def get(s: Session, user_id: int, media_id: str) -> Media:
    """One of the person's files.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    return _of_row(_own(s, user_id, media_id))


def listing(s: Session, user_id: int, before: str | None, limit: int) -> list[Media]:
    """The person's files, the newest first; `before` is the last id of the page before."""
    own = select(MediaRow).where(MediaRow.user_id == user_id)
    if before is not None:
        own = own.where(MediaRow.id < before)
    return [_of_row(row) for row in s.scalars(own.order_by(MediaRow.id.desc()).limit(limit))]


def used(s: Session, user_id: int) -> Usage:
    """What the person's files take up in all."""
    sums = select(func.coalesce(func.sum(MediaRow.stored_bytes), 0), func.count()).where(MediaRow.user_id == user_id)
    total, files = s.execute(sums).one()
    return Usage(int(total), files)


def pages(s: Session, user_id: int, media_id: str) -> list[Page]:
    """The texts of a file's pages, in order; none for a picture.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    _own(s, user_id, media_id)
    found = select(MediaPage.number, MediaPage.text).where(MediaPage.media_id == media_id).order_by(MediaPage.number)
    return [Page(number, text) for number, text in s.execute(found)]


def page(s: Session, user_id: int, media_id: str, number: int) -> tuple[Media, Page, int]:
    """One page of a file, the file, and how many there are.

    Raises:
        NotFound: Unknown, somebody else's, or there is no such page.
    """
    media = get(s, user_id, media_id)
    row = s.get(MediaPage, (media_id, number))
    if row is None:
        raise errors.NotFound("There is no such page.")
    count = s.scalar(select(func.max(MediaPage.number)).where(MediaPage.media_id == media_id)) or number
    return media, Page(row.number, row.text), count


def piece(s: Session, user_id: int, media_id: str, role: Role, number: int) -> bytes | None:
    """One piece of a file, or of a picture made of it; None after the last.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    _own(s, user_id, media_id)
    row = select(MediaPiece.data).where(
        MediaPiece.media_id == media_id, MediaPiece.role == role, MediaPiece.number == number
    )
    return s.scalar(row)


def made(s: Session, user_id: int, media_id: str, role: Literal["image", "thumbnail"]) -> Made | None:
    """A picture made of a file; None if there is none.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    row = _own(s, user_id, media_id)
    mime = row.image_mime if role == "image" else row.thumbnail_mime
    if mime is None:
        return None
    return Made(mime, _joined(s, media_id, role))


def drawn_pages(s: Session, user_id: int, media_id: str) -> list[int]:
    """The numbers of the pages that are kept as pictures, in order.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    _own(s, user_id, media_id)
    roles = select(MediaPiece.role).where(MediaPiece.media_id == media_id, MediaPiece.role.startswith(_PAGE_ROLES))
    return sorted(int(role.removeprefix(_PAGE_ROLES)) for role in s.scalars(roles.distinct()))


def drawn_page(s: Session, user_id: int, media_id: str, number: int) -> Made | None:
    """The picture of a page; None if there is none.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    _own(s, user_id, media_id)
    data = _joined(s, media_id, f"{_PAGE_ROLES}{number}")
    return Made(_PAGES_MIME, data) if data else None


def delete(s: Session, user_id: int, media_id: str) -> None:
    """Delete a file with all that was made of it.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    gone = delete_from(MediaRow).where(MediaRow.user_id == user_id, MediaRow.id == media_id)
    if s.scalar(gone.returning(MediaRow.id)) is None:
        raise errors.NotFound(_UNKNOWN)


def forget_unused(s: Session, user_id: int, media_id: str) -> bool:
    """Delete a file that came a moment ago for a question, if no turn refers to it; whether it is gone.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    row = _own(s, user_id, media_id)
    # Only a conversation that was used since can know it; the ids are letters and digits.
    refers = (
        select(Message.id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.user_id == user_id, Conversation.updated_at >= row.created_at)
        .where(Message.role == "assistant", type_coerce(Message.turn, Text).contains(media_id, autoescape=True))
    )
    if s.scalar(refers.limit(1)) is not None:
        return False
    s.delete(row)
    return True


def _joined(s: Session, media_id: str, role: Role) -> bytes:
    found = select(MediaPiece.data).where(MediaPiece.media_id == media_id, MediaPiece.role == role)
    return b"".join(s.scalars(found.order_by(MediaPiece.number)))


def _own(s: Session, user_id: int, media_id: str) -> MediaRow:
    row = s.get(MediaRow, media_id)
    if row is None or row.user_id != user_id:
        raise errors.NotFound(_UNKNOWN)
    return row


def _row(user_id: int, upload: Upload) -> MediaRow:
    image, thumbnail = upload.made.get("image"), upload.made.get("thumbnail")
    return MediaRow(
        id=new_id(),
        user_id=user_id,
        name=upload.name,
        kind=upload.kind,
        mime=upload.mime,
        bytes=upload.bytes,
        pages=upload.page_count,
        chars=sum(map(len, upload.pages)),
        sha256=upload.sha256,
        stored_bytes=upload.stored_bytes,
        image_mime=image.mime if image else None,
        thumbnail_mime=thumbnail.mime if thumbnail else None,
        created_at=utc_now(),
    )


def _of_row(row: MediaRow) -> Media:
    return Media(
        id=row.id,
        name=row.name,
        kind=row.kind,  # type: ignore[arg-type]
        mime=row.mime,
        bytes=row.bytes,
        pages=row.pages,
        chars=row.chars,
        sha256=row.sha256,
        stored_bytes=row.stored_bytes,
        has_thumbnail=row.thumbnail_mime is not None,
        created_at=row.created_at,
    )


def _pieces(upload: Upload) -> Iterator[tuple[Role, int, bytes]]:
    # From the start: a transaction that met another writer is tried a second time.
    upload.content.seek(0)
    number = 0
    while data := upload.content.read(PIECE_BYTES):
        yield "content", number, data
        number += 1
    for role, made_of_it in upload.made.items():
        for number, start in enumerate(range(0, len(made_of_it.data), PIECE_BYTES)):
            yield role, number, made_of_it.data[start : start + PIECE_BYTES]


def _full(why: str, limit: int, current: int) -> errors.TooLarge:
    message = f"{why}. Delete some that you do not need."
    wrong = {"field": "file", "message": f"does not fit: {why[0].lower()}{why[1:]}."}
    return errors.TooLarge(message, code="MEDIA_FULL", extra={"limit": limit, "current": current, "errors": [wrong]})
