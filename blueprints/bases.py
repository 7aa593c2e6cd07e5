"""Bases for programs: make, list, change, share, delete; what is in them is base_documents.py's."""

from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from blueprints import body, identity
from blueprints.extensions import services
from services.knowledge.bases import MAX_NAME_CHARS, BaseView, Member
from services.media import names

blueprint = Blueprint("bases", __name__)

MAX_EMAIL_CHARS: Final = 254
ROLES: Final = ("reader", "editor")
_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"", "0", "false", "no", "off"})


@blueprint.get("/api/v1/kbs")
def listing() -> Response:
    """The bases that I may read."""
    return jsonify(kbs=[shown(base) for base in services().library.listing(_me())])


@blueprint.post("/api/v1/kbs")
def create() -> Response:
    """A new base of mine: `name`, and whether it is `shared` with everybody on this site."""
    fields = body.fields(request)
    name, shared = sent_name(fields), sent_flag(fields, "shared")
    fields.check()
    base = services().library.create(_me(), name, is_shared=bool(shared))
    response = jsonify(shown(base))
    response.status_code = 201
    response.location = f"/api/v1/kbs/{base.id}"
    return response


@blueprint.get("/api/v1/kbs/<base_id>")
def read(base_id: str) -> Response:
    """One base."""
    return jsonify(shown(services().library.get(_me(), base_id)))


@blueprint.patch("/api/v1/kbs/<base_id>")
def change(base_id: str) -> Response:
    """Another `name`, or another word on whether it is `shared`."""
    fields = body.fields(request)
    name = sent_name(fields) if "name" in fields.values else None
    shared = sent_flag(fields, "shared")
    fields.check()
    return jsonify(shown(services().library.change(_me(), base_id, name=name, is_shared=shared)))


@blueprint.delete("/api/v1/kbs/<base_id>")
def delete(base_id: str) -> Response:
    """Delete a base with its documents."""
    services().library.delete(_me(), base_id)
    return Response(status=204)


@blueprint.get("/api/v1/kbs/<base_id>/members")
def members(base_id: str) -> Response:
    """Who may use a base besides its owner; the owner asks."""
    return jsonify(members=[member_json(member) for member in services().library.members(_me(), base_id)])


@blueprint.put("/api/v1/kbs/<base_id>/members")
def set_member(base_id: str) -> Response:
    """Let the account with this `email` use a base as `reader` or `editor`."""
    email, role = sent_member()
    services().library.set_member(_me(), base_id, email, role)
    return members(base_id)


@blueprint.delete("/api/v1/kbs/<base_id>/members")
def remove_member(base_id: str) -> Response:
    """Take the account with this `email` out of a base; everybody may take themselves out."""
    services().library.remove_member(_me(), base_id, sent_email())
    return Response(status=204)


def sent_name(fields: body.Fields) -> str:
    """A base's name, on one line, and as it can be shown anywhere: those who share a base see it beside other texts."""
    sent = fields.text("name", max_chars=MAX_NAME_CHARS)
    name = " ".join(names.seen(" ".join(sent.split())).split())
    if sent and not name.strip("\u200d"):
        fields.wrong("name", "is missing")
    return name


def sent_flag(fields: body.Fields, name: str) -> bool | None:
    """Yes or no, as JSON or a form has it; None if it is absent."""
    value = fields.values.get(name)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _YES | _NO:
        return value.lower() in _YES
    fields.wrong(name, "must be true or false")
    return None


def sent_email() -> str:
    """Whose account is meant: in the body, or in the address of a DELETE.

    Raises:
        InvalidInput: It is missing or too long.
    """
    fields = body.fields(request)
    if "email" in request.args:
        fields = body.Fields(request.args.to_dict())
    email = fields.text("email", max_chars=MAX_EMAIL_CHARS)
    fields.check()
    return email


def sent_member() -> tuple[str, Any]:
    """Whose account is meant, and what it may do.

    Raises:
        InvalidInput: Names what is wrong.
    """
    fields = body.fields(request)
    email, role = fields.text("email", max_chars=MAX_EMAIL_CHARS), fields.values.get("role")
    if role not in ROLES:
        fields.wrong("role", f"must be {' or '.join(ROLES)}")
    fields.check()
    return email, role


def shown(base: BaseView) -> dict[str, Any]:
    """A base, as programs read it."""
    return {
        "id": base.id,
        "name": base.name,
        "role": base.role,
        "shared": base.is_shared,
        "documents": base.documents,
        "ready": base.ready,
        "failed": base.failed,
    }


def member_json(member: Member) -> dict[str, Any]:
    """Somebody who may use a base, as programs read it."""
    return {"email": member.email, "role": member.role}


def _me() -> int:
    return identity.require().user.id
