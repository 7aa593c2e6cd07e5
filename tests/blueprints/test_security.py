import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.blueprints.conftest import bearer, csrf_of, login_token, register

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HTMX = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}
FRONTEND = "https://app.example.org"


@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing", "/v1/probe", "/v1/streams/s1?view=html", "/login"])
def test_every_response_carries_the_security_headers(site: Flask, path: str) -> None:
    headers = site.test_client().get(path).headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Request-Id"]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Flask) -> None:
    cookie = site.test_client().get("/login", headers=BROWSER).headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_the_cookie_is_secure_behind_tls(make_site: Callable[..., Flask]) -> None:
    client = make_site(PROXY_HOPS="1").test_client()

    assert "Secure" in client.get("/login", headers={"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]


def test_forwarded_headers_count_only_from_a_proxy_that_was_announced(site: Flask) -> None:
    client = site.test_client()

    assert "Secure" not in client.get("/login", headers={"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]


@pytest.mark.parametrize("headers", [BROWSER, {"Accept": "*/*"}, {}], ids=["browser", "curl", "none"])
def test_pages_without_a_login_lead_to_it_and_back(site: Flask, headers: dict[str, str]) -> None:
    response = site.test_client().get("/account?tab=a b", headers=headers)

    assert response.status_code == 303
    assert response.headers["Location"].startswith("/login?next=")
    followed = site.test_client().get(response.headers["Location"], headers=BROWSER)
    assert 'name="next" value="/account?tab=a b"' in followed.text


def test_programs_and_htmx_are_told_instead(site: Flask) -> None:
    client = site.test_client()

    assert client.get("/account", headers={"Accept": "application/json"}).status_code == 401
    assert client.get("/account", headers=HTMX).status_code == 401
    assert client.get("/v1/probe").status_code == 401


@pytest.mark.parametrize("place", ["header", "field"])
def test_the_csrf_token_is_taken_as_header_and_as_field(ana: FlaskClient, place: str) -> None:
    token = ana.environ_base.pop("HTTP_X_CSRF_TOKEN")
    sent = {"headers": {"X-CSRF-Token": token}} if place == "header" else {"data": {"csrf_token": token}}

    assert ana.post("/v1/probe", **sent).status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", "somebody else's"])
def test_a_write_with_a_cookie_and_a_wrong_token_is_refused(ana: FlaskClient, ben: FlaskClient, token: str) -> None:
    theirs = ben.environ_base["HTTP_X_CSRF_TOKEN"]
    ana.environ_base["HTTP_X_CSRF_TOKEN"] = theirs if token == "somebody else's" else token

    response = ana.post("/v1/probe", json={})

    assert response.status_code == 403
    assert response.json["code"] == "CSRF"


def test_a_bearer_needs_no_csrf_token_even_beside_a_cookie(site: Flask, ana: FlaskClient) -> None:
    del ana.environ_base["HTTP_X_CSRF_TOKEN"]

    assert ana.post("/v1/probe", json={}, headers=bearer(login_token(site, "ana@example.org"))).status_code == 200


def test_identity_is_asked_before_the_csrf_token(site: Flask) -> None:
    assert site.test_client().post("/v1/probe", json={}).status_code == 401


@pytest.mark.req("A6-9")
def test_another_site_starts_nothing_with_a_cookie(site: Flask, ana: FlaskClient) -> None:
    cross_site = {"Sec-Fetch-Site": "cross-site"}
    headers = bearer(login_token(site, "ana@example.org"))

    refused = ana.get("/v1/begin", headers=cross_site)

    assert refused.status_code == 403
    assert refused.json["code"] == "CROSS_SITE"
    assert ana.get("/v1/begin", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert ana.get("/v1/begin").status_code == 200
    assert site.test_client().get("/v1/begin", headers=cross_site | headers).status_code == 200


@pytest.fixture
def shared_with(make_site: Callable[..., Flask]) -> Flask:
    return make_site(CORS_ORIGINS=f"{FRONTEND}, http://localhost:5173")


def test_a_named_origin_may_read_with_credentials(shared_with: Flask) -> None:
    ana = register(shared_with, "ana@example.org")

    headers = ana.get("/v1/streamed", headers={"Origin": FRONTEND}).headers

    assert headers["Access-Control-Allow-Origin"] == FRONTEND
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert headers["Access-Control-Expose-Headers"] == "X-Stream-Id, Content-Location, Retry-After"
    assert "Origin" in headers["Vary"]


def test_a_named_origin_may_read_refusals_too(shared_with: Flask) -> None:
    response = shared_with.test_client().get("/v1/probe", headers={"Origin": FRONTEND})

    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == FRONTEND


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/v1/create", "/api/auth/token", "/v1/streams/s1", "/v1/nowhere"])
def test_a_preflight_is_answered_without_credentials(shared_with: Flask, path: str) -> None:
    asked = "authorization, content-type, hx-request, HX-Current-URL, x-evil"

    response = shared_with.test_client().options(
        path,
        headers={
            "Origin": FRONTEND,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )

    allowed = {name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
    promised = {"authorization", "content-type", "last-event-id", "idempotency-key", "x-csrf-token"}
    assert response.status_code == 204
    assert response.data == b""
    assert response.headers["Access-Control-Allow-Origin"] == FRONTEND
    assert allowed == promised | {"hx-request", "hx-current-url"}
    assert {"GET", "POST", "DELETE"} <= set(response.headers["Access-Control-Allow-Methods"].split(", "))


@pytest.mark.slow
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{FRONTEND}.evil.example", "http://app.example.org"]
)
def test_other_origins_get_no_cors_headers(shared_with: Flask, origin: str) -> None:
    client = shared_with.test_client()
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}

    for response in (
        client.get("/healthz", headers={"Origin": origin}),
        client.options("/v1/create", headers=preflight),
    ):
        assert not [name for name, _ in response.headers if name.startswith("Access-Control-")]


CHUNKED = {"headers": {"Transfer-Encoding": "chunked"}, "environ_overrides": {"wsgi.input_terminated": True}}
JSON_CAP = 1024 * 1024


@pytest.mark.parametrize("more", [{}, CHUNKED], ids=["with its length", "chunked"])
@pytest.mark.parametrize("path", ["/v1/probe", "/api/auth/token"])
def test_a_body_over_the_cap_is_a_413(ana: FlaskClient, path: str, more: dict[str, Any]) -> None:
    body = b'{"a": "' + b"x" * JSON_CAP + b'"}'

    response = ana.post(path, data=body, content_type="application/json", **more)

    assert response.status_code == 413
    assert response.json["code"] == "TOO_LARGE"


@pytest.mark.parametrize("more", [{}, CHUNKED], ids=["with its length", "chunked"])
def test_a_body_at_the_cap_arrives_whole(ana: FlaskClient, more: dict[str, Any]) -> None:
    text = "x" * (JSON_CAP - len('{"a": ""}'))

    response = ana.post("/v1/probe", data=f'{{"a": "{text}"}}', content_type="application/json", **more)

    assert response.json["sent"] == {"a": text}


def test_a_chunked_form_is_read_whole_with_its_csrf_token(ana: FlaskClient) -> None:
    token = ana.environ_base.pop("HTTP_X_CSRF_TOKEN")

    response = ana.post("/v1/probe", data={"a": "b", "csrf_token": token}, **CHUNKED)

    assert response.json["sent"] == {"a": "b", "csrf_token": token}


def test_a_form_over_the_cap_is_a_413(ana: FlaskClient) -> None:
    assert ana.post("/v1/probe", data={"a": "x" * (1024 * 1024)}).status_code == 413


@pytest.mark.slow
def test_routes_that_take_files_take_more(make_site: Callable[..., Flask]) -> None:
    ana = register(make_site(MAX_UPLOAD_MB="2"), "ana@example.org")

    fits = ana.post("/v1/upload", data=b"x" * (2 * 1024 * 1024), content_type="application/octet-stream")
    too_large = ana.post("/v1/upload", data=b"x" * (3 * 1024 * 1024), content_type="application/octet-stream")

    assert fits.json == {"bytes": 2 * 1024 * 1024}
    assert too_large.status_code == 413


@pytest.mark.req("T43")
def test_access_to_a_stream_is_audited_without_content(
    site: Flask, ana: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="blueprints.security"):
        ana.get("/v1/streams/s1?token=private&last_event_id=s1-3")
        site.test_client().get("/v1/streams?token=private")
        ana.get("/v1/streamed")
        ana.get("/v1/probe")

    lines = [vars(record) for record in caplog.records if record.getMessage() == "stream accessed"]
    assert [(line["by"], line["stream_id"], line["status"], line["outcome"]) for line in lines] == [
        ("cookie", "s1", 200, "ok"),
        (None, None, 404, "NOT_FOUND"),
        ("cookie", "s7", 200, "ok"),
    ]
    assert lines[0]["user_id"] is not None
    assert lines[0]["address"] == "127.0.0.1"
    assert "private" not in caplog.text


@pytest.mark.slow
def test_a_request_id_is_taken_from_an_announced_proxy_only(make_site: Callable[..., Flask], site: Flask) -> None:
    sent = {"X-Request-Id": "from-the-proxy-1"}

    assert (
        make_site(PROXY_HOPS="1").test_client().get("/healthz", headers=sent).headers["X-Request-Id"]
        == "from-the-proxy-1"
    )
    assert site.test_client().get("/healthz", headers=sent).headers["X-Request-Id"] != "from-the-proxy-1"


def test_a_page_kept_open_for_hours_can_still_write(site: Flask, ana: FlaskClient) -> None:
    first = csrf_of(ana, "/account")
    second = csrf_of(ana, "/account")

    for token in (first, second):
        ana.environ_base["HTTP_X_CSRF_TOKEN"] = token
        assert ana.post("/v1/probe", json={}).status_code == 200
    assert site.config["WTF_CSRF_TIME_LIMIT"] is None
