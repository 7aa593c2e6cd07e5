from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from services.store import users
from tests.blueprints.conftest import bearer, login_token
from tests.conftest import sign_up
from tests.factories import make_answer, make_media, settle

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class House:
    """A site whose first account, the admin, and second one have answers of their own."""

    def __init__(self, site: Flask) -> None:
        self.site = site
        self.admin = sign_up(site.test_client(), "admin@example.org")
        self.reader = sign_up(site.test_client(), "reader@example.org")

    def run(self, fn: Callable[..., Any], *args: Any, **changes: Any) -> Any:
        return self.site.extensions["rill"].database.run(fn, *args, **changes)

    def id_of(self, email: str) -> int:
        return int(self.run(users.by_email, email).id)

    def answer(self, email: str = "reader@example.org", **changes: Any) -> Any:
        return self.run(make_answer, self.id_of(email), **changes)

    def page(self) -> str:
        response = self.admin.get("/admin", headers=BROWSER)
        assert response.status_code == 200, response.text
        return " ".join(response.text.split())


@pytest.fixture
def house(app: Flask) -> House:
    return House(app)


@pytest.mark.slow
@pytest.mark.req("D1-13", "T43")
def test_only_admins_see_the_page(house: House) -> None:
    anonymous = house.site.test_client().get("/admin", headers=BROWSER)
    other = house.reader.get("/admin", headers=BROWSER)
    token = login_token(house.site, "admin@example.org")

    assert anonymous.status_code == 303
    assert anonymous.headers["Location"].startswith("/login")
    assert other.status_code == 403
    assert house.site.test_client().get("/admin", headers={**BROWSER, **bearer(token)}).status_code == 200


@pytest.mark.slow
def test_the_account_page_leads_admins_there_and_nobody_else(house: House) -> None:
    assert 'href="/admin"' in house.admin.get("/account", headers=BROWSER).text
    assert 'href="/admin"' not in house.reader.get("/account", headers=BROWSER).text


@pytest.mark.slow
@pytest.mark.req("D1-13", "U16")
def test_a_site_without_answers_has_a_page_too(house: House) -> None:
    text = house.page()

    assert "None, on any machine." in text
    assert text.count("No answer has ended.") == 2
    assert "2 accounts" in text
    assert "built-in" in text


@pytest.mark.slow
@pytest.mark.req("D1-13", "U16")
def test_running_answers_are_told_whoever_asked_and_own_ones_can_be_stopped(house: House) -> None:
    others = house.answer(assistant="study")
    own = house.answer("admin@example.org")

    text = house.page()

    assert text.count("reader@example.org") == 1
    assert text.count("waits to be settled") == 2
    assert f"/api/streams/{own.stream_id}/stop" in text
    assert f"/api/streams/{others.stream_id}/stop" not in text


@pytest.mark.slow
@pytest.mark.req("D1-13", "U16")
def test_times_outcomes_and_use_are_told(house: House) -> None:
    for _ in range(2):
        usage = {"total_tokens": 1200, "first_token_s": 0.25}
        house.run(settle, house.answer(assistant="study").id, usage=usage)
    house.run(settle, house.answer().id, outcome="failed", error_code="MODEL_BROKEN", usage=None)

    text = house.page()

    assert text.count('<th scope="row">study</th><td class="operator__number">2</td>') == 2
    assert text.count('<td class="operator__number">0.25 s</td><td class="operator__number">0.25 s</td>') == 2
    assert text.count("<code>MODEL_BROKEN</code>") == 2
    assert '<td class="operator__number">3</td><td class="operator__number">2,400</td>' in text


@pytest.mark.slow
@pytest.mark.req("D1-13", "U16")
def test_returns_and_refusals_are_told(house: House) -> None:
    metrics = house.site.extensions["rill"].metrics
    for verdict in ("exact", "exact", "snapshot", "finished"):
        metrics.resumed(verdict)
    for _ in range(4):
        metrics.started("tutor")
    metrics.refused("site")

    text = house.page()

    assert "4 answers begun, 3 returns after a lost connection, 0.75 for each answer" in text
    assert 'went on where they stood</th><td class="operator__number">2</td>' in text
    assert 'the whole site</th><td class="operator__number">1</td>' in text


@pytest.mark.slow
@pytest.mark.req("D1-13", "T43")
def test_nothing_that_anybody_wrote_is_shown(house: House) -> None:
    secret = "a secret of the reader"
    answer = house.answer(title=secret, question=secret)
    house.answer(title=secret, question=secret)
    house.run(settle, answer.id, secret)
    house.run(make_media, house.id_of("reader@example.org"), name=f"{secret}.txt")

    assert secret not in house.page()


@pytest.mark.slow
@pytest.mark.req("D1-13")
def test_the_page_comes_without_redis_too(make_app: Callable[..., Flask], tmp_path: Any) -> None:
    house = House(make_app())
    house.answer()
    away = make_app(REDIS_URL=f"unix://{tmp_path}/nobody.sock")
    client = same_cookie(away, house.admin)

    text = client.get("/admin", headers=BROWSER).text

    assert "Redis is away" in text
    assert "away</dd>" in text


def same_cookie(site: Flask, client: FlaskClient) -> FlaskClient:
    cookie = client.get_cookie("rill_session")
    assert cookie is not None
    again = site.test_client()
    again.set_cookie("rill_session", cookie.value)
    return again
