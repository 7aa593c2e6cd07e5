"""What goes wrong, as HTTP: a status and a problem document, a page, or a fragment.

The only module that knows which status an exception of `services.errors` has. No exception's own
text leaves the site: what clients read was written for them.

Source: RFC 9457 (problem details); API.md, "Errors".
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from flask import Flask, Response, current_app, g, render_template, request, url_for
from limits.errors import StorageError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from blueprints import following, negotiate
from blueprints.dialects import html
from blueprints.identity import access_of
from services import errors

_STATUS: Final[Mapping[type[errors.AppError], int]] = {
    errors.InvalidInput: 400,
    errors.NotSignedIn: 401,
    errors.PointsExhausted: 402,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.UnsupportedType: 415,
    errors.LimitReached: 429,
    errors.SiteFull: 503,
    errors.Unavailable: 503,
    errors.ModelError: 503,
}
# What werkzeug raises by itself: code and message for each status that it uses here.
_HTTP: Final[Mapping[int, tuple[str, str]]] = {
    400: (errors.InvalidInput.code, "The request is malformed."),
    403: (errors.Forbidden.code, errors.Forbidden.default_message),
    404: (errors.NotFound.code, errors.NotFound.default_message),
    405: ("METHOD_NOT_ALLOWED", "This address does not take that method."),
    413: (errors.TooLarge.code, errors.TooLarge.default_message),
    415: (errors.UnsupportedType.code, errors.UnsupportedType.default_message),
}
_UNEXPECTED: Final = ("INTERNAL_ERROR", "Something went wrong on our side. It has been noted.")
# A refusal without a time of its own: when Redis and full sites are worth another try.
_RETRY_AFTER_S: Final = {429: 1, 503: 2}
_API_PREFIXES: Final = ("/api/", "/v1/", "/metrics", "/healthz", "/readyz")
_SIGN_IN: Final = "auth.login"
# Where a child's screen begins, and where whatever is not for children leads back to.
CHILD_HOME: Final = "/stories/child"
_REFUSAL: Final = "rill_refusal"


def register(app: Flask) -> None:
    """Answer every failure of `app` in the shape that its client reads."""
    app.register_error_handler(errors.AppError, answer)
    app.register_error_handler(StorageError, _limits_away)
    app.register_error_handler(HTTPException, _http_answer)
    app.register_error_handler(500, _unexpected)


def refuses_in_html(view: Callable[..., Any], refuse: Callable[[dict[str, Any]], Response]) -> None:
    """Mark a GET view that streams, but no answer: what `refuse` makes of a problem document is its refusal in the HTML
    flavour, which is always answered by 200."""
    setattr(view, _REFUSAL, refuse)


def status_of(error: errors.AppError) -> int:
    """The HTTP status of an error."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 500


def problem_of(error: errors.AppError) -> dict[str, Any]:
    """The problem document of an error, for the current request."""
    problem = {**_problem(status_of(error), error.code, error.message), "detail": error.detail}
    if isinstance(error, errors.InvalidInput):
        problem["errors"] = [{"field": wrong.field, "message": wrong.message} for wrong in error.errors]
    extra = dict(error.extra)
    if "running" in extra:
        extra["running"] = [
            {"stream_id": stream_id, "stop_url": f"/api/streams/{stream_id}/stop"} for stream_id in extra["running"]
        ]
    return {**problem, **{name: value for name, value in extra.items() if name not in problem}}


def headers_of(error: errors.AppError) -> dict[str, str]:
    """The headers that go with an error: when to come back, how to sign in."""
    status = status_of(error)
    headers: dict[str, str] = {}
    wait_s = error.retry_after_s if error.retry_after_s is not None else _RETRY_AFTER_S.get(status)
    if wait_s is not None:
        headers["Retry-After"] = str(max(wait_s, 1))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def shape() -> negotiate.Wants:
    """How the current request wants to read an error: never as a stream of its own."""
    is_api = request.path.startswith(_API_PREFIXES)
    # A program that posts to a page's address and takes anything is no browser.
    default: negotiate.Wants = "json" if is_api or request.method not in {"GET", "HEAD"} else "page"
    wanted = negotiate.wants(request, default)
    return "json" if wanted == "sse" else wanted


