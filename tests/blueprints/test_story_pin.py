"""Handing a browser over and getting it back."""

import secrets

import pytest
from flask import Flask

from tests.blueprints.conftest import PASSWORD, same_person
from tests.blueprints.families import PAGE, PIN, Family

JSON = {"Accept": "application/json"}


@pytest.fixture
def family(site: Flask) -> Family:
    """A family of the test's own; its browser is the adult's."""
    return Family(site, f"{secrets.token_hex(6)}@example.org")


def is_handed(family: Family) -> bool:
    return family.client.get("/account", headers=PAGE).status_code == 303


@pytest.mark.slow
def test_the_first_hand_over_sets_the_pin_and_the_next_needs_none(family: Family) -> None:
    assert 'name="pin_again"' in family.client.get("/stories/hand-over", headers=PAGE).text
    family.hand_over()
    assert is_handed(family)
    assert family.leave() == 303

    assert 'name="pin_again"' not in family.client.get("/stories/hand-over", headers=PAGE).text
    family.hand_over()
    assert is_handed(family)


@pytest.mark.slow
def test_a_pin_that_is_no_pin_hands_nothing_over(family: Family) -> None:
    wrong = {
        "short": ("123", "123", "pin"),
        "long": ("123456789", "123456789", "pin"),
        "words": ("abcd", "abcd", "pin"),
        "other digits": ("٤٠٧١", "٤٠٧١", "pin"),
        "all alike": ("1111", "1111", "pin"),
        "a run": ("1234", "1234", "pin"),
        "two": ("4071", "4072", "pin_again"),
        "none": ("", "", "pin"),
    }
    for name, (pin, again, field) in wrong.items():
        form = {"child_id": family.child.id, "pin": pin, "pin_again": again}
        sent = family.client.post("/stories/hand-over", data=form, headers=JSON)
        assert (sent.status_code, sent.json["errors"][0]["field"]) == (400, field), name
        shown = family.client.post("/stories/hand-over", data=form, headers=PAGE)
        assert (shown.status_code, f'id="wrong-{field}"' in shown.text) == (400, True), name

    assert not is_handed(family)
    assert not family.services.stories.has_pin(family.user_id)


@pytest.mark.slow
def test_only_an_own_child_is_handed_to(family: Family, site: Flask) -> None:
    foreign = Family(site, f"{secrets.token_hex(6)}@example.org").child.id
    for child_id in (foreign, 2**31, 10**14, "x", "-1", ""):
        form = {"child_id": child_id, "pin": PIN, "pin_again": PIN}
        assert family.client.post("/stories/hand-over", data=form, headers=JSON).status_code in (400, 404)

    assert not is_handed(family)


def test_handing_over_needs_the_pages_token(family: Family) -> None:
    stranger = same_person(family.site, family.client)
    stranger.environ_base.pop("HTTP_X_CSRF_TOKEN")

    sent = stranger.post("/stories/hand-over", data={"child_id": family.child.id, "pin": PIN, "pin_again": PIN})

    assert (sent.status_code, sent.json["code"]) == (403, "CSRF")


@pytest.mark.slow
@pytest.mark.req("D1-22")
def test_leaving_needs_the_pin_or_the_password(family: Family) -> None:
    family.hand_over()

    for form in ({"pin": "9999"}, {"password": "wrong password"}, {"pin": ""}):
        assert family.leave(**form) == 400, form
        assert is_handed(family)
    page = family.client.post("/stories/leave", data={"pin": "9999"}, headers=PAGE).text
    assert "That was not it" in page
    assert family.email not in page

    assert family.leave(password=PASSWORD) == 303
    assert not is_handed(family)


def test_leaving_is_no_way_to_sign_out_an_adult(family: Family) -> None:
    assert family.client.get("/stories/leave", headers=PAGE).headers["Location"] == "/stories"
    assert family.client.post("/stories/leave", headers=JSON).json == {"url": "/stories"}


@pytest.mark.slow
def test_after_five_wrong_pins_only_the_password_is_left(family: Family) -> None:
    family.hand_over()
    for _ in range(5):
        assert family.leave(pin="9999") == 400

    locked = family.client.post("/stories/leave", data={"pin": PIN}, headers=PAGE)

    assert locked.status_code == 429
    assert "password" in locked.text
    assert is_handed(family)
    assert family.leave(password=PASSWORD) == 303
    family.hand_over()
    assert family.leave() == 303


@pytest.mark.slow
def test_another_session_of_the_account_takes_the_device_back(family: Family, site: Flask) -> None:
    other = site.test_client()
    other.environ_base["HTTP_X_CSRF_TOKEN"] = _signed_in(other, family.email)
    family.hand_over()
    page = other.get("/stories/pin", headers=PAGE).text
    action = page.split('action="/stories/take-back/', 1)[1].split('"', 1)[0]
    assert "Mia" in page

    assert other.post(f"/stories/take-back/{action}", headers=PAGE).status_code == 303

    assert not is_handed(family)
    assert other.post("/stories/take-back/unknown", headers=JSON).status_code == 404


@pytest.mark.slow
def test_another_pin_needs_the_password(family: Family) -> None:
    family.hand_over()
    family.leave()
    form = {"pin": "8520", "pin_again": "8520"}

    assert family.client.post("/stories/pin", data=form, headers=JSON).status_code == 400
    assert family.client.post("/stories/pin", data={**form, "password": "no"}, headers=JSON).status_code == 400
    assert family.client.post("/stories/pin", data={**form, "password": PASSWORD}, headers=JSON).status_code == 200

    family.hand_over()
    assert family.leave() == 400
    assert family.leave(pin="8520") == 303


def test_a_program_hands_nothing_over(family: Family) -> None:
    from tests.blueprints.conftest import bearer, login_token

    client = family.site.test_client()
    form = {"child_id": family.child.id, "pin": PIN, "pin_again": PIN}

    sent = client.post("/stories/hand-over", json=form, headers=bearer(login_token(family.site, family.email)))

    assert sent.status_code == 400
    assert not family.services.stories.has_pin(family.user_id)


def _signed_in(client: object, email: str) -> str:
    from tests.sites import session_token

    token = session_token(client)  # type: ignore[arg-type]
    sent = client.post("/login", data={"email": email, "password": PASSWORD, "csrf_token": token})  # type: ignore[attr-defined]
    assert sent.status_code == 303, sent.text
    return session_token(client)  # type: ignore[arg-type]
