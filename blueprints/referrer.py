"""Where a browser's form came from, which is where it is sent back to."""

from flask import request

from blueprints.auth import safe_path


def came_from() -> str:
    """The page of ours that a form names or was sent from, or home.

    A page that grows has the address of a POST, to which there is no way back: its form names another.
    """
    if named := request.form.get("next"):
        return safe_path(named)
    referrer = request.referrer or ""
    own = request.host_url
    # Two slashes, however they lean, would name another site.
    return "/" + referrer.removeprefix(own).lstrip("/\\") if referrer.startswith(own) else "/"
