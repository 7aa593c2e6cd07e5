"""What a request wants: a stream, an HTML fragment, a page or JSON. Pure apart from the request it reads.

htmx 4 sends `Accept: text/html, text/event-stream` with every request, so that a type merely being
listed says nothing: the order and the q values decide.

Source: RFC 9110, section 12.5.1.
"""

from typing import Final, Literal

from flask import Request, Response, request

Wants = Literal["sse", "fragment", "page", "json"]

_SSE: Final = "text/event-stream"
_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_JSON: Final = frozenset({"application/json", "application/problem+json", "application/*"})
_ANY: Final = "*/*"


def wants(of: Request, default: Wants = "json") -> Wants:
    """Choose by what the client likes best.

    Args:
        default: For a client that takes anything (`*/*`, or no Accept at all).
    """
    best = _best(of.headers.get("Accept", ""))
    if best == _SSE:
        return "sse"
    if is_fragment(of):
        return "fragment"
    if best in _HTML or best == "text/*":
        return "page"
    if best in _JSON:
        return "json"
    return default if best in {"", _ANY} else "json"


def is_fragment(of: Request) -> bool:
    """Whether htmx asks for a piece of a page. Boosted links and its history want whole pages."""
    headers = of.headers
    return (
        headers.get("HX-Request") == "true"
        and headers.get("HX-Boosted") != "true"
        and headers.get("HX-History-Restore-Request") != "true"
    )


def see_other(path: str) -> Response:
    """Where to go after a form: a 303; htmx, which would swap the page in, is told to go there."""
    if is_fragment(request):
        return Response(headers={"HX-Redirect": path})
    response = Response(status=303)
    response.location = path
    return response


def _best(accept: str) -> str:
    """The media type with the highest q; the first of them where several have it."""
    best, best_q = "", 0.0
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        q = _quality(parameters)
        if media_type and q > best_q:
            best, best_q = media_type, q
    return best


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
