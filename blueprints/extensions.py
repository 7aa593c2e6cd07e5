"""Unbound extensions, the wired services, and the limits that count requests.

Limits are counted in Redis, by moving windows. When Redis is away nothing is counted and nothing is
allowed: the caller gets 503.
"""

import functools
import hashlib
import ipaddress
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flask import Flask, current_app, g
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from limits import RateLimitItem, RateLimitItemPerMinute, parse_many
from limits.errors import StorageError

from services.errors import NotSignedIn, RateLimited

if TYPE_CHECKING:
    from services.wiring import Services

View = TypeVar("View", bound=Callable[..., Any])

login_manager = LoginManager()

_LIMITER: Final = "rill_limiter"
SIGN_IN_WINDOW_MINUTES: Final = 15
_FAILURES_PER_ACCOUNT: Final = RateLimitItemPerMinute(10, SIGN_IN_WINDOW_MINUTES, namespace="signin")
_FAILURES_PER_ADDRESS: Final = RateLimitItemPerMinute(30, SIGN_IN_WINDOW_MINUTES, namespace="signin")
# An IPv6 customer has at least this much to choose addresses from.
_IPV6_PREFIX: Final = 64


def services() -> "Services":
    """The wired services of the running application."""
    wired: Services = current_app.extensions["rill"]
    return wired


def limiter() -> Limiter:
    """The limiter of the running application. It limits nothing by itself: the functions below do."""
    bound: Limiter = current_app.extensions[_LIMITER]
    return bound


def bind(app: Flask) -> None:
    """Bind the extensions to `app`, whose services have been built."""
    login_manager.session_protection = None  # the session row and its epoch protect it
    login_manager.init_app(app, add_context_processor=False)
    # One for each application: flask-limiter keeps its storage in itself, not in the application.
    app.extensions[_LIMITER] = Limiter(
        get_remote_address,
        app=app,
        strategy="moving-window",
        storage_uri="redis://",
        # The pool of the cold paths: its address, its time-outs and its lack of retries are explicit.
        storage_options={
            "connection_pool": app.extensions["rill"].redis.connection_pool,
            "key_prefix": "rill:limits",
            "wrap_exceptions": True,
        },
    )


def creation_rate(assistant: str) -> Callable[[View], View]:
    """Limit how often one user may start runs of an assistant: `<ASSISTANT>_RATE_LIMIT`.

    The decorated view raises what `count_creation` raises.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def limited(*args: Any, **kwargs: Any) -> Any:
            count_creation(assistant)
            return view(*args, **kwargs)

        return limited  # type: ignore[return-value]

    return decorate


def count_creation(assistant: str) -> None:
    """Count a start by the current user; what is refused is not counted.

    Raises:
        RateLimited: The limit is reached.
        limits.errors.StorageError: Redis is away; answered with 503.
    """
    identity = g.get("identity")
    if identity is None:
        raise NotSignedIn
    rates = services().settings.rate_limits[assistant]
    _count(
        rates,
        _creation_keys(assistant, identity.user.id),
        "At most {amount} answers {period} can be started here. Try again in {wait}.",
    )


def _creation_keys(assistant: str, user_id: int) -> tuple[str, ...]:
    """What starts are counted under; the todo agent's specification names its own (D29)."""
    if assistant == "todos":
        return (f"stream_rate_limit:{user_id}",)
    return ("create", assistant, str(user_id))


def creation_allowance(assistant: str) -> dict[str, int] | None:
    """How many starts the current user has left: `remaining`, `limit`, `reset_s`; None when nobody knows."""
    limit = min(parse_many(services().settings.rate_limits[assistant]))
    keys = _creation_keys(assistant, g.identity.user.id)
    try:
        free_at, left = limiter().limiter.get_window_stats(limit, *keys)
    except StorageError:
        return None
    return {"remaining": max(left, 0), "limit": limit.amount, "reset_s": max(0, math.ceil(free_at - time.time()))}


def count_registration(address: str) -> None:
    """Count an attempt to register from an address: each costs a password's hash and may leave an account.

    Raises:
        RateLimited: `REGISTRATION_RATE_LIMIT` is reached.
        limits.errors.StorageError: Redis is away; answered with 503.
    """
    said = (
        "Too many new accounts from your network: {amount} {period} at most. "
        "Try again in {wait}, or ask the site's admin for one."
    )
    _count(services().settings.registration_rate_limit, ("register", _network(address)), said)


def count_feed(address: str) -> None:
    """Count a request for a calendar's feed from an address, before its secret is looked at.

    Raises:
        RateLimited: `TODOS_FEED_RATE_LIMIT` is reached.
        limits.errors.StorageError: Redis is away; answered with 503.
    """
    said = "Feeds may be asked for at most {amount} times {period} from your network. Try again in {wait}."
    _count(services().settings.todos_feed_rate_limit, ("feed", _network(address)), said)


def refuse_sign_in_if_limited(email: str, address: str) -> None:
    """Refuse a sign-in after too many failures.

    Args:
        email: The account that is tried, whether it exists or not.
        address: The client's IP address.

    Raises:
        RateLimited: 10 failures of the account, or 30 of the address, lie in the last 15 minutes.
        limits.errors.StorageError: Redis is away; answered with 503.
    """
    for limit, keys in _sign_in_limits(email, address):
        if not limiter().limiter.test(limit, *keys):
            raise _refusal(limit, keys, "Too many failed attempts to sign in. Try again in {wait}.")


def count_failed_sign_in(email: str, address: str) -> None:
    """Count a failure against the account and the address.

    Raises:
        limits.errors.StorageError: Redis is away; answered with 503.
    """
    for limit, keys in _sign_in_limits(email, address):
        limiter().limiter.hit(limit, *keys)


def _sign_in_limits(email: str, address: str) -> list[tuple[RateLimitItem, tuple[str, ...]]]:
    # Redis keeps no addresses of people.
    account = hashlib.sha256(email.strip().casefold().encode("utf-8", "replace")).hexdigest()[:32]
    return [
        (_FAILURES_PER_ACCOUNT, ("account", account)),
        (_FAILURES_PER_ADDRESS, ("address", _network(address))),
    ]


def _count(rates: str, keys: tuple[str, ...], message: str) -> None:
    """Count once against each of the rates."""
    for limit in sorted(parse_many(rates)):
        if not limiter().limiter.hit(limit, *keys):
            services().metrics.refused("rate")
            raise _refusal(limit, keys, message)


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False).network_address)


def _refusal(limit: RateLimitItem, keys: tuple[str, ...], message: str) -> RateLimited:
    """What is said at a limit: the message tells `{amount}`, `{period}` and the time to `{wait}`."""
    free_at, left = limiter().limiter.get_window_stats(limit, *keys)
    wait_s = max(1, math.ceil(free_at - time.time()))
    said = message.format(amount=limit.amount, period=_period(limit), wait=_wait(wait_s))
    return RateLimited(
        said, retry_after_s=wait_s, extra={"limit": limit.amount, "current": limit.amount - max(left, 0)}
    )


def _period(limit: RateLimitItem) -> str:
    """What a rate counts in: "a minute", "an hour", "in 15 minutes"."""
    unit = limit.GRANULARITY.name
    if limit.multiples > 1:
        return f"in {limit.multiples} {unit}s"
    return f"{'an' if unit == 'hour' else 'a'} {unit}"


def _wait(seconds: int) -> str:
    """A time in words, not shorter than it is."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds > 2 * length:
            return f"{math.ceil(seconds / length)} {unit}s"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
