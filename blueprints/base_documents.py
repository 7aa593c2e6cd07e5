"""Documents of bases for programs: take them in, list them, tell how far they are, give them back, remove them."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, cast
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request
from limits import RateLimitItemPerMinute
from werkzeug.datastructures import FileStorage

from blueprints import body, extensions, identity, negotiate, security
from blueprints.extensions import services
from services.errors import AppError, FieldError, InvalidInput, RateLimited, TooLarge
from services.knowledge.bases import MAX_FILE_NAME_CHARS, MAX_TEXT_CHARS, MAX_URL_CHARS, URL_FIELD, Document

blueprint = Blueprint("base_documents", __name__)

FIELD: Final = "file"
ON_A_PAGE: Final = 100
# What one request may bring: so many files, and as much as so many of the largest.
MAX_FILES: Final = 100
_LARGEST: Final = 4
# A folder dropped at once; each file costs its ingestion some processor time, in the background and in turn.
_RATE: Final = RateLimitItemPerMinute(600, 1, namespace="documents")
# A text of `MAX_TEXT_CHARS` in JSON that escapes every letter.
_SMALL_BODY_BYTES: Final = 2 * 1024 * 1024
_TOLD_OF_REFUSALS: Final = frozenset({"document", "limit", "current"})
_SANDBOX: Final = "default-src 'none'; sandbox"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one thing that was sent: a document, or why there is none."""

    name: str
    document: Document | None = None
    error: AppError | None = None

    @property
    def reason(self) -> str:
        """Why it was not taken, in words."""
        if isinstance(self.error, InvalidInput):
            return " ".join(wrong.message for wrong in self.error.errors)
        return self.error.message if self.error else ""


@blueprint.post("/api/v1/kbs/<base_id>/documents")
@security.accepts_many_uploads(_LARGEST)
def add(base_id: str) -> Response:
    """Take documents in: `file` of a multipart form, several of them too, or `name` and `text`, or `url`.

    One that is refused is told of beside the others; if none is taken, the first reason is the answer.
    """
    found = taken(base_id)
    told = [taken_json(one) for one in found]
    if all(one.document is None for one in found) and found[0].error:
        found[0].error.extra.setdefault("documents", told)
        raise found[0].error
    response = jsonify(told)
    response.status_code = 202
    return response


@blueprint.get("/api/v1/kbs/<base_id>/documents")
def listing(base_id: str) -> Response:
    """A base's documents, the newest first; `before` is the last id of the page before."""
    found = services().library.documents(_me(), base_id, request.args.get("before") or None, ON_A_PAGE)
    return jsonify(documents=[shown(one) for one in found], next=next_of(found))


@blueprint.get("/api/v1/documents/<document_id>")
def read(document_id: str) -> Response:
    """How far a document is."""
    return jsonify(shown(services().library.document(_me(), document_id)))


@blueprint.get("/api/v1/documents/<document_id>/content")
def content(document_id: str) -> Response:
    """A document as it came: to be kept, never to be run here."""
    document, pieces = services().library.content(_me(), document_id)
    response = Response(pieces, content_type=document.mime)
    response.content_length = document.bytes
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(document.name, safe='')}"
    response.headers["Content-Security-Policy"] = _SANDBOX
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.set_etag(document.sha256)
    response.make_conditional(request)
    return response


@blueprint.delete("/api/v1/documents/<document_id>")
def remove(document_id: str) -> Response:
    """Remove a document, with all that was made of it."""
    services().library.remove(_me(), document_id)
    return Response(status=200 if negotiate.is_fragment(request) else 204)


@blueprint.post("/api/v1/documents/<document_id>/retry")
def retry(document_id: str) -> Response:
    """Read a document again, whether it failed or not; what is found in it until then stays."""
    response = jsonify(shown(services().library.retry(_me(), document_id)))
    response.status_code = 202
    return response


