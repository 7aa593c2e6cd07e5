import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from services.settings import Settings
from services.store import users
from tests.blueprints.conftest import PASSWORD, bearer, login_token, register

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fresh(make_settings: Callable[..., Settings], tmp_path: Path) -> Flask:
    """A site that has never run: no database, no Redis, closed registration."""
    return create_app(make_settings(REGISTRATION="closed", REDIS_URL=f"unix://{tmp_path}/nobody"))


def run(app: Flask, *arguments: str, stdin: str = "") -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=stdin)


def ask_token(app: Flask, email: str, password: str) -> TestResponse:
    return app.test_client().post("/api/auth/token", json={"email": email, "password": password})


@pytest.mark.slow
def test_create_works_before_the_site_ever_ran_and_makes_the_first_account_an_admin(fresh: Flask) -> None:
    first = run(fresh, "users", "create", "a@example.org", "--password-stdin", stdin=f"{PASSWORD}\n")
    second = run(fresh, "users", "create", "b@example.org", "--password-stdin", stdin=PASSWORD)
    third = run(fresh, "users", "create", "c@example.org", "--password-stdin", "--admin", stdin=PASSWORD)

    assert [made.exit_code for made in (first, second, third)] == [0, 0, 0]
    kept = [fresh.extensions["rill"].database.run(users.by_email, f"{name}@example.org") for name in "abc"]
    assert [person.is_admin for person in kept] == [True, False, True]


@pytest.mark.slow
def test_an_account_made_by_command_signs_in(app: Flask) -> None:
    run(app, "users", "create", "a@example.org", "--password-stdin", stdin=f"{PASSWORD}\n")

    assert ask_token(app, "A@example.org", PASSWORD).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("email", "password", "named"),
    [("nobody", PASSWORD, "email"), ("a@example.org", "short", "password"), ("a@example.org", "", "password")],
)
def test_create_refuses_what_the_form_would_refuse(fresh: Flask, email: str, password: str, named: str) -> None:
    result = run(fresh, "users", "create", email, "--password-stdin", stdin=password)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {named} ")
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_create_refuses_an_address_that_is_taken(fresh: Flask) -> None:
    command = ("users", "create", "a@example.org", "--password-stdin")
    run(fresh, *command, stdin=PASSWORD)

    result = run(fresh, *command, stdin=PASSWORD)

    assert result.exit_code == 1
    assert "exists already" in result.stderr


@pytest.mark.slow
def test_set_password_resets_and_signs_out(make_site: Callable[..., Flask]) -> None:
    site = make_site()
    browser = register(site, "a@example.org")
    token = login_token(site, "a@example.org")

    result = run(site, "users", "set-password", "A@example.org", "--password-stdin", stdin="another good password\n")

    assert result.exit_code == 0
    assert browser.get("/v1/probe").status_code == 401
    assert site.test_client().get("/v1/probe", headers=bearer(token)).status_code == 401
    assert ask_token(site, "a@example.org", PASSWORD).status_code == 401
    assert ask_token(site, "a@example.org", "another good password").status_code == 200


@pytest.mark.slow
def test_set_password_of_nobody_fails(fresh: Flask) -> None:
    result = run(fresh, "users", "set-password", "a@example.org", "--password-stdin", stdin=PASSWORD)

    assert result.exit_code == 1
    assert "no account" in result.stderr


@pytest.mark.slow
def test_invite_prints_a_link_that_lets_one_person_in(make_site: Callable[..., Flask]) -> None:
    site = make_site(REGISTRATION="invite", BIND="0.0.0.0", PORT="8123")

    link = run(site, "users", "invite").output.strip()
    elsewhere = run(site, "users", "invite", "--base-url", "https://rill.example.org/").output.strip()

    assert link.startswith("http://127.0.0.1:8123/register?invite=")
    assert elsewhere.startswith("https://rill.example.org/register?invite=")
    page = site.test_client().get(link.removeprefix("http://127.0.0.1:8123"), headers={"Accept": "text/html"})
    code = link.partition("=")[2]
    assert code in page.text
    register(site, "a@example.org", invite=code)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({"PUBLIC_URL": "https://rill.example.org/", "PORT": "8123"}, "https://rill.example.org"),
        ({"BIND": "192.0.2.7", "PORT": "8123"}, "http://192.0.2.7:8123"),
        ({"BIND": "::1"}, "http://[::1]:8000"),
        ({"BIND": "::", "PORT": "8123"}, "http://127.0.0.1:8123"),
    ],
)
def test_an_invite_leads_to_where_the_site_is(
    make_app: Callable[..., Flask], environ: dict[str, str], address: str
) -> None:
    link = run(make_app(**environ), "users", "invite").output.strip()

    assert link.startswith(f"{address}/register?invite=")


@pytest.mark.parametrize("address", ["rill.example.org", "https://rill.example.org/rill", "ftp://rill.example.org"])
def test_a_public_address_that_is_none_stops_the_start(make_settings: Callable[..., Any], address: str) -> None:
    with pytest.raises(SystemExit, match="PUBLIC_URL must be an address"):
        make_settings(PUBLIC_URL=address)


@pytest.mark.slow
def test_migrate_can_be_repeated(fresh: Flask) -> None:
    assert [run(fresh, "db", "migrate").exit_code for _ in range(2)] == [0, 0]
    assert fresh.extensions["rill"].database.run(users.count) == 0


def test_assistants_are_listed_by_name(fresh: Flask) -> None:
    assert "tutor" in run(fresh, "assistants", "list").output.split()


@pytest.mark.slow
def test_commands_work_as_scripts_call_them(tmp_path: Path) -> None:
    environ = {**os.environ, "DATA_DIR": str(tmp_path / "var"), "REDIS_URL": f"unix://{tmp_path}/nobody"}
    flask = [sys.executable, "-m", "flask", "--app", "app"]

    made = subprocess.run(
        [*flask, "users", "create", "a@example.org", "--password-stdin"],
        input=f"{PASSWORD}\n", capture_output=True, text=True, cwd=ROOT, env=environ, timeout=50,
    )  # fmt: skip

    assert made.returncode == 0, made.stderr
    assert made.stdout == "Created a@example.org (admin).\n"
    assert "Warning" not in made.stderr


@pytest.mark.slow
def test_a_database_that_cannot_be_opened_is_one_line(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "var" / "rill.sqlite3").mkdir(parents=True)

    result = run(create_app(make_settings()), "db", "migrate")

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: The database")
