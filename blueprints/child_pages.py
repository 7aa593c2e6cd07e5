"""Children's profiles in an adult's browser: made in half a minute, changed, deleted after a question."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, render_template, request

from blueprints import body, children, errors, identity, negotiate
from blueprints.extensions import services
from blueprints.story_pages import me, said_at
from services.store.children import OLDEST, YOUNGEST, Child
from services.stories import fields

blueprint = Blueprint("child_pages", __name__)

_WORDS_SHOWN: Final = 60
_FIELDS: Final = ("name", "age", "level", "pronouns", "interests", "avoid", "daily_limit", "bedtime")
_NEW: Final[Mapping[str, str]] = {"level": "intermediate", "pronouns": "they"}


@blueprint.get("/stories/children/new")
def ask() -> str:
    """Who is it?"""
    return _form(None, {**_NEW, "name": request.args.get("name", "")})


@blueprint.post("/stories/children")
def add() -> Response:
    """Make a profile."""

    def act() -> Response:
        draft = fields.drafted(_sent())
        child = services().stories.add_child(me(), draft)
        return negotiate.see_other(f"/stories?child={child.id}")

    return errors.on_page(act, lambda problem: Response(_form(None, _typed(), problem)))


@blueprint.get("/stories/children/<int:child_id>")
def page(child_id: int) -> str:
    """A child's profile."""
    child = services().stories.child(me(), child_id)
    return _form(child, _shown(child))


@blueprint.post("/stories/children/<int:child_id>")
def save(child_id: int) -> Response:
    """Change it."""
    child = services().stories.child(me(), child_id)

    def act() -> Response:
        services().stories.change_child(me(), child_id, fields.drafted(_sent()))
        return negotiate.see_other(f"/stories?child={child_id}")

    return errors.on_page(act, lambda problem: Response(_form(child, _typed(), problem)))


@blueprint.get("/stories/children/<int:child_id>/delete")
def ask_delete(child_id: int) -> str:
    """Nothing is deleted before this is agreed to."""
    child = services().stories.child(me(), child_id)
    stories = services().stories.counts(me()).get(child_id, 0)
    return render_template("stories/delete_child.html", user=identity.require().user, child=child, stories=stories)


@blueprint.post("/stories/children/<int:child_id>/delete")
def delete(child_id: int) -> Response:
    """Delete a profile with all its stories."""
    children.forget(me(), child_id)
    return negotiate.see_other("/stories")


def _sent() -> Mapping[str, Any]:
    return body.fields(request).values


def _form(child: Child | None, values: Mapping[str, Any], problem: Mapping[str, Any] | None = None) -> str:
    return render_template(
        "stories/child.html",
        user=identity.require().user,
        child=child,
        values=values,
        problem=problem,
        ages=range(YOUNGEST, OLDEST + 1),
        today=services().stories.day(me(), child.id, identity.require().user.zone) if child else None,
        words=services().stories.words_of(me(), child.id, _WORDS_SHOWN) if child else [],
        said_at=said_at,
        unseen=services().stories.unseen(me()),
    )


def _shown(child: Child) -> dict[str, Any]:
    """A profile as its form shows it."""
    return {
        "name": child.name,
        "age": str(child.age),
        "level": child.level,
        "pronouns": child.pronouns,
        "interests": ", ".join(child.interests),
        "avoid": ", ".join(child.avoid),
        "daily_limit": "" if child.daily_limit is None else str(child.daily_limit),
        "bedtime": child.bedtime or "",
    }


def _typed() -> dict[str, str]:
    return {name: request.form.get(name, "") for name in _FIELDS}
