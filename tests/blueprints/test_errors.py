import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
HTMX = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}
MEMBERS = {"status", "title", "detail", "code", "message", "request_id"}


@pytest.mark.parametrize(
    ("how", "status", "code", "more"),
    [
        ("input", 400, "INVALID_INPUT", {"errors"}),
        ("anonymous", 401, "NOT_SIGNED_IN", set()),
        ("forbidden", 403, "FORBIDDEN", set()),
        ("unknown", 404, "NOT_FOUND", set()),
        ("busy", 409, "STREAM_BUSY", {"stream_id"}),
        ("large", 413, "TOO_LARGE", set()),
        ("type", 415, "UNSUPPORTED_TYPE", set()),
        ("slots", 429, "NO_SLOT_FREE", {"limit", "current", "running"}),
        ("full", 503, "SITE_FULL", set()),
        ("away", 503, "UNAVAILABLE", set()),
        ("bug", 500, "INTERNAL_ERROR", set()),
    ],
)
def test_each_error_has_its_status_and_problem(
    ana: FlaskClient, how: str, status: int, code: str, more: set[str]
) -> None:
    response = ana.get(f"/v1/fail/{how}")

    problem = response.json
    assert response.status_code == problem["status"] == status
    assert response.content_type == "application/problem+json"
    assert set(problem) == MEMBERS | more
    assert problem["code"] == code
    assert problem["detail"] == problem["message"]
    assert problem["request_id"] == response.headers["X-Request-Id"] != ""


def test_input_errors_name_every_field(ana: FlaskClient) -> None:
    problem = ana.get("/v1/fail/input").json

    assert problem["errors"] == [{"field": "a", "message": "is missing"}, {"field": "b", "message": "is wrong"}]


@pytest.mark.req("T23", "T18")
def test_a_limit_says_when_to_come_back_and_what_runs(ana: FlaskClient) -> None:
    response = ana.get("/v1/fail/slots")

    assert response.headers["Retry-After"] == "7"
    assert response.json["detail"] == "User has reached maximum concurrent streams (2)"
    assert response.json["running"] == [{"stream_id": "s1", "stop_url": "/api/streams/s1/stop"}]


@pytest.mark.parametrize(("how", "wait_s"), [("full", "5"), ("away", "2")])
def test_unavailable_says_when_to_come_back(ana: FlaskClient, how: str, wait_s: str) -> None:
    assert ana.get(f"/v1/fail/{how}").headers["Retry-After"] == wait_s


@pytest.mark.req("A6-7")
@pytest.mark.parametrize("headers", [{}, BROWSER, HTMX], ids=["program", "browser", "htmx"])
def test_an_unexpected_exception_is_logged_once_and_never_shown(
    ana: FlaskClient, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = ana.get("/v1/fail/bug?q=private", headers=headers)

    assert response.status_code == 500
    assert "secret detail" not in response.text
    assert response.headers["X-Request-Id"] in response.text
    logged = [record for record in caplog.records if record.exc_info]
    assert len(logged) == 1
    assert "private" not in logged[0].getMessage()


@pytest.mark.parametrize(
    ("path", "headers", "content_type"),
    [
        ("/v1/fail/unknown", {}, "application/problem+json"),
        ("/v1/fail/unknown", {"Accept": "*/*"}, "application/problem+json"),
        ("/v1/fail/unknown", {"Accept": "text/event-stream"}, "application/problem+json"),
        ("/fail/unknown", {"Accept": "application/json"}, "application/problem+json"),
        ("/fail/unknown", {"Accept": "*/*"}, "text/html; charset=utf-8"),
        ("/v1/fail/unknown", BROWSER, "text/html; charset=utf-8"),
        ("/v1/fail/unknown", HTMX, "text/html; charset=utf-8"),
    ],
)
def test_the_shape_follows_the_client(ana: FlaskClient, path: str, headers: dict[str, str], content_type: str) -> None:
    response = ana.get(path, headers=headers)

    assert response.status_code == 404
    assert response.content_type == content_type
    assert "Stream not found" in response.text


def test_htmx_gets_a_fragment_and_browsers_a_page(ana: FlaskClient) -> None:
    assert "<html" in ana.get("/v1/fail/unknown", headers=BROWSER).text
    assert "<html" not in ana.get("/v1/fail/unknown", headers=HTMX).text


def test_an_unknown_address_is_a_404(site: Flask) -> None:
    response = site.test_client().get("/api/nothing/here")

    assert response.status_code == 404
    assert response.json["code"] == "NOT_FOUND"


def test_a_wrong_method_is_a_405_that_names_the_right_ones(site: Flask) -> None:
    response = site.test_client().put("/api/auth/token")

    assert response.status_code == 405
    assert response.json["code"] == "METHOD_NOT_ALLOWED"
    assert "POST" in response.headers["Allow"]


@pytest.mark.req("T43")
def test_the_html_flavour_refuses_with_a_fragment_and_the_end(site: Flask) -> None:
    response = site.test_client().get("/v1/streams/s1?view=html")

    assert response.status_code == 200
    assert response.content_type == "text/event-stream"
    assert "\nevent: close\n" in response.text.replace("event: close", "\nevent: close", 1)
    assert "answer-s1" in response.text


def test_the_html_flavour_changes_nothing_elsewhere(site: Flask) -> None:
    assert site.test_client().get("/v1/probe?view=html").status_code == 401


def test_markup_in_an_address_stays_text(site: Flask) -> None:
    response = site.test_client().get("/v1/streams/%3Cscript%3Ex?view=html")

    assert "<script>" not in response.text


@pytest.mark.slow
def test_an_error_page_needs_neither_database_nor_redis(make_site: Callable[..., Flask], tmp_path: Any) -> None:
    site = make_site(REDIS_URL=f"unix://{tmp_path}/nobody")

    response = site.test_client().get("/nothing", headers=BROWSER)

    assert response.status_code == 404
    assert "<html" in response.text
