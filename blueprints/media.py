"""Uploads: take them in, list them, give them back, and the page where a person sees their own.

Files come from anybody's disk and go to their owner only, as something that a browser shows or keeps but never
runs: with the type that their content has, in a sandbox, and as a download unless they are pictures.
"""

import unicodedata
from typing import Any, Final
from urllib.parse import quote

import orjson
from flask import Blueprint, Response, render_template, request, url_for
from limits import RateLimitItemPerMinute
from werkzeug.datastructures import FileStorage

from blueprints import body, errors, extensions, identity, negotiate, security
from blueprints.extensions import services
from services.errors import AppError, FieldError, InvalidInput, NotFound, RateLimited, TooLarge
from services.media import FIELD, MAX_URL_CHARS, Media, Usage

blueprint = Blueprint("media", __name__)

_PAGE: Final = 50
# Eight files go with a message; more in a minute is a program's work. Each costs a second of a processor.
_RATE: Final = RateLimitItemPerMinute(60, 1, namespace="upload")
_MAX_PAGE_NUMBER: Final = 1_000_000
# What came from somebody's disk runs nothing and loads nothing, whatever it is.
_SANDBOX: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_SMALL_BODY_BYTES: Final = 64 * 1024


@blueprint.post("/api/media")
@security.accepts_uploads
def add() -> Response:
    """Take a file in: `file` of a multipart form, or `url` of a host that is allowed."""
    try:
        media = taken()
    except AppError as error:
        if errors.shape() != "page":
            raise
        return _page(error)
    wanted = negotiate.wants(request)
    if wanted == "fragment":
        return Response(render_template("media/_chip.html", file=shown(media)), status=201)
    if wanted == "page":
        return negotiate.see_other(url_for("media.page"))
    response = _json(shown(media))
    response.status_code = 201
    response.location = url_for("media.content", media_id=media.id)
    return response


@blueprint.get("/api/media")
def listing() -> Response:
    """My files, the newest first; `before` is the last id of the page before."""
    files, usage = _files()
    limit = services().settings.media_total_mb * 1024 * 1024
    return _json(
        {
            "media": [shown(media) for media in files],
            "next": _next(files),
            "used_bytes": usage.bytes,
            "limit_bytes": limit,
            "count": usage.files,
        }
    )


@blueprint.get("/api/media/<media_id>")
def content(media_id: str) -> Response:
    """The file as it came."""
    media, pieces = services().shelf.content(_me(), media_id)
    kind = f"{media.mime}; charset=utf-8" if media.kind == "text" else media.mime
    response = _given(pieces, kind, media.sha256)
    response.content_length = media.bytes
    response.headers.set(
        "Content-Disposition", "inline" if media.kind == "image" else "attachment", **_names(media.name)
    )
    return _conditional(response)


@blueprint.get("/api/media/<media_id>/thumbnail")
def thumbnail(media_id: str) -> Response:
    """A small picture of it."""
    media = services().shelf.get(_me(), media_id)
    mime, data = services().shelf.thumbnail(_me(), media_id)
    return _conditional(_given(data, mime, f"{media.sha256}-thumbnail"))


@blueprint.get("/api/media/<media_id>/pages/<int:number>")
def passage(media_id: str, number: int) -> Response:
    """The text of one page: JSON, or a page to read for a browser."""
    if number > _MAX_PAGE_NUMBER:
        raise NotFound
    media, found, count = services().shelf.page(_me(), media_id, number)
    if negotiate.wants(request) == "page":
        return Response(render_template("media/passage.html", file=media, passage=found, count=count))
    return _json({"media_id": media.id, "name": media.name, "number": number, "count": count, "text": found.text})


@blueprint.delete("/api/media/<media_id>")
def delete(media_id: str) -> Response:
    """Delete a file, with its text and pictures."""
    services().shelf.delete(_me(), media_id)
    # htmx takes a row away that is answered with nothing; a 204 leaves the page alone.
    return Response(status=200 if negotiate.is_fragment(request) else 204)


@blueprint.post("/api/media/<media_id>/delete")
def delete_by_form(media_id: str) -> Response:
    """Delete a file and go back to the others."""
    services().shelf.delete(_me(), media_id)
    return negotiate.see_other(url_for("media.page"))


