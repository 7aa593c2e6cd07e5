import time

import pytest
from flask import Flask
from flask.testing import FlaskClient

from blueprints import identity, tickets
from services.store import users
from tests.blueprints.conftest import PASSWORD, bearer, csrf_of, login_token, personal_token

PUBLIC = {
    "static",
    "auth.login_form",
    "auth.login",
    "auth.register_form",
    "auth.register",
    "auth.logout",
    "auth.token",
    "pages.home",
    "pages.health",
    "pages.ready",
    "study.health",
    "todo_files.feed",
}


def user_id(site: Flask, email: str) -> int:
    found = site.extensions["rill"].database.run(users.by_email, email)
    assert found is not None
    return int(found.id)


def ticket(site: Flask, email: str, stream_id: str, ttl_s: float = 60) -> str:
    with site.app_context():
        person = site.extensions["rill"].database.run(users.by_email, email)
        return tickets.stream_ticket(person, stream_id, ttl_s)


@pytest.mark.slow
@pytest.mark.req("T43")
def test_only_the_public_list_is_open_to_anybody(app: Flask) -> None:
    with app.app_context():
        open_to_all = {name for name in app.view_functions if identity.access_of(name) == "public"}

    assert open_to_all == PUBLIC


@pytest.mark.slow
@pytest.mark.req("T43")
def test_every_other_route_refuses_strangers(app: Flask) -> None:
    client = app.test_client()
    with app.app_context():
        closed = [rule for rule in app.url_map.iter_rules() if identity.access_of(rule.endpoint) != "public"]
    assert len(closed) >= 10, "needs routes that want a login"

    for rule in closed:
        path = rule.rule.replace("<int:", "<").split("<")[0] + ("1" if "<" in rule.rule else "")
        path += rule.rule.rpartition(">")[2] if "<" in rule.rule else ""
        for method in rule.methods - {"OPTIONS", "HEAD"}:
            status = client.open(path, method=method, headers={"Accept": "application/json"}).status_code
            assert status == 401, f"{method} {path}"


@pytest.mark.req("R5")
def test_the_three_ways_to_say_who_one_is(site: Flask, ana: FlaskClient) -> None:
    api = site.test_client()

    by_cookie = ana.get("/v1/probe").json
    by_jwt = api.get("/v1/probe", headers=bearer(login_token(site, "ana@example.org"))).json
    by_token = api.get("/v1/probe", headers=bearer(personal_token(ana))).json

    assert by_cookie == {"email": "ana@example.org", "kind": "cookie", "sent": {}}
    assert by_jwt == {"email": "ana@example.org", "kind": "jwt", "sent": {}}
    assert by_token == {"email": "ana@example.org", "kind": "token", "sent": {}}


