import time
from collections.abc import Iterator
from datetime import UTC, datetime

import jwt
import pytest
from flask import Flask

from blueprints import tickets
from services.store.users import User

ANA = User(7, "ana@example.org", False, 3, "en", "UTC", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(autouse=True)
def context() -> Iterator[None]:
    app = Flask("tickets")
    app.secret_key = "sixteen letters!"
    with app.app_context():
        yield


def ticket_claims() -> dict[str, object]:
    now = int(time.time())
    return {"sub": "7", "epoch": 3, "stream": "s1", "aud": "rill:stream", "iat": now, "exp": now + 60}


@pytest.mark.req("R5")
def test_a_login_token_says_who_and_which_epoch() -> None:
    text, expires_in = tickets.login_jwt(ANA)

    assert tickets.read_login_jwt(text) == (7, 3)
    assert expires_in == 3600


@pytest.mark.req("R5")
def test_a_login_token_ends_after_an_hour() -> None:
    now = time.time()

    assert tickets.read_login_jwt(tickets.login_jwt(ANA, now=now - 3590)[0]) == (7, 3)
    assert tickets.read_login_jwt(tickets.login_jwt(ANA, now=now - 3601)[0]) is None


@pytest.mark.req("R5", "T43")
def test_a_stream_ticket_says_who_and_which_stream_until_it_ends() -> None:
    assert tickets.read_stream_ticket(tickets.stream_ticket(ANA, "s1", 60)) == (7, 3, "s1")
    assert tickets.read_stream_ticket(tickets.stream_ticket(ANA, "s1", 60, now=time.time() - 61)) is None


@pytest.mark.req("R5", "T43")
def test_neither_token_passes_for_the_other() -> None:
    assert tickets.read_login_jwt(tickets.stream_ticket(ANA, "s1", 60)) is None
    assert tickets.read_stream_ticket(tickets.login_jwt(ANA)[0]) is None


@pytest.mark.req("T43")
def test_a_token_signed_with_the_bare_secret_is_refused() -> None:
    forged = jwt.encode(ticket_claims(), b"sixteen letters!" * 2, algorithm="HS256")

    assert tickets.read_stream_ticket(forged) is None


@pytest.mark.req("T43")
def test_a_token_without_a_signature_is_refused() -> None:
    assert tickets.read_stream_ticket(jwt.encode(ticket_claims(), None, algorithm="none")) is None


@pytest.mark.req("T43")
@pytest.mark.parametrize("place", range(0, 200, 13))
def test_a_token_with_one_letter_changed_is_refused(place: int) -> None:
    text = tickets.stream_ticket(ANA, "s1", 60)
    place = min(place, len(text) - 2)  # the last letter has bits to spare
    changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]

    assert tickets.read_stream_ticket(changed) is None


@pytest.mark.parametrize("text", ["", "s1", "a.b.c", "..", "\x00.\ud800.é", "a" * 5000, "rill_" + "x" * 43])
def test_what_is_no_token_is_refused(text: str) -> None:
    assert tickets.read_login_jwt(text) is None
    assert tickets.read_stream_ticket(text) is None


def test_another_sites_secret_opens_nothing() -> None:
    text = tickets.stream_ticket(ANA, "s1", 60)
    other = Flask("other")
    other.secret_key = "sixteen letters?"

    with other.app_context():
        assert tickets.read_stream_ticket(text) is None


@pytest.mark.parametrize("epoch", [{}, {"epoch": "3"}, {"epoch": None}])
def test_a_token_without_its_epoch_is_refused(epoch: dict[str, object]) -> None:
    ticket = tickets.stream_ticket(ANA, "s1", 60)
    claims = jwt.decode(ticket, options={"verify_signature": False})
    del claims["epoch"]

    signed = jwt.encode({**claims, **epoch}, tickets._key("rill:stream"), algorithm="HS256")

    assert tickets.read_stream_ticket(ticket) == (7, 3, "s1")
    assert tickets.read_stream_ticket(signed) is None
