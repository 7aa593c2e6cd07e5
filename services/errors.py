"""Every exception that this site raises on purpose.

AppError
├── InvalidInput          400  one or more fields are wrong
├── NotSignedIn           401
├── PointsExhausted       402
├── Forbidden             403  (CsrfFailed, CrossSiteRefused, ChildScreen)
├── NotFound              404  unknown, or somebody else's
├── Conflict              409  (StreamBusy, IdempotencyMismatch)
├── TooLarge              413
├── UnsupportedType       415
├── LimitReached          429  (NoSlotFree, RateLimited, QuotaExhausted)
├── SiteFull              503
├── Unavailable           503  Redis or the database is away, or the site is stopping
└── ModelError            an answer could not be made (never an HTTP status: an `error` event)
    ├── ModelUnreachable  before the first token: refused, 5xx, cut off (MODEL_UNREACHABLE), no token in time
    │                     (MODEL_TIMEOUT), 429 (MODEL_BUSY, MODEL_QUOTA), 401 and 403 (MODEL_AUTH), 404
    │                     (MODEL_NOT_FOUND), any other 4xx (MODEL_REJECTED)
    └── ModelBroken       after it: cut off or malformed (MODEL_BROKEN), stalled (MODEL_STALLED); withheld by
                          the provider at any time (CONTENT_FILTER)

Statuses are given here for reading only; `blueprints/errors.py` alone knows HTTP.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request."""

    field: str
    message: str


class AppError(Exception):
    """Something that went wrong in a known way.

    Attributes:
        code: Stable, upper case; clients switch on it.
        message: Safe to show to anybody.
        retryable: Whether the same request may succeed later.
        retry_after_s: Seconds to wait before that, or None.
        detail: A specification's own words for it, where `message` says more; else the same.
        extra: More members of the problem document.
    """

    code = "ERROR"
    retryable = False
    default_message = "Something went wrong."

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        retry_after_s: int | None = None,
        detail: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.message = message or self.default_message
        self.detail = detail or self.message
        self.code = code or type(self).code
        self.retry_after_s = retry_after_s
        self.extra: dict[str, Any] = dict(extra or {})
        super().__init__(self.message)


class InvalidInput(AppError):
    """One or more fields are wrong; `errors` names every one of them."""

    code = "INVALID_INPUT"
    default_message = "Some fields are missing or malformed."

    def __init__(self, errors: Sequence[FieldError], message: str | None = None) -> None:
        super().__init__(message)
        self.errors = tuple(errors)


class NotSignedIn(AppError):
    code = "NOT_SIGNED_IN"
    default_message = "Sign in, or send a valid token."


class PointsExhausted(AppError):
    """Too few points are left. `extra` carries `limit`, `current`, `needed`, `left` and `resets_at`."""

    code = "POINTS_EXHAUSTED"
    default_message = "Your points for this month are used up."


class Forbidden(AppError):
    code = "FORBIDDEN"
    default_message = "You may not do this."


class CsrfFailed(Forbidden):
    code = "CSRF"
    default_message = "The form has expired. Reload the page and try again."


class CrossSiteRefused(Forbidden):
    code = "CROSS_SITE"
    default_message = "Another site may not start an answer for you."


class ChildScreen(Forbidden):
    """The browser has been handed over to a child, and this is not for children."""

    code = "CHILD_SCREEN"
    default_message = "This is for grown-ups. Go back to your stories."


class NotFound(AppError):
    """Unknown, or somebody else's: a client cannot tell which."""

    code = "NOT_FOUND"
    default_message = "There is nothing here."


class Conflict(AppError):
    code = "CONFLICT"
    default_message = "This does not fit what is there now."


class StreamBusy(Conflict):
    code = "STREAM_BUSY"
    default_message = "An answer is still being written on this stream. Wait for its end, or stop it."


class IdempotencyMismatch(Conflict):
    code = "IDEMPOTENCY_MISMATCH"
    default_message = "This Idempotency-Key was used for another request."


class TooLarge(AppError):
    code = "TOO_LARGE"
    default_message = "The request is too large."


class UnsupportedType(AppError):
    code = "UNSUPPORTED_TYPE"
    default_message = "This type of content is not supported."


class LimitReached(AppError):
    """A limit of the caller's own. `extra` carries `limit` and `current`."""

    code = "LIMIT_REACHED"
    retryable = True


class RateLimited(LimitReached):
    code = "RATE_LIMITED"
    default_message = "Too many requests. Wait a moment and try again."


class NoSlotFree(LimitReached):
    """Every slot is held. `extra["running"]` lists the runs that hold them."""

    code = "NO_SLOT_FREE"


class QuotaExhausted(LimitReached):
    """A month's requests are used up. `extra` carries `current_usage`, `monthly_limit`, `remaining_quota` and
    `reset_date`, an ISO date, besides `limit` and `current`.
    """

    code = "QUOTA_EXHAUSTED"
    retryable = False
    default_message = "Your requests of this month are used up."


class SiteFull(AppError):
    code = "SITE_FULL"
    retryable = True
    default_message = "The site is answering as many questions as it can. Try again in a moment."


class Unavailable(AppError):
    code = "UNAVAILABLE"
    retryable = True
    default_message = "A part of the site is away for a moment. Nothing was started; try again."


class ModelError(AppError):
    code = "MODEL_ERROR"
    retryable = True
    default_message = "The model could not answer. Try again."


class ModelUnreachable(ModelError):
    code = "MODEL_UNREACHABLE"
    default_message = "The model cannot be reached right now. Try again in a moment."


class ModelBroken(ModelError):
    code = "MODEL_BROKEN"
    default_message = "The model's answer broke off. What came is kept; continue or try again."
