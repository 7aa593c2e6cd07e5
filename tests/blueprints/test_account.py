import json
import secrets

import pytest
from flask import Flask
from flask.testing import FlaskClient

from services.store import sessions, users
from tests.blueprints.conftest import PASSWORD, bearer, csrf_of, login_token, personal_token
from tests.conftest import sign_up

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NEW_PASSWORD = "battery staple correct horse"


def second_browser(site: Flask, email: str, password: str = PASSWORD) -> FlaskClient:
    client = site.test_client()
    sent = client.post("/login", data={"email": email, "password": password, "csrf_token": csrf_of(client, "/login")})
    assert sent.status_code == 303, sent.text
    client.environ_base["HTTP_X_CSRF_TOKEN"] = csrf_of(client, "/account")
    return client


def user_of(site: Flask, email: str) -> users.User | None:
    found: users.User | None = site.extensions["rill"].database.run(users.by_email, email)
    return found


@pytest.mark.slow
def test_the_page_shows_the_account(newcomer: FlaskClient) -> None:
    response = newcomer.get("/account", headers=BROWSER)

    assert response.status_code == 200
    assert newcomer.email in response.text
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.slow
@pytest.mark.req("R5")
def test_a_new_password_ends_every_other_session_and_login_token(site: Flask, newcomer: FlaskClient) -> None:
    other = second_browser(site, newcomer.email)
    jwt = login_token(site, newcomer.email)
    personal = personal_token(newcomer)

    sent = newcomer.post("/account/password", data={"current_password": PASSWORD, "new_password": NEW_PASSWORD})

    assert sent.status_code == 303
    api = site.test_client()
    assert newcomer.get("/v1/probe").status_code == 200, "this browser stays signed in"
    assert other.get("/v1/probe").status_code == 401
    assert api.get("/v1/probe", headers=bearer(jwt)).status_code == 401
    assert api.get("/v1/probe", headers=bearer(personal)).status_code == 200, "a program's token is ended by itself"
    assert second_browser(site, newcomer.email, NEW_PASSWORD).get("/v1/probe").status_code == 200


@pytest.mark.slow
def test_a_new_password_wants_the_current_one(newcomer: FlaskClient) -> None:
    sent = {"current_password": "wrong one", "new_password": NEW_PASSWORD}
    newcomer.environ_base["REMOTE_ADDR"] = "10.8.0.1"

    response = newcomer.post("/account/password", data=sent)
    page = newcomer.post("/account/password", data=sent, headers=BROWSER)

    assert response.status_code == page.status_code == 400
    assert [wrong["field"] for wrong in response.json["errors"]] == ["current_password"]
    assert newcomer.email in page.text, "the page comes back"
    assert newcomer.get("/v1/probe").status_code == 200


@pytest.mark.parametrize("path", ["/account/sessions/delete-others", "/account/sessions/delete-all"])
def test_signing_out_everywhere_ends_sessions_and_login_tokens(site: Flask, newcomer: FlaskClient, path: str) -> None:
    other = second_browser(site, newcomer.email)
    jwt = login_token(site, newcomer.email)

    assert newcomer.post(path).status_code == 303

    assert other.get("/v1/probe").status_code == 401
    assert site.test_client().get("/v1/probe", headers=bearer(jwt)).status_code == 401
    assert newcomer.get("/v1/probe").status_code == (200 if "others" in path else 401)


def test_one_session_is_ended_by_itself(site: Flask, newcomer: FlaskClient) -> None:
    owner = user_of(site, newcomer.email)
    assert owner is not None
    database = site.extensions["rill"].database
    mine = {row.id for row in database.run(sessions.for_user, owner.id)}
    other = second_browser(site, newcomer.email)
    [theirs] = {row.id for row in database.run(sessions.for_user, owner.id)} - mine

    assert newcomer.post(f"/account/sessions/{theirs}/delete").status_code == 303

    assert other.get("/v1/probe").status_code == 401
    assert newcomer.get("/v1/probe").status_code == 200


@pytest.mark.req("T43")
def test_somebody_elses_session_cannot_be_ended(site: Flask, ana: FlaskClient, newcomer: FlaskClient) -> None:
    owner = user_of(site, newcomer.email)
    assert owner is not None
    [row] = site.extensions["rill"].database.run(sessions.for_user, owner.id)

    assert ana.post(f"/account/sessions/{row.id}/delete").status_code == 404
    assert newcomer.get("/v1/probe").status_code == 200


def test_language_and_zone_are_kept(site: Flask, newcomer: FlaskClient) -> None:
    sent = newcomer.post("/account/profile", data={"language": "de-CH", "zone": "Europe/Zurich"})

    person = user_of(site, newcomer.email)
    assert sent.status_code == 303
    assert person is not None
    assert (person.language, person.zone) == ("de-CH", "Europe/Zurich")


def test_the_zone_of_this_device_is_taken_from_the_page_that_asks(site: Flask, newcomer: FlaskClient) -> None:
    sent = newcomer.post("/account/zone", data={"zone": "Europe/Berlin", "next": "/todos?show=today"})
    wrong = newcomer.post("/account/zone", json={"zone": "Mars/Olympus"})

    person = user_of(site, newcomer.email)
    assert (sent.status_code, sent.location) == (303, "/todos?show=today")
    assert (wrong.status_code, [one["field"] for one in wrong.json["errors"]]) == (400, ["zone"])
    assert person is not None
    assert (person.language, person.zone) == ("en", "Europe/Berlin")


