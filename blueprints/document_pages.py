"""A document in a browser: its text, with the passage marked that a number led to."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, render_template, request, url_for

from blueprints import identity, negotiate
from blueprints.extensions import services
from blueprints.marked import Text, marked
from services.errors import NotFound
from services.store import bases, documents
from services.store.bases import BaseView
from services.store.database import Session
from services.store.documents import Document

blueprint = Blueprint("document_pages", __name__)

# What is read beside an answer: the passage and about a screen around it.
_BESIDE_CHARS: Final = 3_000
# Larger numbers are no places in a text; databases do not take them all.
_MAX_NUMBER: Final = 100_000_000


@blueprint.get("/search/documents/<document_id>")
def read(document_id: str) -> Response:
    """One page of a document; to htmx and to the reader beside an answer only the passage and what is around it."""
    number, start, end = (_number(name) for name in ("page", "start", "end"))
    user = identity.require().user
    found = services().database.run(_found, user.id, document_id, number)
    if negotiate.is_fragment(request):
        return _response("search/_passage.html", found, marked(found["page"], start, end, around=_BESIDE_CHARS))
    return _response("search/document.html", {**found, "user": user}, marked(found["page"], start, end))


def _response(template: str, found: Mapping[str, Any], text: Text) -> Response:
    document: Document = found["document"]
    asked: dict[str, Any] = {name: request.args[name] for name in ("page", "start", "end") if name in request.args}
    html = render_template(
        template,
        **found,
        text=text,
        whole_url=url_for(".read", document_id=document.id, **asked, _anchor="passage"),
        content_url=f"/api/v1/documents/{document.id}/content",
    )
    response = Response(html)
    # It may be taken away from its reader at any time.
    response.headers["Cache-Control"] = "no-store"
    return response


def _found(session: Session, user_id: int, document_id: str, number: int) -> dict[str, Any]:
    """A document, its base, and the text of one of its pages; empty if it has not been read yet.

    Raises:
        NotFound: Unknown, not the person's to read, or there is no such page.
    """
    document = documents.get(session, user_id, document_id)
    base: BaseView = bases.get(session, user_id, document.base_id)
    told = {"document": document, "base": base, "number": number or 1, "count": document.pages or 1, "page": ""}
    try:
        _, page, count = documents.page(session, user_id, document_id, number or 1)
    except NotFound:
        if number > 1:
            raise
        return told
    return {**told, "count": count, "page": page.text}


def _number(name: str) -> int:
    sent = request.args.get(name, "")
    return int(sent) if sent.isascii() and sent.isdecimal() and int(sent[:12]) <= _MAX_NUMBER and len(sent) < 12 else 0
