"""The todo list in a browser: everything works as plain forms; scripts make it quicker."""

from flask import Blueprint, render_template

from blueprints import identity, todo_panel

blueprint = Blueprint("todo_pages", __name__)


@blueprint.get("/todos")
def page() -> str:
    """The list, and the agent beside it."""
    return render_template("todos/page.html", user=identity.require().user, agent=todo_panel.shown())
