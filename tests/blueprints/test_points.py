from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from services.store import ledger, points, users
from tests.blueprints.conftest import bearer, login_token
from tests.factories import make_answer, settle

HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}
HTMX = {"HX-Request": "true", "Accept": "text/html"}


class Spender:
    """Somebody who spends without asking anybody: past the study chat, into the ledger."""

    def __init__(self, site: Flask, client: FlaskClient) -> None:
        self.client = client
        self.database = site.extensions["rill"].database
        self.wallet = site.extensions["rill"].points
        user = self.database.run(users.by_email, client.email)
        assert user is not None
        self.id = user.id

    def spend(self, amount: int, title: str = "Photosynthesis") -> Any:
        answer = self.database.run(make_answer, self.id, assistant="study", title=title)
        self.database.run(settle, answer.id)
        self.database.run(self.wallet.reserve, self.id, answer.id, amount)
        self.database.run(points.settle, answer.id, amount)
        return answer

    @property
    def balance(self) -> Any:
        response = self.client.get("/api/points")
        assert response.status_code == 200, response.text
        return response.json


@pytest.fixture
def spender(site: Flask, newcomer: FlaskClient) -> Spender:
    return Spender(site, newcomer)


@pytest.mark.slow
@pytest.mark.req("R31")
def test_the_balance_says_where_one_stands(spender: Spender) -> None:
    spender.spend(12)

    now = spender.balance

    resets_at = datetime.fromisoformat(now.pop("resets_at"))
    assert (resets_at.day, resets_at.hour, resets_at.utcoffset().total_seconds()) == (1, 0, 0)
    assert now == {"granted": 1000, "spent": 12, "reserved": 0, "left": 988, "cap": None, "used_this_month": 12}


def test_it_is_read_with_a_token_too(site: Flask, newcomer: FlaskClient) -> None:
    token = login_token(site, newcomer.email)

    response = site.test_client().get("/api/points", headers=bearer(token))

    assert response.json["left"] == 1000


@pytest.mark.parametrize("path", ["/api/points", "/api/points/history"])
def test_nobody_reads_without_a_login(site: Flask, path: str) -> None:
    assert site.test_client().get(path).status_code == 401


# -- the cap


@pytest.mark.slow
def test_a_cap_is_set_and_taken_away(spender: Spender) -> None:
    spender.spend(12)

    capped = spender.client.put("/api/points/cap", json={"cap": 20})
    assert (capped.status_code, capped.json["cap"], capped.json["left"]) == (200, 20, 8)

    freed = spender.client.put("/api/points/cap", json={"cap": None})
    assert (freed.json["cap"], freed.json["left"]) == (None, 988)


@pytest.mark.parametrize("cap", [-1, 1.5, True, "many", "-3", "1e3", 10_000_001, [1], "٣"])
def test_a_cap_that_is_no_number_is_named(spender: Spender, cap: Any) -> None:
    refused = spender.client.put("/api/points/cap", json={"cap": cap})

    assert refused.status_code == 400
    assert [wrong["field"] for wrong in refused.json["errors"]] == ["cap"]
    assert spender.balance["cap"] is None


def test_a_cap_must_be_sent(spender: Spender) -> None:
    spender.client.put("/api/points/cap", json={"cap": 5})

    assert spender.client.put("/api/points/cap", json={}).status_code == 400
    assert spender.balance["cap"] == 5


def test_a_cap_needs_the_csrf_token(site: Flask, spender: Spender) -> None:
    del spender.client.environ_base["HTTP_X_CSRF_TOKEN"]

    assert spender.client.put("/api/points/cap", json={"cap": 5}).status_code == 403
    assert spender.client.post("/points/cap", data={"cap": "5"}).status_code == 403
    assert spender.balance["cap"] is None


def test_the_form_sets_the_cap_and_leads_back(spender: Spender) -> None:
    for sent, kept in (("25", 25), (" ", None)):
        response = spender.client.post("/points/cap", data={"cap": sent}, headers=HTML)
        assert (response.status_code, response.headers["Location"]) == (303, "/points")
        assert spender.balance["cap"] == kept


def test_the_form_shows_what_was_wrong(spender: Spender) -> None:
    response = spender.client.post("/points/cap", data={"cap": "lots"}, headers=HTML)

    assert response.status_code == 400
    assert 'role="alert"' in response.text
    assert "must be a whole number" in response.text


# -- the history


def test_history_comes_in_pages_and_names_the_conversation(spender: Spender) -> None:
    first, second = spender.spend(3, "One"), spender.spend(4, "Two")

    page = spender.client.get("/api/points/history?limit=3").json
    rest = spender.client.get(f"/api/points/history?before={page['next']}").json

    told = [(entry["kind"], entry["title"], entry["spent"]) for entry in page["entries"] + rest["entries"]]
    assert told == [
        ("settle", "Two", 4),
        ("reserve", "Two", 0),
        ("settle", "One", 3),
        ("reserve", "One", 0),
        ("grant", None, 0),
    ]
    assert rest["next"] is None
    assert page["entries"][0]["message_id"] == second.id
    assert page["entries"][2]["conversation_id"] == first.conversation_id


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=999999999999", "before=nonsense", "before=%00"])
def test_odd_queries_harm_nobody(spender: Spender, query: str) -> None:
    spender.spend(3)

    assert spender.client.get(f"/api/points/history?{query}").status_code == 200
    assert spender.client.get(f"/points?{query}", headers=HTML).status_code == 200


@pytest.mark.slow
def test_history_is_ones_own(spender: Spender, ana: FlaskClient) -> None:
    spender.spend(3, "A secret of mine")

    assert "A secret of mine" not in ana.get("/api/points/history").text
    assert "A secret of mine" not in ana.get("/points", headers=HTML).text


