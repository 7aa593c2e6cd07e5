"""What was withheld from children: for their adult, with who decided, and what may be marked as seen."""

from typing import Final

from flask import Blueprint, Response, render_template, request

from blueprints import identity, negotiate
from blueprints.extensions import services
from blueprints.story_pages import me, said_at

blueprint = Blueprint("story_reviews", __name__)

SHOWN: Final = 50
_MAX_IDS: Final = 200


@blueprint.get("/stories/review")
def page() -> str:
    """What was withheld lately, the newest first."""
    found = services().stories.reviews(me(), before=request.args.get("before") or None, limit=SHOWN + 1)
    return render_template(
        "stories/review.html",
        user=identity.require().user,
        reviews=found[:SHOWN],
        older=found[SHOWN - 1].id if len(found) > SHOWN else "",
        unseen=services().stories.unseen(me()),
        said_at=said_at,
    )


@blueprint.post("/stories/review")
def seen() -> Response:
    """Mark some as seen (`id`, repeated)."""
    services().stories.seen(me(), request.form.getlist("id")[:_MAX_IDS])
    return negotiate.see_other("/stories/review")
