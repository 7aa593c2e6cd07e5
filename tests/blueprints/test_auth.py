from collections.abc import Callable
from itertools import count

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from blueprints.auth import safe_path
from services.store import invites, users
from tests.blueprints.conftest import PASSWORD, bearer, csrf_of, personal_token, register

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
_addresses = count(1)


def from_elsewhere(site: Flask) -> FlaskClient:
    """A client at an address that nobody has failed from."""
    client = site.test_client()
    number = next(_addresses)
    client.environ_base["REMOTE_ADDR"] = f"10.9.{number // 250}.{number % 250 + 1}"
    return client


def ask_token(client: FlaskClient, email: str, password: str = PASSWORD) -> TestResponse:
    return client.post("/api/auth/token", json={"email": email, "password": password})


def sign_in(client: FlaskClient, email: str, password: str = PASSWORD, **form: str) -> TestResponse:
    form = {"email": email, "password": password, "csrf_token": csrf_of(client, "/login"), **form}
    return client.post("/login", data=form, headers=BROWSER)


def is_admin(site: Flask, email: str) -> bool:
    found = site.extensions["rill"].database.run(users.by_email, email)
    return found is not None and found.is_admin


@pytest.mark.req("R5")
@pytest.mark.parametrize("encoding", ["json", "data"])
def test_token_answers_as_promised(site: Flask, ana: FlaskClient, encoding: str) -> None:
    sent = {"email": "ANA@example.org", "password": PASSWORD}

    response = from_elsewhere(site).post("/api/auth/token", **{encoding: sent})

    assert response.status_code == 200
    assert set(response.json) == {"access_token", "token_type", "expires_in"}
    assert response.json["token_type"] == "Bearer"
    assert response.json["expires_in"] == 3600
    assert response.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(("email", "password"), [("ana@example.org", "wrong one"), ("nobody@example.org", PASSWORD)])
def test_a_wrong_password_and_an_unknown_account_look_the_same(
    site: Flask, ana: FlaskClient, email: str, password: str
) -> None:
    response = ask_token(from_elsewhere(site), email, password)

    assert response.status_code == 401
    assert response.content_type == "application/problem+json"
    assert response.json["detail"] == "The e-mail address or the password is wrong."


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({}, ["email", "password"]),
        ({"email": "ana@example.org"}, ["password"]),
        ({"email": 5, "password": ["x"]}, ["email", "password"]),
        ({"email": "no address", "password": "x"}, ["email"]),
        ({"email": "a@" + "b" * 300, "password": "x" * 1001}, ["email", "password"]),
    ],
)
def test_malformed_credentials_name_every_field(site: Flask, sent: dict[str, object], fields: list[str]) -> None:
    response = from_elsewhere(site).post("/api/auth/token", json=sent)

    assert response.status_code == 400
    assert [wrong["field"] for wrong in response.json["errors"]] == fields


def test_malformed_json_names_the_body(site: Flask) -> None:
    response = from_elsewhere(site).post("/api/auth/token", data="{", content_type="application/json")

    assert response.status_code == 400
    assert [wrong["field"] for wrong in response.json["errors"]] == ["body"]


@pytest.mark.slow
def test_ten_failures_close_an_account_for_token_and_form(site: Flask, newcomer: FlaskClient) -> None:
    email = newcomer.email
    for _ in range(5):
        assert ask_token(from_elsewhere(site), email, "wrong one").status_code == 401
        assert sign_in(from_elsewhere(site), email, "wrong one").status_code == 401

    by_token = ask_token(from_elsewhere(site), email)
    by_form = sign_in(from_elsewhere(site), email)

    assert by_token.status_code == by_form.status_code == 429
    assert by_token.json["code"] == "RATE_LIMITED"
    assert (by_token.json["limit"], by_token.json["current"]) == (10, 10)
    for response in (by_token, by_form):
        assert 800 < int(response.headers["Retry-After"]) <= 900


