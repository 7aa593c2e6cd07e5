"""Bases of documents in a browser: all of them, and one with what is in it. Everything works as plain forms."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from flask import Blueprint, Response, render_template, request

from blueprints import base_documents, bases, body, errors, identity, negotiate, security
from blueprints.base_documents import ON_A_PAGE, Taken
from blueprints.extensions import services
from services.errors import AppError
from services.knowledge import arrivals
from services.knowledge.bases import MAX_NAME_CHARS, MAX_TEXT_CHARS

blueprint = Blueprint("base_pages", __name__)

_INDEX: Final = "/search/bases"
# More files in one form: as many as a program may send at once.
_LARGEST: Final = 4


@blueprint.get("/search/bases")
def index() -> str:
    """The bases that I may read."""
    return _index()


@blueprint.post("/search/bases")
def create() -> Response:
    """Make a base."""

    def act() -> Response:
        fields = body.fields(request)
        name, shared = bases.sent_name(fields), bases.sent_flag(fields, "shared")
        fields.check()
        made = services().library.create(_me(), name, is_shared=bool(shared))
        return negotiate.see_other(_place(made.id))

    return errors.on_page(act, lambda problem: Response(_index(problem)))


@blueprint.get("/search/bases/<base_id>")
def page(base_id: str) -> str:
    """A base with its documents."""
    return _page(base_id)


@blueprint.post("/search/bases/<base_id>")
def change(base_id: str) -> Response:
    """Rename or share a base: a form always tells both."""

    def act() -> Response:
        fields = body.fields(request)
        name, shared = bases.sent_name(fields), bases.sent_flag(fields, "shared")
        fields.check()
        services().library.change(_me(), base_id, name=name, is_shared=bool(shared))
        return negotiate.see_other(_place(base_id))

    return _on_page(base_id, "settings", act)


@blueprint.post("/search/bases/<base_id>/delete")
def delete(base_id: str) -> Response:
    """Delete a base with its documents."""
    services().library.delete(_me(), base_id)
    return negotiate.see_other(_INDEX)


@blueprint.post("/search/bases/<base_id>/documents")
@security.accepts_many_uploads(_LARGEST)
def add(base_id: str) -> Response:
    """Take documents in."""

    def act() -> Response:
        found = base_documents.taken(base_id)
        refused = [one for one in found if one.document is None]
        if negotiate.is_fragment(request):
            # The page hears of it by the progress that it follows.
            return Response(status=202, content_type="text/html")
        if refused:
            return _refused(base_id, refused)
        return negotiate.see_other(_place(base_id) + "#documents")

    at = next((name for name in ("url", "text") if name in request.form), "file")
    return _on_page(base_id, at, act)


@blueprint.post("/search/bases/<base_id>/members")
def set_member(base_id: str) -> Response:
    """Let somebody use a base, or change what they may."""

    def act() -> Response:
        services().library.set_member(_me(), base_id, *bases.sent_member())
        return negotiate.see_other(_place(base_id) + "#people")

    return _on_page(base_id, "people", act)


@blueprint.post("/search/bases/<base_id>/members/remove")
def remove_member(base_id: str) -> Response:
    """Take somebody out of a base."""

    def act() -> Response:
        services().library.remove_member(_me(), base_id, bases.sent_email())
        return negotiate.see_other(_place(base_id) + "#people")

    return _on_page(base_id, "people", act)


@blueprint.post("/search/bases/<base_id>/leave")
def leave(base_id: str) -> Response:
    """Use a base no more."""
    services().library.remove_member(_me(), base_id, identity.require().user.email)
    return negotiate.see_other(_INDEX)


@blueprint.post("/search/documents/<document_id>/retry")
def retry(document_id: str) -> Response:
    """Read a document again."""
    document = services().library.retry(_me(), document_id)
    if negotiate.is_fragment(request):
        return Response(status=202, content_type="text/html")
    return negotiate.see_other(_place(document.base_id) + "#documents")


@blueprint.post("/search/documents/<document_id>/remove")
def remove(document_id: str) -> Response:
    """Remove a document."""
    document = services().library.document(_me(), document_id)
    services().library.remove(_me(), document_id)
    if negotiate.is_fragment(request):
        return Response(content_type="text/html")
    return negotiate.see_other(_place(document.base_id) + "#documents")


def _on_page(base_id: str, at: str, act: Callable[[], Response]) -> Response:
    """Do what a form of a base's page asks for; its mistake stands at the form."""
    return errors.on_page(act, lambda problem: Response(_page(base_id, problem=problem, problem_at=at)))


def _refused(base_id: str, refused: Sequence[Taken]) -> Response:
    """Some of several files were not taken; those that were are on the page."""
    told = [{"name": one.name, "error": one.reason} for one in refused]
    status = errors.status_of(refused[0].error or AppError())
    return Response(_page(base_id, refused=told), status=status)


def _index(problem: Mapping[str, Any] | None = None) -> str:
    return render_template(
        "bases/index.html",
        user=identity.require().user,
        bases=services().library.listing(_me()),
        max_name_chars=MAX_NAME_CHARS,
        problem=problem,
        form=request.form,
    )


def _page(
    base_id: str,
    *,
    problem: Mapping[str, Any] | None = None,
    problem_at: str = "",
    refused: Sequence[Mapping[str, str]] = (),
) -> str:
    library, settings = services().library, services().settings
    base = library.get(_me(), base_id)
    before = request.args.get("before") or None
    found = library.documents(_me(), base_id, before, ON_A_PAGE)
    return render_template(
        "bases/base.html",
        user=identity.require().user,
        base=base,
        documents=found,
        counts=library.pulse(base_id, None),
        can_edit=base.role != "reader",
        is_owner=base.role == "owner",
        members=library.members(_me(), base_id) if base.role == "owner" else [],
        before=before,
        older=base_documents.next_of(found),
        max_upload_mb=settings.max_upload_mb,
        accept=arrivals.ACCEPT,
        taken=arrivals.TAKEN,
        hosts=settings.media_url_hosts,
        max_text_chars=MAX_TEXT_CHARS,
        max_name_chars=MAX_NAME_CHARS,
        problem=problem,
        problem_at=problem_at,
        form=request.form,
        refused=refused,
    )


def _place(base_id: str) -> str:
    return f"{_INDEX}/{base_id}"


def _me() -> int:
    return identity.require().user.id
