"""Password hashes: argon2id. Knows neither accounts nor requests.

A hash is tens of milliseconds of work on purpose. It is done in gevent's threads (argon2 lets go of the
interpreter lock meanwhile), so that no stream of this process waits for a sign-in.

Source: RFC 9106; OWASP Password Storage Cheat Sheet (argon2id).
"""

import threading
from typing import Final

import gevent
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# Not private: tests that are about other things than hashes put a cheap one here.
hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Two at a time: each holds 19 MiB and a processor, and a flood of guesses must leave room for streams.
_ROOM: Final = threading.BoundedSemaphore(2)
# What an account that does not exist is checked against, so that its absence cannot be timed.
_NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$4TBCbuvQZGloiG58oqFnrA$0hoTmydozQ9ZEd79A7iB2oIzYHSzVVoZ2elFpmR2b94"


def make(password: str) -> str:
    """Hash a new password."""
    with _ROOM:
        return str(gevent.get_hub().threadpool.apply(hasher.hash, (password,)))


def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed; None takes as long and says no."""
    with _ROOM:
        is_right = gevent.get_hub().threadpool.apply(_verify, (password_hash or _NOBODY, password))
    return bool(is_right) and password_hash is not None


def _verify(password_hash: str, password: str) -> bool:
    try:
        return hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