# -- the estimate


def estimate(client: FlaskClient, **fields: Any) -> Any:
    return client.post("/api/points/estimate", json={"message": "What is photosynthesis?", **fields}, headers=JSON)


@pytest.mark.slow
@pytest.mark.req("R31")
def test_an_estimate_says_what_it_would_cost_and_holds_nothing(spender: Spender) -> None:
    usual = estimate(spender.client).json

    assert usual["points"] > 0
    assert (usual["enough"], usual["at_most"], usual["cached"], usual["left"]) == (True, True, False, 1000)
    assert estimate(spender.client, length="long").json["points"] > usual["points"]
    assert estimate(spender.client, max_tokens=10).json["points"] < usual["points"]
    assert spender.balance["reserved"] == 0
    assert spender.client.get("/api/points/history").json["entries"] == []


def test_an_estimate_says_when_it_is_not_enough(spender: Spender) -> None:
    spender.client.put("/api/points/cap", json={"cap": 1})

    assert estimate(spender.client).json["enough"] is False


@pytest.mark.parametrize("fields", [{"message": ""}, {"message": "x" * 10_001}, {"max_tokens": 0}, {"length": "huge"}])
def test_an_estimate_names_bad_fields(spender: Spender, fields: dict[str, Any]) -> None:
    refused = estimate(spender.client, **fields)

    assert refused.status_code == 400
    assert [wrong["field"] for wrong in refused.json["errors"]] == list(fields)


def test_an_estimate_in_somebody_elses_conversation_is_not_found(
    site: Flask, spender: Spender, ana: FlaskClient
) -> None:
    answer = spender.spend(3)

    assert estimate(ana, interaction_id=answer.conversation_id).status_code == 404
    assert estimate(spender.client, interaction_id=answer.conversation_id).status_code == 200
    assert estimate(spender.client, media_files=[{"id": "nothing-of-mine"}]).status_code == 404


def test_an_estimate_fetches_nothing(spender: Spender) -> None:
    usual = estimate(spender.client).json["points"]

    there = estimate(spender.client, media_files=[{"id": "1", "url": "http://127.0.0.1:1/a.png"}])

    assert there.status_code == 200
    assert there.json["points"] > usual
    assert there.json["at_most"] is False


def test_an_estimate_is_a_fragment_for_the_page(spender: Spender) -> None:
    sent = {"message": "Why is the sky blue?", "media": "", "length": "short"}

    response = spender.client.post("/api/points/estimate", data=sent, headers=HTMX)

    assert response.status_code == 200
    assert response.text.startswith('<span class="points-estimate')
    assert "At most 1 point of 1,000" in response.text


# -- pages


def test_the_page_shows_balance_history_and_prices(spender: Spender) -> None:
    spender.spend(12, "<b>Photosynthesis</b>")
    spender.database.run(spender.wallet.reserve, spender.id, "deck:1", 5)
    spender.database.run(points.settle, "deck:1", 5)

    page = spender.client.get("/points", headers=HTML)

    assert page.headers["Cache-Control"] == "no-store"
    assert '<strong class="points__number">983</strong> of 1,000 points left' in page.text
    assert "&lt;b&gt;Photosynthesis&lt;/b&gt;" in page.text
    assert "−12" in page.text
    assert "Flashcards and a quiz" in page.text
    assert "1 point for 30 tokens" in page.text


def test_an_empty_page_says_so(newcomer: FlaskClient) -> None:
    assert "Nothing yet" in newcomer.get("/points", headers=HTML).text


@pytest.mark.slow
def test_a_long_history_is_turned_over(spender: Spender) -> None:
    for number in range(51):
        spender.spend(1, f"Number {number:02}")

    first = spender.client.get("/points", headers=HTML).text
    older = first.split('href="/points?before=', 1)[1].split("#", 1)[0]
    second = spender.client.get(f"/points?before={older}", headers=HTML).text

    assert "Number 50" in first
    assert "Number 00" not in first
    assert "Number 00" in second
    assert "Points for 20" in second


def test_the_meter_is_a_fragment_that_fetches_itself_again(spender: Spender) -> None:
    spender.spend(12)

    meter = spender.client.get("/points/meter", headers=HTMX).text

    assert meter.startswith("<a ")
    assert "988" in meter
    assert 'hx-get="/points/meter"' in meter


def test_deleted_conversations_stay_in_the_history_without_their_names(spender: Spender) -> None:
    answer = spender.spend(12, "Photosynthesis")
    assert spender.client.delete(f"/api/conversations/{answer.conversation_id}").status_code == 204

    page = spender.client.get("/points", headers=HTML).text

    assert "Photosynthesis" not in page
    assert "A conversation that you deleted" in page
    assert spender.balance["spent"] == 12


def test_the_audit_command_says_whether_the_books_agree(site: Flask, spender: Spender) -> None:
    spender.spend(3)
    assert spender.database.run(ledger.audit) == []

    agreed = site.test_cli_runner().invoke(args=["points", "audit"])
    assert (agreed.exit_code, agreed.output) == (0, "The books agree.\n")
    spender.database.run(
        lambda s: s.execute(
            update(ledger.PointsAccount).where(ledger.PointsAccount.user_id == spender.id).values(spent=4)
        )
    )
    differing = site.test_cli_runner().invoke(args=["points", "audit"])
    spender.database.run(users.delete, spender.id)

    assert differing.exit_code == 1
    assert f"user_id={spender.id}" in differing.output
    assert "spent: account 4, ledger 3" in differing.output
