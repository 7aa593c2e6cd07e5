from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.blueprints.conftest import bearer, login_token
from tests.clocks import within

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.slow
def test_health_needs_nobody(make_site: Callable[..., Flask], tmp_path: Path) -> None:
    client = make_site(REDIS_URL=f"unix://{tmp_path}/nobody").test_client()

    assert client.get("/healthz").status_code == 200
    assert client.get("/healthz").json == {"status": "ok"}


def test_ready_says_who_would_answer(make_site: Callable[..., Flask]) -> None:
    with_model = make_site(OPENAI_BASE_URL="http://127.0.0.1:9").test_client().get("/readyz")

    assert with_model.status_code == 200
    assert with_model.json == {"status": "ready", "redis": "ok", "database": "ok", "model": "configured"}


def test_a_site_without_a_model_is_ready(site: Flask) -> None:
    response = site.test_client().get("/readyz")

    assert response.status_code == 200
    assert response.json["model"] == "built-in"


@pytest.mark.slow
def test_not_ready_names_the_part_that_is_away(make_site: Callable[..., Flask], tmp_path: Path) -> None:
    client = make_site(REDIS_URL=f"unix://{tmp_path}/nobody").test_client()

    with within(2):
        response = client.get("/readyz")

    assert response.status_code == 503
    assert (response.json["redis"], response.json["database"]) == ("away", "ok")
    assert response.json["status"] == "not ready"


def test_not_ready_without_a_database(make_site: Callable[..., Flask], tmp_path: Path) -> None:
    site = make_site()
    site.extensions["rill"].database.close()
    (tmp_path / "var" / "rill.sqlite3").rename(tmp_path / "gone")
    (tmp_path / "var" / "rill.sqlite3").mkdir()

    response = site.test_client().get("/readyz")

    assert response.status_code == 503
    assert (response.json["redis"], response.json["database"]) == ("ok", "away")


def test_figures_are_for_admins(site: Flask, ana: FlaskClient, ben: FlaskClient) -> None:
    anonymous = site.test_client().get("/metrics")
    by_bearer = site.test_client().get("/metrics", headers=bearer(login_token(site, "ana@example.org")))

    assert anonymous.status_code == 401
    assert anonymous.content_type == "application/problem+json"
    assert ben.get("/metrics").status_code == 403
    assert ana.get("/metrics").status_code == by_bearer.status_code == 200
    assert by_bearer.content_type.startswith("text/plain")
    assert "rill_viewers" in by_bearer.text


def test_strangers_browsers_are_shown_no_login_form_at_the_figures(site: Flask) -> None:
    assert site.test_client().get("/metrics", headers={"Accept": "*/*"}).status_code == 401


def test_home_leads_a_new_site_to_its_first_account(make_site: Callable[..., Flask]) -> None:
    page = make_site().test_client().get("/", headers=BROWSER)

    assert page.status_code == 200
    assert "first account" in page.text


@pytest.mark.usefixtures("ana")
def test_home_knows_who_is_there(site: Flask, ana: FlaskClient) -> None:
    assert "first account" not in site.test_client().get("/", headers=BROWSER).text
    assert "/account" in ana.get("/", headers=BROWSER).text
