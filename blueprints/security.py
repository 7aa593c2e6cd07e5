"""What stands before every view and on every response: identity, CSRF, CORS, headers, body size, audit.

Source: API.md "Common to all"; WHATWG Fetch (CORS); W3C CSP 3; OWASP CSRF Prevention Cheat Sheet.
"""

import logging
import re
import secrets
import tempfile
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import Flask, Response, current_app, g, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFError, CSRFProtect

from blueprints import child_gate, identity
from blueprints.extensions import services
from services import logs
from services.errors import CrossSiteRefused, CsrfFailed, TooLarge

logger = logging.getLogger(__name__)
View = TypeVar("View", bound=Callable[..., Any])

csrf = CSRFProtect()

_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_CSP: Final = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_ALLOWED_HEADERS: Final = ("Authorization", "Content-Type", "Last-Event-ID", "Idempotency-Key", "X-CSRF-Token")
_EXPOSED_HEADERS: Final = "X-Stream-Id, Content-Location, Retry-After"
_METHODS: Final = "GET, POST, PUT, PATCH, DELETE"
_PREFLIGHT_AGE_S: Final = "600"
_HX_HEADER: Final = re.compile(r"hx-[a-z-]{1,60}")
_PUBLIC_API: Final = "/api/"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
_UPLOADS: Final = "rill_uploads"
_BODY_BYTES: Final = "rill_body_bytes"
# Boundaries, part headers and the small fields around an upload.
_MULTIPART_SLACK_BYTES: Final = 64 * 1024
_IN_MEMORY_BYTES: Final = 1024 * 1024
_PIECE_BYTES: Final = 64 * 1024
_TURN_S: Final = 0.0001


class _Sessions(SecureCookieSessionInterface):
    """The session cookie is Secure exactly when the request came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 (Flask's signature)
        return request.is_secure


def register(app: Flask) -> None:
    """Stand guard before and after every view of `app`."""
    app.session_interface = _Sessions()
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False  # `_guard` decides when
    app.config["WTF_CSRF_HEADERS"] = ["X-CSRF-Token"]
    app.config["WTF_CSRF_TIME_LIMIT"] = None  # as long as the session: pages stay open for hours
    app.config["WTF_CSRF_SSL_STRICT"] = False  # the token suffices; some clients send no Referer
    csrf.init_app(app)
    app.before_request(_name_request)
    app.before_request(_preflight)
    app.before_request(_guard)
    app.context_processor(_who_for_pages)
    app.teardown_request(_drop_body)
    app.teardown_request(_unname_request)
    app.after_request(_audit)
    app.after_request(_dress)


def accepts_uploads(view: View) -> View:
    """Mark a view whose body may be as large as `MAX_UPLOAD_MB`."""
    return accepts_many_uploads(1)(view)


def accepts_many_uploads(largest: int) -> Callable[[View], View]:
    """Mark views whose bodies may be as large as so many uploads of `MAX_UPLOAD_MB`."""

    def mark(view: View) -> View:
        setattr(view, _UPLOADS, largest)
        return view

    return mark


def takes(max_bytes: int) -> Callable[[View], View]:
    """Mark a view whose bodies may have more bytes than a form or a question has."""

    def mark(view: View) -> View:
        setattr(view, _BODY_BYTES, max_bytes)
        return view

    return mark


def _name_request() -> None:
    sent = request.headers.get("X-Request-Id", "")
    is_ours = services().settings.proxy_hops and _REQUEST_ID.fullmatch(sent)
    g.request_id = sent if is_ours else secrets.token_hex(8)
    g.request_id_mark = logs.request_id.set(g.request_id)


def _unname_request(_error: BaseException | None) -> None:
    """What is logged between requests belongs to none of them."""
    mark = g.pop("request_id_mark", None)
    if mark is not None:
        logs.request_id.reset(mark)


def _preflight() -> Response | None:
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    return Response(status=204)


def _guard() -> None:
    """Refuse in the order of API.md: identity, cross-site and CSRF; rate and input are the view's."""
    if request.method == "OPTIONS":
        return
    # Before all else, also for addresses that do not exist: whatever is not meant for children is closed to them.
    child_gate.guard()
    if request.routing_exception is not None:
        return
    access = identity.access_of(request.endpoint)
    if access == "public":
        _guard_public()
        return
    if access == "stream" and request.method in {"GET", "HEAD"}:
        identity.for_stream((request.view_args or {}).get("stream_id"))
    else:
        who = identity.require()
        _limit_body()
        if who.kind == "cookie":
            _refuse_forgery(access)