@pytest.mark.req("R5", "T43")
@pytest.mark.parametrize("token", ["", "x", "a.b.c", "rill_unknown", "\xe9"])
def test_a_bad_bearer_is_refused_even_beside_a_good_cookie(ana: FlaskClient, token: str) -> None:
    response = ana.get("/v1/probe", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_another_scheme_belongs_to_a_proxy(ana: FlaskClient) -> None:
    assert ana.get("/v1/probe", headers={"Authorization": "Basic eDp5"}).json["kind"] == "cookie"


@pytest.mark.req("R5")
def test_a_bearer_wins_over_a_cookie(site: Flask, ana: FlaskClient, ben: FlaskClient) -> None:
    response = ana.get("/v1/probe", headers=bearer(login_token(site, "ben@example.org")))

    assert response.json["email"] == "ben@example.org"


@pytest.mark.req("R5", "A6-5")
@pytest.mark.parametrize("path", ["/v1/streams", "/v1/streams/s1"])
def test_a_ticket_alone_opens_its_stream(site: Flask, ana: FlaskClient, path: str) -> None:
    response = site.test_client().get(path, query_string={"token": ticket(site, "ana@example.org", "s1")})

    assert response.json == {"email": "ana@example.org", "kind": "ticket", "stream": "s1"}


@pytest.mark.req("R5", "T43")
def test_a_ticket_opens_no_other_stream(site: Flask, ana: FlaskClient) -> None:
    token = ticket(site, "ana@example.org", "s1")

    assert site.test_client().get("/v1/streams/s2", query_string={"token": token}).status_code == 404


@pytest.mark.req("R5", "T43")
@pytest.mark.parametrize("path", ["/v1/streams", "/v1/streams/s1"])
def test_a_ticket_with_somebody_elses_credentials_is_a_404(
    site: Flask, ana: FlaskClient, ben: FlaskClient, path: str
) -> None:
    query = {"token": ticket(site, "ana@example.org", "s1")}

    assert ben.get(path, query_string=query).status_code == 404
    headers = bearer(login_token(site, "ben@example.org"))
    assert site.test_client().get(path, query_string=query, headers=headers).status_code == 404
    assert ana.get(path, query_string=query).json["stream"] == "s1"


@pytest.mark.req("R5", "T43")
def test_a_ticket_opens_nothing_but_streams(site: Flask, ana: FlaskClient) -> None:
    query = {"token": ticket(site, "ana@example.org", "s1")}

    assert site.test_client().get("/v1/probe", query_string=query).status_code == 401
    assert site.test_client().get("/v1/begin", query_string=query).status_code == 401


@pytest.mark.req("R5")
def test_a_login_jwt_in_the_query_is_taken_where_streams_are(site: Flask, ana: FlaskClient) -> None:
    query = {"token": login_token(site, "ana@example.org")}
    api = site.test_client()

    assert api.get("/v1/streams/s1", query_string=query).json["kind"] == "jwt"
    assert api.get("/v1/begin", query_string=query).json["kind"] == "jwt"
    assert api.get("/v1/probe", query_string=query).status_code == 401


@pytest.mark.req("R5", "T22")
def test_a_bare_stream_id_counts_with_other_credentials_only(site: Flask, ana: FlaskClient) -> None:
    headers = bearer(login_token(site, "ana@example.org"))

    assert ana.get("/v1/streams?token=s1").json == {"email": "ana@example.org", "kind": "cookie", "stream": "s1"}
    assert site.test_client().get("/v1/streams?token=s1", headers=headers).json["stream"] == "s1"
    assert site.test_client().get("/v1/streams?token=s1").status_code == 404


@pytest.mark.req("T31")
@pytest.mark.parametrize("token", ["unknown", "a.b.c", "expired", "%00", "x" * 300])
def test_an_unknown_or_expired_token_is_a_404_with_the_promised_text(site: Flask, ana: FlaskClient, token: str) -> None:
    if token == "expired":
        token = ticket(site, "ana@example.org", "s1", ttl_s=-1)

    response = site.test_client().get(f"/v1/streams?token={token}")

    assert response.status_code == 404
    assert response.json["detail"] == "Stream not found"


@pytest.mark.req("T31", "T43")
def test_a_login_jwt_names_no_stream(site: Flask, ana: FlaskClient) -> None:
    response = ana.get("/v1/streams", query_string={"token": login_token(site, "ana@example.org")})

    assert response.status_code == 404


@pytest.mark.req("R5")
@pytest.mark.parametrize("path", ["/v1/streams", "/v1/streams?token=", "/v1/streams/s1"])
def test_nothing_at_all_is_a_401(site: Flask, path: str) -> None:
    assert site.test_client().get(path).status_code == 401


@pytest.mark.req("R5")
def test_an_expired_ticket_does_not_spoil_a_good_cookie(site: Flask, ana: FlaskClient) -> None:
    query = {"token": ticket(site, "ana@example.org", "s1", ttl_s=-1)}

    assert ana.get("/v1/streams/s1", query_string=query).json["kind"] == "cookie"


@pytest.mark.req("R5")
def test_a_login_jwt_ends_with_its_hour(site: Flask, ana: FlaskClient) -> None:
    with site.app_context():
        person = site.extensions["rill"].database.run(users.by_email, "ana@example.org")
        old, _ = tickets.login_jwt(person, now=time.time() - 3601)

    assert site.test_client().get("/v1/probe", headers=bearer(old)).status_code == 401


@pytest.mark.req("R5")
def test_the_token_of_a_deleted_account_opens_nothing(site: Flask, newcomer: FlaskClient) -> None:
    tokens = [login_token(site, newcomer.email), personal_token(newcomer)]
    stream = ticket(site, newcomer.email, "s1")

    newcomer.post("/account/delete", data={"password": PASSWORD})

    for token in tokens:
        assert site.test_client().get("/v1/probe", headers=bearer(token)).status_code == 401
    assert site.test_client().get(f"/v1/streams?token={stream}").status_code == 404


@pytest.mark.req("R5", "T43")
@pytest.mark.parametrize(
    "way", ["/account/sessions/delete-all", "/account/sessions/delete-others", "/account/password"]
)
def test_signing_out_everywhere_ends_tickets(site: Flask, newcomer: FlaskClient, way: str) -> None:
    query = {"token": ticket(site, newcomer.email, "s1")}
    assert site.test_client().get("/v1/streams", query_string=query).status_code == 200

    done = newcomer.post(way, data={"current_password": PASSWORD, "new_password": "another good password"})

    assert done.status_code == 303
    assert site.test_client().get("/v1/streams", query_string=query).status_code == 404
    fresh = {"token": ticket(site, newcomer.email, "s1")}
    assert site.test_client().get("/v1/streams", query_string=fresh).status_code == 200


def test_signing_in_gives_the_browser_a_new_session(site: Flask, ana: FlaskClient) -> None:
    client = site.test_client()
    token = csrf_of(client, "/register")
    before = client.get_cookie("rill_session")
    assert before is not None, "needs a session that a stranger could have planted"

    client.post("/register", data={"email": "fixation@example.org", "password": PASSWORD, "csrf_token": token})

    after = client.get_cookie("rill_session")
    assert after is not None
    assert after.value != before.value
    assert client.post("/logout", data={"csrf_token": token}).status_code == 403


def test_a_stolen_cookie_dies_with_its_session(site: Flask, newcomer: FlaskClient) -> None:
    cookie = newcomer.get_cookie("rill_session")
    assert cookie is not None
    thief = site.test_client()
    thief.set_cookie("rill_session", cookie.value)
    assert thief.get("/v1/probe").status_code == 200, "needs a cookie that works"

    newcomer.post("/logout")

    assert thief.get("/v1/probe").status_code == 401