@blueprint.get("/media")
def page() -> Response:
    """My files on a page."""
    return _page()


def taken() -> Media:
    """The file that this request brings, kept.

    Raises:
        InvalidInput, UnsupportedType, TooLarge, RateLimited: As `Shelf.add` and `Shelf.fetch` say; nothing is kept.
    """
    _count()
    sent = request.files.getlist(FIELD) if request.mimetype == "multipart/form-data" else []
    files = [file for file in sent if file.filename or file.stream.read(1)]
    if len(files) > 1:
        raise InvalidInput([FieldError(FIELD, "must be one file; send the others by themselves")])
    if not files:
        return services().shelf.fetch(_me(), _url())
    return _kept(files[0])


def _kept(file: FileStorage) -> Media:
    file.stream.seek(0)
    return services().shelf.add(_me(), file.filename or "", file.stream)


def _url() -> str:
    if request.mimetype != "multipart/form-data" and (request.content_length or 0) > _SMALL_BODY_BYTES:
        raise TooLarge
    fields = body.fields(request)
    url = fields.text("url", max_chars=MAX_URL_CHARS, required=False)
    if not url and not fields.values.get("url"):
        fields.wrong(FIELD, "is missing")
    fields.check()
    return url


def _count() -> None:
    """Count an upload by the current user; what is refused is not counted.

    Raises:
        RateLimited: More than `_RATE`.
        limits.errors.StorageError: Redis is away; answered with 503.
    """
    keys = ("media", str(_me()))
    if not extensions.limiter().limiter.hit(_RATE, *keys):
        message = f"You may add {_RATE.amount} files a minute. Wait a moment and try again."
        raise RateLimited(message, retry_after_s=10, extra={"limit": _RATE.amount, "current": _RATE.amount})


def _files() -> tuple[list[Media], Usage]:
    return services().shelf.listing(_me(), request.args.get("before") or None, _PAGE)


def _page(error: AppError | None = None) -> Response:
    files, usage = _files()
    settings = services().settings
    html = render_template(
        "media/page.html",
        user=identity.require().user,
        files=files,
        used=usage,
        limit_bytes=settings.media_total_mb * 1024 * 1024,
        max_upload_mb=settings.max_upload_mb,
        hosts=settings.media_url_hosts,
        older=_next(files),
        is_first=not request.args.get("before"),
        problem=errors.problem_of(error) if error else None,
    )
    response = Response(html)
    response.headers["Cache-Control"] = "no-store"
    if error is not None:
        response.status_code = errors.status_of(error)
        response.headers.update(errors.headers_of(error))
    return response


def _names(name: str) -> dict[str, str]:
    """A file's name for a header: in ASCII for old clients, and as it is. Source: RFC 6266, 4.3."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    if plain == name:
        return {"filename": name}
    return {"filename": plain or "file", "filename*": f"UTF-8''{quote(name, safe='')}"}


def _next(files: list[Media]) -> str | None:
    return files[-1].id if len(files) == _PAGE else None


def _given(data: Any, mime: str, etag: str) -> Response:
    response = Response(data, content_type=mime)
    response.headers["Content-Security-Policy"] = _SANDBOX
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    # Nothing of it changes, but who may see it does: a browser asks each time, and is told to use what it has.
    response.set_etag(etag)
    return response


def _conditional(response: Response) -> Response:
    response.make_conditional(request)
    return response


def shown(media: Media) -> dict[str, Any]:
    """A file as the API and the pages tell of it."""
    told: dict[str, Any] = {
        "id": media.id,
        "name": media.name,
        "kind": media.kind,
        "mime": media.mime,
        "bytes": media.bytes,
        "sha256": media.sha256,
        "created_at": media.created_at.isoformat(),
        "url": url_for("media.content", media_id=media.id),
    }
    if media.pages is not None:
        told["pages"] = media.pages
    if media.kind != "image":
        told["chars"] = media.chars
    if media.has_thumbnail:
        told["thumbnail_url"] = url_for("media.thumbnail", media_id=media.id)
    return told


def _json(value: dict[str, Any]) -> Response:
    response = Response(orjson.dumps(value), content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _me() -> int:
    return identity.require().user.id
