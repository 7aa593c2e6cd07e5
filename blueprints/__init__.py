"""The edge of the site: the one list of what is registered on the application."""

from flask import Flask

from blueprints import account as account
from blueprints import auth as auth
from blueprints import cli as cli
from blueprints import errors as errors
from blueprints import extensions as extensions
from blueprints import identity as identity
from blueprints import pages as pages
from blueprints import security as security


def register(app: Flask) -> None:
    """Put every blueprint and guard on `app`, whose services are in `app.extensions["rill"]`."""
    extensions.bind(app)
    security.register(app)
    errors.register(app)
    identity.public(app.view_functions["static"])
    for blueprint in (auth.blueprint, account.blueprint, pages.blueprint):
        app.register_blueprint(blueprint)
    cli.register(app)