def on_page(act: Callable[[], Response], again: Callable[[dict[str, Any]], Response]) -> Response:
    """Do what a form asks for.

    Args:
        again: The page of the form, with a problem document: a browser's mistake gets it back, with the status and the
            headers that programs get too.
    """
    try:
        return act()
    except errors.AppError as error:
        if shape() != "page":
            raise
        response = again(problem_of(error))
        response.status_code = status_of(error)
        response.headers.update(headers_of(error))
        return response


def answer(error: errors.AppError) -> Response:
    """The response to a known error."""
    if isinstance(error, errors.NotSignedIn) and shape() == "page":
        return _to_sign_in()
    if isinstance(error, errors.ChildScreen) and _is_page():
        g.problem_code = error.code
        return negotiate.see_other(CHILD_HOME)
    return _response(problem_of(error), headers_of(error))


def _response(problem: dict[str, Any], headers: Mapping[str, str]) -> Response:
    g.problem_code = problem["code"]
    if _wants_html_stream():
        return _html_stream(problem)
    refuse = getattr(current_app.view_functions.get(request.endpoint or ""), _REFUSAL, None)
    if refuse is not None and request.method == "GET" and request.args.get("view") == "html":
        refused: Response = refuse(problem)
        return refused
    wanted = shape()
    if wanted == "json":
        response = Response(orjson.dumps(problem), content_type="application/problem+json")
    else:
        page = "stories/child/problem.html" if _is_childs() else "errors/page.html"
        template = "errors/_problem.html" if wanted == "fragment" else page
        response = Response(render_template(template, problem=problem), content_type="text/html; charset=utf-8")
    response.status_code = problem["status"]
    response.headers.update(headers)
    return response


def _problem(status: int, code: str, message: str) -> dict[str, Any]:
    return {
        "status": status,
        "title": HTTPStatus(status).phrase,
        "detail": message,
        "code": code,
        "message": message,
        "request_id": g.get("request_id", ""),
    }


def _to_sign_in() -> Response:
    """Pages without a login lead to it and back again, if going back is a matter of looking."""
    g.problem_code = errors.NotSignedIn.code
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    return negotiate.see_other(url_for(_SIGN_IN, next=back))


def _is_childs() -> bool:
    """Whether a child reads this, as far as that is known: the database may be what failed."""
    is_there = request.path == CHILD_HOME or request.path.startswith(f"{CHILD_HOME}/")
    return g.get("child_id") is not None or is_there


def _is_page() -> bool:
    """Whether a person looks at this address, and it is none of the API's."""
    return shape() == "page" and not request.path.startswith(_API_PREFIXES)


def _wants_html_stream() -> bool:
    return request.method == "GET" and request.args.get("view") == "html" and access_of(request.endpoint) == "stream"


def _html_stream(problem: dict[str, Any]) -> Response:
    """A page follows this address: it reads frames only, so the refusal is one, and the end."""
    stream_id = (request.view_args or {}).get("stream_id") or _found_stream()
    return following.streamed(html.refusal(current_app.jinja_env, stream_id, problem))


def _found_stream() -> str | None:
    return g.stream_found[1] if "stream_found" in g else None


def _limits_away(_error: StorageError) -> Response:
    """Limits that cannot be counted are not waved through."""
    return answer(errors.Unavailable())


def _http_answer(error: HTTPException) -> Response:
    if isinstance(error, RequestRedirect):
        response = error.get_response()
        assert isinstance(response, Response)
        return response
    status = error.code or 500
    code, message = _HTTP.get(status, (HTTPStatus(status).name, HTTPStatus(status).phrase))
    headers = {name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}}
    problem = _problem(status, code, message)
    if status == 400:
        problem["errors"] = [{"field": "body", "message": message}]
    return _response(problem, headers)


def _unexpected(_error: Exception) -> Response:
    """Flask has logged it, once, with the path; the client learns the request id only."""
    return _response(_problem(500, *_UNEXPECTED), {})