def taken(base_id: str) -> list[Taken]:
    """What this request brings, kept as far as it can be.

    Raises:
        NotFound, Forbidden: The base is not the current user's to add to.
        InvalidInput: Nothing was sent, or a field is wrong.
        TooLarge, RateLimited: All of it is too much.
    """
    library, me = services().library, _me()
    library.editable(me, base_id)
    files = _files()
    count(len(files) or 1)
    if files:
        return [_kept(base_id, file) for file in files]
    fields = _small_fields()
    if "url" in fields.values and "text" not in fields.values:
        url = fields.text(URL_FIELD, max_chars=MAX_URL_CHARS)
        fields.check()
        return [Taken(url, library.fetch(me, base_id, url))]
    if "text" not in fields.values:
        raise InvalidInput([FieldError(FIELD, "is missing")])
    name = " ".join(fields.text("name", max_chars=MAX_FILE_NAME_CHARS).split())
    text = fields.text("text", max_chars=MAX_TEXT_CHARS)
    fields.check()
    return [Taken(name, library.paste(me, base_id, name, text))]


def count(files: int) -> None:
    """Count documents that the current user adds; what is refused is not counted.

    Raises:
        RateLimited: More than `_RATE`.
        limits.errors.StorageError: Redis is away; answered with 503.
    """
    if not extensions.limiter().limiter.hit(_RATE, "documents", str(_me()), cost=files):
        message = f"You may add {_RATE.amount} documents a minute. Wait a moment and try again."
        raise RateLimited(message, retry_after_s=10, extra={"limit": _RATE.amount, "current": _RATE.amount})


def next_of(found: list[Document]) -> str | None:
    """What `before` is for the page after these."""
    return found[-1].id if len(found) == ON_A_PAGE else None


def state_json(document: Document) -> dict[str, Any]:
    """How far a document is, as programs read it."""
    told: dict[str, Any] = {
        "id": document.id,
        "name": document.name,
        "status": document.state,
        "progress": round(document.progress, 4),
        "done": document.done,
        "total": document.total,
    }
    if document.error:
        told["error"] = document.error
    return told


def shown(document: Document) -> dict[str, Any]:
    """A document, as programs read it."""
    told = {
        **state_json(document),
        "kb_id": document.base_id,
        "kind": document.kind,
        "mime": document.mime,
        "bytes": document.bytes,
        "sha256": document.sha256,
        "created_at": document.created_at.isoformat(),
        "url": f"/api/v1/documents/{document.id}/content",
    }
    if document.pages is not None:
        told["pages"] = document.pages
    if document.source_url:
        told["source_url"] = document.source_url
    return told


def taken_json(one: Taken) -> dict[str, Any]:
    """What became of a thing that was sent, as programs read it."""
    if one.document is not None:
        return state_json(one.document)
    assert one.error is not None
    told = {"id": None, "name": one.name, "status": "failed", "code": one.error.code, "error": one.reason}
    # Which document has the same content; which limit is reached.
    more = {name: value for name, value in one.error.extra.items() if name in _TOLD_OF_REFUSALS}
    return {**told, **more}


def _files() -> list[FileStorage]:
    if request.mimetype != "multipart/form-data":
        return []
    files = [file for file in request.files.getlist(FIELD) if file.filename or file.stream.read(1)]
    if len(files) > MAX_FILES:
        raise InvalidInput([FieldError(FIELD, f"must be at most {MAX_FILES} files at once")])
    return files


def _kept(base_id: str, file: FileStorage) -> Taken:
    name = file.filename or ""
    try:
        return Taken(name, services().library.add(_me(), base_id, name, cast(BytesIO, file.stream)))
    except AppError as error:
        return Taken(name, error=error)


def _small_fields() -> body.Fields:
    if request.mimetype != "multipart/form-data" and (request.content_length or 0) > _SMALL_BODY_BYTES:
        raise TooLarge
    return body.fields(request)


def _me() -> int:
    return identity.require().user.id