@pytest.mark.slow
def test_successes_are_not_counted(site: Flask, newcomer: FlaskClient) -> None:
    client = from_elsewhere(site)
    for _ in range(9):
        ask_token(client, newcomer.email, "wrong one")

    assert [ask_token(client, newcomer.email).status_code for _ in range(12)] == [200] * 12
    assert ask_token(client, newcomer.email, "wrong one").status_code == 401
    assert ask_token(client, newcomer.email).status_code == 429


@pytest.mark.slow
def test_thirty_failures_close_an_address_but_no_other(site: Flask, ana: FlaskClient) -> None:
    client = from_elsewhere(site)
    for number in range(30):
        assert ask_token(client, f"guess{number}@example.org").status_code == 401

    assert ask_token(client, "ana@example.org").status_code == 429
    assert ask_token(from_elsewhere(site), "ana@example.org").status_code == 200


@pytest.mark.slow
def test_guesses_sent_all_at_once_do_not_get_past_the_limit(site: Flask, newcomer: FlaskClient) -> None:
    clients = [from_elsewhere(site) for _ in range(25)]

    guesses = [gevent.spawn(ask_token, client, newcomer.email, "wrong one") for client in clients]
    gevent.joinall(guesses, timeout=30)

    statuses = [guess.value.status_code for guess in guesses]
    # Two are looked at together, so one more than ten may be.
    assert 10 <= statuses.count(401) <= 11
    assert statuses.count(401) + statuses.count(429) == 25


def test_the_first_account_is_the_admin_and_the_second_is_not(site: Flask, ana: FlaskClient, ben: FlaskClient) -> None:
    assert is_admin(site, "ana@example.org")
    assert not is_admin(site, "ben@example.org")


def test_registering_signs_in(newcomer: FlaskClient) -> None:
    assert newcomer.get("/v1/probe").json["email"] == newcomer.email


@pytest.mark.parametrize(
    ("email", "sent", "kept"),
    [
        ("z1@example.org", "Europe/Berlin", "Europe/Berlin"),
        ("z2@example.org", "", "UTC"),
        ("z3@example.org", "../x", "UTC"),
    ],
)
def test_an_account_begins_in_the_zone_of_its_browser(site: Flask, email: str, sent: str, kept: str) -> None:
    client = site.test_client()
    form = {"email": email, "password": PASSWORD, "zone": sent, "csrf_token": csrf_of(client, "/register")}

    assert client.post("/register", data=form).status_code == 303

    person = site.extensions["rill"].database.run(users.by_email, email)
    assert person is not None
    assert person.zone == kept


def test_an_address_that_is_taken_is_a_conflict_in_the_form(site: Flask, ana: FlaskClient) -> None:
    client = site.test_client()
    form = {"email": "Ana@Example.org", "password": PASSWORD, "csrf_token": csrf_of(client, "/register")}

    response = client.post("/register", data=form, headers=BROWSER)

    assert response.status_code == 409
    assert "exists already" in response.text
    assert 'name="csrf-token"' in response.text, "the form comes back"


def test_a_short_password_is_refused_in_the_form(site: Flask) -> None:
    client = site.test_client()
    form = {"email": "short@example.org", "password": "1234567", "csrf_token": csrf_of(client, "/register")}

    response = client.post("/register", data=form, headers=BROWSER)

    assert response.status_code == 400
    assert "8 to 1000 characters" in response.text


@pytest.mark.slow
def test_an_invite_lets_one_person_in(make_site: Callable[..., Flask]) -> None:
    site = make_site(REGISTRATION="invite")
    code = site.extensions["rill"].database.run(invites.create)
    client = site.test_client()
    form = {"email": "a@example.org", "password": PASSWORD, "csrf_token": csrf_of(client, "/register")}

    without = client.post("/register", data=form)
    unknown = client.post("/register", data={**form, "invite": "guess"})
    register(site, "a@example.org", invite=code)
    again = client.post("/register", data={**form, "email": "b@example.org", "invite": code})

    for refused in (without, unknown, again):
        assert refused.status_code == 400
        assert [wrong["field"] for wrong in refused.json["errors"]] == ["invite"]


