"""The edge of the site: the one list of what is registered on the application."""

from flask import Flask

from blueprints import account as account
from blueprints import auth as auth
from blueprints import base_documents as base_documents
from blueprints import base_pages as base_pages
from blueprints import base_progress as base_progress
from blueprints import bases as bases
from blueprints import card_pages as card_pages
from blueprints import cards as cards
from blueprints import child_gate as child_gate
from blueprints import child_pages as child_pages
from blueprints import children as children
from blueprints import cli as cli
from blueprints import conversations as conversations
from blueprints import document_pages as document_pages
from blueprints import errors as errors
from blueprints import exports as exports
from blueprints import extensions as extensions
from blueprints import history as history
from blueprints import identity as identity
from blueprints import media as media
from blueprints import messages as messages
from blueprints import operator as operator
from blueprints import pages as pages
from blueprints import points as points
from blueprints import search as search
from blueprints import search_pages as search_pages
from blueprints import security as security
from blueprints import stories as stories
from blueprints import story_book as story_book
from blueprints import story_child as story_child
from blueprints import story_pages as story_pages
from blueprints import story_pin as story_pin
from blueprints import story_reviews as story_reviews
from blueprints import streams as streams
from blueprints import study as study
from blueprints import study_pages as study_pages
from blueprints import todo_file_pages as todo_file_pages
from blueprints import todo_files as todo_files
from blueprints import todo_items as todo_items
from blueprints import todo_lines as todo_lines
from blueprints import todo_pages as todo_pages
from blueprints import todo_panel as todo_panel
from blueprints import todo_sessions as todo_sessions
from blueprints import todo_sheets as todo_sheets
from blueprints import todo_stream as todo_stream
from blueprints import todos as todos
from blueprints import tutor as tutor
from blueprints import tutor_pages as tutor_pages

_MODULES = (
    auth,
    account,
    pages,
    streams,
    conversations,
    messages,
    media,
    exports,
    history,
    points,
    operator,
    children,
    stories,
    study,
    cards,
    card_pages,
    bases,
    base_documents,
    base_progress,
    base_pages,
    search,
    search_pages,
    document_pages,
    study_pages,
    child_pages,
    story_book,
    story_child,
    story_pages,
    story_reviews,
    story_pin,
    todo_file_pages,
    todo_files,
    todo_items,
    todo_lines,
    todo_pages,
    todo_panel,
    todo_sessions,
    todo_sheets,
    todo_stream,
    todos,
    tutor,
    tutor_pages,
)


def register(app: Flask) -> None:
    """Put every blueprint and guard on `app`, whose services are in `app.extensions["rill"]`."""
    extensions.bind(app)
    security.register(app)
    errors.register(app)
    identity.for_children(identity.public(app.view_functions["static"]))
    for module in _MODULES:
        app.register_blueprint(module.blueprint)
    cli.register(app)