@pytest.mark.parametrize(
    ("language", "zone", "fields"),
    [
        ("", "", ["language", "zone"]),
        ("d", "UTC", ["language"]),
        ("tlh", "UTC", ["language"]),
        ('en" onload="x', "UTC", ["language"]),
        ("en", "Mars/Olympus", ["zone"]),
        ("en", "../../etc/passwd", ["zone"]),
    ],
)
def test_a_language_or_zone_that_is_none_is_refused(
    newcomer: FlaskClient, language: str, zone: str, fields: list[str]
) -> None:
    response = newcomer.post("/account/profile", json={"language": language, "zone": zone})

    assert response.status_code == 400
    assert [wrong["field"] for wrong in response.json["errors"]] == fields


def test_a_token_made_on_the_page_is_shown_once_and_works(site: Flask, newcomer: FlaskClient) -> None:
    page = newcomer.post("/account/tokens", data={"name": "laptop"}, headers=BROWSER)

    token = "rill_" + page.text.split("rill_", 1)[1][:43]
    assert site.test_client().get("/v1/probe", headers=bearer(token)).json["email"] == newcomer.email
    assert token not in newcomer.get("/account", headers=BROWSER).text

    token_id = newcomer.get("/api/auth/tokens").json[0]["id"]
    assert newcomer.post(f"/account/tokens/{token_id}/delete").status_code == 303
    assert site.test_client().get("/v1/probe", headers=bearer(token)).status_code == 401


@pytest.mark.slow
def test_the_export_holds_what_is_kept_and_no_secret(site: Flask, newcomer: FlaskClient) -> None:
    token = personal_token(newcomer, "laptop")

    response = newcomer.get("/account/export")

    kept = json.loads(response.data)
    assert "attachment" in response.headers["Content-Disposition"]
    assert [row["email"] for row in kept["users"]] == [newcomer.email]
    assert [row["name"] for row in kept["tokens"]] == ["laptop"]
    assert "argon2" not in response.text
    assert token not in response.text


def test_deletion_wants_the_password_and_leaves_nothing(site: Flask, newcomer: FlaskClient) -> None:
    newcomer.environ_base["REMOTE_ADDR"] = "10.8.0.2"
    refused = newcomer.post("/account/delete", data={"password": "wrong one"})
    assert refused.status_code == 400
    assert user_of(site, newcomer.email) is not None

    done = newcomer.post("/account/delete", data={"password": PASSWORD})

    assert done.status_code == 303
    assert user_of(site, newcomer.email) is None
    assert newcomer.get("/v1/probe").status_code == 401


@pytest.mark.slow
def test_deletion_stops_what_still_runs_and_leaves_no_word_of_it(site: Flask, newcomer: FlaskClient) -> None:
    owner = user_of(site, newcomer.email)
    assert owner is not None
    problem_id = newcomer.get("/v1/tutor/problems").json["problems"][0]["id"]
    asked = {"session_id": "s", "problem_id": problem_id, "message": "How do I begin?"}
    assert newcomer.post("/v1/tutor/messages", json=asked).status_code == 201
    log = site.extensions["rill"].log
    [stream_id] = log.running(owner.id)
    assert log.read(owner.id, stream_id), "needs an answer that goes on"

    assert newcomer.post("/account/delete", data={"password": PASSWORD}).status_code == 303

    assert not log.running(owner.id)
    assert log.state(owner.id, stream_id) is None
    assert not log.read(owner.id, stream_id)


@pytest.mark.parametrize(
    "path", ["/account/password", "/account/profile", "/account/delete", "/account/sessions/delete-all", "/logout"]
)
def test_every_write_wants_the_csrf_token(ana: FlaskClient, path: str) -> None:
    del ana.environ_base["HTTP_X_CSRF_TOKEN"]

    response = ana.post(path, data={"password": PASSWORD})

    assert response.status_code == 403
    assert response.json["code"] == "CSRF"
    assert ana.get("/v1/probe").status_code == 200


@pytest.mark.slow
def test_a_page_names_browsers_and_offers_languages(site: Flask) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    client = site.test_client()
    client.environ_base["HTTP_USER_AGENT"] = agent
    sign_up(client, f"{secrets.token_hex(6)}@example.org")

    page = client.get("/account", headers={"Accept": "text/html"}).text
    client.post("/account/profile", data={"language": "de", "zone": "UTC"})
    later = client.get("/account", headers={"Accept": "text/html"}).text

    assert f'title="{agent}">Firefox on Linux</span>' in page
    assert '<option value="de" lang="de" selected>Deutsch</option>' in later
    assert 'lang="de" data-behavior="keep"' in client.get("/study", headers={"Accept": "text/html"}).text


def test_a_language_from_elsewhere_stays(site: Flask, newcomer: FlaskClient) -> None:
    database = site.extensions["rill"].database
    database.run(users.update_profile, user_of(site, newcomer.email).id, language="rm-CH", zone="UTC")

    page = newcomer.get("/account", headers={"Accept": "text/html"}).text

    assert '<option value="rm-CH" lang="rm-CH" selected>rm-CH</option>' in page
    assert newcomer.post("/account/profile", data={"language": "rm-CH", "zone": "UTC"}).status_code == 303