@pytest.mark.slow
def test_an_invite_survives_a_registration_that_fails(make_site: Callable[..., Flask]) -> None:
    site = make_site(REGISTRATION="invite")
    database = site.extensions["rill"].database
    register(site, "a@example.org", invite=database.run(invites.create))
    code = database.run(invites.create)
    client = site.test_client()
    form = {"email": "a@example.org", "password": PASSWORD, "invite": code, "csrf_token": csrf_of(client, "/register")}

    assert client.post("/register", data=form).status_code == 409

    register(site, "b@example.org", invite=code)


def test_a_closed_site_takes_nobody(make_site: Callable[..., Flask]) -> None:
    site = make_site(REGISTRATION="closed")
    client = site.test_client()
    form = {"email": "a@example.org", "password": PASSWORD, "csrf_token": csrf_of(client, "/login")}

    assert client.get("/register", headers=BROWSER).status_code == 403
    assert client.post("/register", data=form).status_code == 403


def test_the_first_to_come_is_led_to_the_first_account(make_site: Callable[..., Flask]) -> None:
    client = make_site().test_client()

    assert "Create the first account" in client.get("/", headers=BROWSER).text
    assert "Create the first one" in client.get("/login", headers=BROWSER).text
    assert "becomes its administrator" in client.get("/register", headers=BROWSER).text


def test_who_comes_later_is_promised_nothing(site: Flask, ana: FlaskClient) -> None:
    stranger = site.test_client()

    for path in ("/", "/login", "/register"):
        text = stranger.get(path, headers=BROWSER).text
        assert "first" not in text
        assert "administrator" not in text


@pytest.mark.parametrize("registration", ["invite", "closed"])
def test_a_new_site_that_takes_nobody_offers_no_account(make_site: Callable[..., Flask], registration: str) -> None:
    client = make_site(REGISTRATION=registration).test_client()

    for path in ("/", "/login"):
        assert "/register" not in client.get(path, headers=BROWSER).text


