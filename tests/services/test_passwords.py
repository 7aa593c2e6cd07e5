import gevent
import pytest

from services import passwords
from tests.conftest import HASHER


@pytest.fixture(autouse=True)
def _dear_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "hasher", HASHER)


@pytest.mark.slow
def test_a_password_matches_its_own_hash_only() -> None:
    kept = passwords.make("correct horse")

    assert kept.startswith("$argon2id$")
    assert "correct horse" not in kept
    assert passwords.matches(kept, "correct horse")
    assert not passwords.matches(kept, "correct horse ")


@pytest.mark.slow
def test_two_hashes_of_one_password_differ() -> None:
    assert passwords.make("same") != passwords.make("same")


@pytest.mark.parametrize("kept", [None, "", "no hash at all"])
def test_nothing_matches_an_account_without_a_hash(kept: str | None) -> None:
    assert not passwords.matches(kept, "anything")


def test_an_unknown_account_costs_what_a_known_one_does() -> None:
    cost = passwords.make("x").rsplit("$", 2)[0]

    assert passwords._NOBODY.rsplit("$", 2)[0] == cost


@pytest.mark.slow
def test_hashing_leaves_the_event_loop_free() -> None:
    turns = 0
    hashing = gevent.spawn(passwords.make, "slow on purpose")

    while not hashing.ready():
        turns += 1
        gevent.sleep(0)

    assert hashing.get().startswith("$argon2id$")
    # Alone on the loop, a hash in this thread would allow a turn or two.
    assert turns > 20
