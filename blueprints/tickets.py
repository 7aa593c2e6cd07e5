"""Signed tokens: the login JWT of API clients and the ticket that opens one stream.

Both are HS256 JWTs with an audience and a key of their own, so that neither passes for the other.
Nothing is looked up here: whoever reads a token checks that its user exists and has that epoch.

Source: RFC 7519; RFC 8725 (fixed algorithm, audience always checked).
"""

import hashlib
import hmac
import time
from typing import Any, Final

import jwt
from flask import current_app

from services.store.users import User

LOGIN_TTL_S: Final = 3600
_LOGIN: Final = "rill:login"
_STREAM: Final = "rill:stream"
_ALGORITHM: Final = "HS256"
# Longer texts are no tokens of ours; refusing them early keeps decoding cheap.
_MAX_CHARS: Final = 2048


def login_jwt(user: User, *, now: float | None = None) -> tuple[str, int]:
    """The token of `POST /api/auth/token` and the seconds that it lives."""
    claims = {"sub": str(user.id), "epoch": user.epoch}
    return _sign(claims, _LOGIN, LOGIN_TTL_S, now), LOGIN_TTL_S


def read_login_jwt(text: str) -> tuple[int, int] | None:
    """(user id, epoch) of a login JWT that is ours and has not expired."""
    claims = _read(text, _LOGIN)
    return None if claims is None else (_user_id(claims), claims["epoch"])


def stream_ticket(user: User, stream_id: str, ttl_s: float, *, now: float | None = None) -> str:
    """A token that opens one stream to its bearer, for `ttl_s` seconds or until its owner signs out everywhere."""
    return _sign({"sub": str(user.id), "epoch": user.epoch, "stream": stream_id}, _STREAM, ttl_s, now)


def read_stream_ticket(text: str) -> tuple[int, int, str] | None:
    """(user id, epoch, stream id) of a ticket that is ours and has not expired."""
    claims = _read(text, _STREAM)
    if claims is None or not isinstance(claims.get("stream"), str):
        return None
    return _user_id(claims), claims["epoch"], claims["stream"]


def _sign(claims: dict[str, Any], audience: str, ttl_s: float, now: float | None) -> str:
    issued_at = time.time() if now is None else now
    claims = {**claims, "aud": audience, "iat": int(issued_at), "exp": int(issued_at + ttl_s)}
    return jwt.encode(claims, _key(audience), algorithm=_ALGORITHM)


def _read(text: str, audience: str) -> dict[str, Any] | None:
    if not text or len(text) > _MAX_CHARS or text.count(".") != 2:
        return None
    try:
        claims: dict[str, Any] = jwt.decode(
            text,
            _key(audience),
            algorithms=[_ALGORITHM],
            audience=audience,
            options={"require": ["exp", "iat", "sub", "aud"]},
        )
    except (jwt.InvalidTokenError, ValueError):
        return None
    return claims if str(claims["sub"]).isdecimal() and isinstance(claims.get("epoch"), int) else None


def _user_id(claims: dict[str, Any]) -> int:
    return int(claims["sub"])


def _key(audience: str) -> bytes:
    secret = current_app.secret_key
    assert isinstance(secret, str)
    return hmac.digest(secret.encode(), audience.encode(), hashlib.sha256)