def _guard_public() -> None:
    _limit_body()
    # Forms that anybody may send carry a token too: nobody is to be signed in as somebody else.
    if request.method in _WRITES and not request.path.startswith(_PUBLIC_API):
        _check_csrf()


def _refuse_forgery(access: identity.Access) -> None:
    if request.method in _WRITES:
        _check_csrf()
    elif access == "start" and request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise CrossSiteRefused


def _check_csrf() -> None:
    try:
        csrf.protect()
    except CSRFError as refused:
        raise CsrfFailed from refused


def _limit_body() -> None:
    """Refuse a body over the cap. Before the CSRF check, which reads forms."""
    view = current_app.view_functions.get(request.endpoint or "")
    largest = getattr(view, _UPLOADS, 0)
    request.max_content_length = getattr(view, _BODY_BYTES, request.max_content_length)
    if largest:
        request.max_content_length = largest * services().settings.max_upload_mb * 1024 * 1024 + _MULTIPART_SLACK_BYTES
        request.environ["wsgi.input"] = _Sharing(request.environ["wsgi.input"])
    cap = request.max_content_length or 0
    if "chunked" in request.environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        _measure_body(request.environ, cap)
    elif (request.content_length or 0) > cap:
        raise TooLarge


class _Sharing:
    """A large body that is there already is many turns of work: others get theirs between its pieces."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes:
        # Not 0: that lets others run which are ready, but asks no socket whether anything has come.
        time.sleep(_TURN_S)
        piece: bytes = self._body.read(size)
        return piece


def _measure_body(environ: dict[str, Any], cap: int) -> None:
    """Take in a body of unknown length, so that the rest of the site meets one of known length.

    Werkzeug would cut it off at the cap without a word: half a form would pass for a whole one.
    """
    # Large ones lie on disk; `_drop_body` closes it.
    kept = g.kept_body = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115
    left = cap + 1
    while left and (piece := environ["wsgi.input"].read(min(left, _PIECE_BYTES))):
        kept.write(piece)
        left -= len(piece)
    if not left:
        raise TooLarge
    environ["CONTENT_LENGTH"] = str(kept.tell())
    del environ["HTTP_TRANSFER_ENCODING"]
    kept.seek(0)
    environ["wsgi.input"] = kept


def _drop_body(_error: BaseException | None) -> None:
    if "kept_body" in g:
        g.kept_body.close()


def _who_for_pages() -> dict[str, Any]:
    # What is known already: an error page must not ask the database that has just failed.
    if "identity" not in g:
        return {}
    return {"user": g.identity.user if g.identity else None}


def _audit(response: Response) -> Response:
    """One line for every access to a stream: who, which, how, from where, outcome. Never what it said."""
    stream_id = response.headers.get("X-Stream-Id") or (request.view_args or {}).get("stream_id")
    if stream_id is None and identity.access_of(request.endpoint) != "stream":
        return response
    who = g.stream_found[0] if "stream_found" in g else g.get("identity")
    logger.info(
        "stream accessed",
        extra={
            "user_id": who.user.id if who else None,
            "by": who.kind if who else None,
            "stream_id": stream_id,
            "method": request.method,
            "address": request.remote_addr,
            "status": response.status_code,
            "outcome": g.get("problem_code", "ok"),
        },
    )
    return response


def _dress(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("request_id", "")
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", _cache_control())
    child_gate.dress(response)
    _share(response)
    return response


def _cache_control() -> str:
    """Whoever is handed this browser must not find by its Back button what was shown before (decision 0016)."""
    found = g.get("identity")
    return "private, no-store" if found is not None and found.kind == "cookie" else "private, no-cache"


def _share(response: Response) -> None:
    """CORS, for the origins that the operator named; nothing at all for others."""
    origins = services().settings.cors_origins
    if not origins:
        return
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    if origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = _METHODS
        response.headers["Access-Control-Allow-Headers"] = ", ".join((*_ALLOWED_HEADERS, *_asked_hx_headers()))
        response.headers["Access-Control-Max-Age"] = _PREFLIGHT_AGE_S


def _asked_hx_headers() -> list[str]:
    asked = request.headers.get("Access-Control-Request-Headers", "").split(",")
    names = (name.strip().lower() for name in asked)
    return [name for name in names if _HX_HEADER.fullmatch(name)]
