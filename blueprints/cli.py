"""The operator's commands: `flask --app app db|users|assistants|streams ...`.

They work while the site runs, and before.

Exit status 0, or 1 with one line on standard error.
"""

import sys
from typing import Any, Final
from urllib.parse import urlencode

import click
from flask import Flask
from flask.cli import AppGroup

from blueprints import auth, stream_commands
from blueprints.commands import plainly
from blueprints.extensions import services
from services import passwords
from services.store import invites, users
from services.store.users import User

db = AppGroup("db", help="The database.")
accounts = AppGroup("users", help="Accounts and invites.")
assistants = AppGroup("assistants", help="The assistants of this site.")

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104 (compared with, not bound to)


def register(app: Flask) -> None:
    """Add the commands to `flask`."""
    for group in (db, accounts, assistants, stream_commands.group):
        app.cli.add_command(group)


@db.command("migrate")
@plainly
def migrate() -> None:
    """Bring the database's schema up to date; safe to repeat."""
    services().database.migrate()
    click.echo("The database is up to date.")


@accounts.command("create")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@click.option("--admin", is_flag=True, help="Make the account an admin; the site's first one is anyway.")
@plainly
def create(email: str, password_stdin: bool, admin: bool) -> None:  # noqa: ARG001 (the flag is required)
    """Create an account."""
    email, password = auth.new_credentials({"email": email, "password": _password()})
    services().database.migrate()
    user = services().database.run(users.create, email, passwords.make(password), admin=admin or None)
    click.echo(f"Created {user.email}{' (admin)' if user.is_admin else ''}.")


@accounts.command("set-password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@plainly
def set_password(email: str, password_stdin: bool) -> None:  # noqa: ARG001 (the flag is required)
    """Reset a password; signs that person out everywhere."""
    email, password = auth.new_credentials({"email": email, "password": _password()})
    services().database.migrate()
    user = services().database.run(_set_password, email, passwords.make(password))
    if user is None:
        raise click.ClickException(f"There is no account {email}.")
    click.echo(f"Changed the password of {user.email}.")


@accounts.command("invite")
@click.option(
    "--base-url", default=None, help="The site's address as people type it, such as https://rill.example.org."
)
@plainly
def invite(base_url: str | None) -> None:
    """Print a link with which one person can register within 7 days."""
    services().database.migrate()
    code = services().database.run(invites.create)
    click.echo(f"{(base_url or _own_address()).rstrip('/')}/register?{urlencode({'invite': code})}")


@assistants.command("list")
@plainly
def list_assistants() -> None:
    """Print the name of each assistant."""
    for name in sorted(services().assistants):
        click.echo(name)


def _password() -> str:
    # One line's end belongs to `echo`, not to the password.
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _set_password(s: Any, email: str, password_hash: str) -> User | None:
    user = users.by_email(s, email)
    return None if user is None else users.set_password(s, user.id, password_hash)


def _own_address() -> str:
    settings = services().settings
    host = "127.0.0.1" if settings.bind in _EVERYWHERE else settings.bind.strip("[]")
    return settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