@pytest.mark.parametrize("path", ["/login", "/register"])
def test_forms_for_strangers_want_a_csrf_token_too(site: Flask, path: str) -> None:
    response = site.test_client().post(path, data={"email": "x@example.org", "password": PASSWORD})

    assert response.status_code == 403
    assert response.json["code"] == "CSRF"


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/tutor?q=1", "/tutor?q=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("///evil.example", "/"),
        ("evil.example", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_to_this_site_only(wanted: str, reached: str) -> None:
    assert safe_path(wanted) == reached


def test_signing_in_goes_where_one_wanted_to_go(site: Flask, ana: FlaskClient) -> None:
    response = sign_in(from_elsewhere(site), "ana@example.org", next="/account?tab=tokens")

    assert response.status_code == 303
    assert response.headers["Location"] == "/account?tab=tokens"


def test_who_is_signed_in_needs_no_form(ana: FlaskClient) -> None:
    assert ana.get("/login?next=/account").headers["Location"] == "/account"
    assert ana.get("/register").headers["Location"] == "/"


def test_signing_out_ends_the_session(newcomer: FlaskClient) -> None:
    assert newcomer.post("/logout").headers["Location"] == "/login"
    assert newcomer.get("/v1/probe").status_code == 401


@pytest.mark.req("R5")
def test_personal_tokens_are_made_listed_and_ended(site: Flask, newcomer: FlaskClient) -> None:
    made = newcomer.post("/api/auth/tokens", json={"name": "laptop"})
    listed = newcomer.get("/api/auth/tokens").json
    api = site.test_client()

    assert made.status_code == 201
    assert made.json["name"] == "laptop"
    assert [(row["id"], row["name"]) for row in listed] == [(made.json["id"], "laptop")]
    assert "token" not in listed[0]
    assert api.get("/v1/probe", headers=bearer(made.json["token"])).status_code == 200

    assert newcomer.delete(f"/api/auth/tokens/{made.json['id']}").status_code == 204
    assert api.get("/v1/probe", headers=bearer(made.json["token"])).status_code == 401
    assert newcomer.delete(f"/api/auth/tokens/{made.json['id']}").status_code == 404


def test_a_personal_token_wants_a_name(ana: FlaskClient) -> None:
    response = ana.post("/api/auth/tokens", json={"name": " "})

    assert [wrong["field"] for wrong in response.json["errors"]] == ["name"]


@pytest.mark.req("T43")
def test_somebody_elses_token_cannot_be_ended(site: Flask, ana: FlaskClient, newcomer: FlaskClient) -> None:
    token = personal_token(newcomer)
    theirs = newcomer.get("/api/auth/tokens").json[0]["id"]

    assert ana.delete(f"/api/auth/tokens/{theirs}").status_code == 404
    assert site.test_client().get("/v1/probe", headers=bearer(token)).status_code == 200


@pytest.mark.slow
def test_signing_in_without_redis_is_refused_not_waved_through(
    make_site: Callable[..., Flask], tmp_path: object
) -> None:
    site = make_site(REDIS_URL=f"unix://{tmp_path}/nobody")
    register(make_site(), "a@example.org")

    response = ask_token(site.test_client(), "a@example.org")

    assert response.status_code == 503
    assert response.json["code"] == "UNAVAILABLE"


def try_to_register(client: FlaskClient, email: str, **sent: str) -> TestResponse:
    form = {"email": email, "password": PASSWORD, "csrf_token": csrf_of(client, "/register"), **sent}
    return client.post("/register", data=form, headers=BROWSER)


@pytest.mark.slow
def test_so_many_accounts_come_from_one_network_and_then_429(make_site: Callable[..., Flask]) -> None:
    site = make_site(REGISTRATION_RATE_LIMIT="3/hour")
    here = [site.test_client() for _ in range(5)]
    for number, client in enumerate(here):
        client.environ_base["REMOTE_ADDR"] = f"2001:db8:1:1::{number + 1}"

    first = [try_to_register(client, f"a{number}@example.org").status_code for number, client in enumerate(here[:3])]
    refused = try_to_register(here[3], "a4@example.org")
    by_api = here[4].post(
        "/register", data={"email": "a5@example.org", "password": PASSWORD, "csrf_token": csrf_of(here[4], "/register")}
    )

    assert first == [303, 303, 303]
    assert refused.status_code == 429
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert "3 an hour at most. Try again in 60 minutes" in refused.text
    assert (by_api.status_code, by_api.json["code"], by_api.json["limit"]) == (429, "RATE_LIMITED", 3)
    assert site.extensions["rill"].database.run(users.count) == 3
    assert try_to_register(from_elsewhere(site), "b@example.org").status_code == 303, "others are not kept out"


@pytest.mark.slow
def test_a_mistake_in_the_form_is_not_counted_but_a_taken_address_is(make_site: Callable[..., Flask]) -> None:
    site = make_site(REGISTRATION_RATE_LIMIT="2/hour")
    register(site, "a@example.org")
    client = site.test_client()

    assert [try_to_register(client, "b@example.org", password="short").status_code for _ in range(3)] == [400] * 3
    assert try_to_register(client, "a@example.org").status_code == 409, "tells who has an account, at a hash each"
    assert try_to_register(client, "b@example.org").status_code == 429


@pytest.mark.slow
def test_nobody_registers_uncounted_without_redis(make_site: Callable[..., Flask], tmp_path: object) -> None:
    site = make_site(REDIS_URL=f"unix://{tmp_path}/nobody")

    refused = try_to_register(site.test_client(), "a@example.org")

    assert refused.status_code == 503
    assert site.extensions["rill"].database.run(users.count) == 0
