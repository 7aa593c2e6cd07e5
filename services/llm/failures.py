"""What is said when the model fails: one friendly text and one stable code for each cause. Pure."""

import math
from collections.abc import Mapping
from typing import Final

from services.errors import ModelBroken, ModelUnreachable

# code -> (text, whether the same question may succeed later)
_TEXTS: Final[Mapping[str, tuple[str, bool]]] = {
    "MODEL_UNREACHABLE": (ModelUnreachable.default_message, True),
    "MODEL_TIMEOUT": ("The model did not answer in time. Try again in a moment.", True),
    "MODEL_BUSY": ("The model is answering too many questions right now. Try again in a moment.", True),
    "MODEL_QUOTA": ("The site's allowance at the model's provider is used up. Tell whoever runs the site.", False),
    "MODEL_AUTH": ("The model's provider refused this site's key. Tell whoever runs the site.", False),
    "MODEL_NOT_FOUND": ("The model that this site is set up for does not exist. Tell whoever runs the site.", False),
    "MODEL_REJECTED": ("The model's provider refused the question as it was put.", False),
    "MODEL_BROKEN": (ModelBroken.default_message, True),
    "MODEL_STALLED": ("The model stopped in mid-answer. What came is kept; continue or try again.", True),
    "CONTENT_FILTER": ("The model's provider withheld the rest of this answer.", False),
}


def unreachable(code: str, *, retry_after_s: float | None = None) -> ModelUnreachable:
    """A failure before the first token."""
    text, retryable = _TEXTS[code]
    whole_s = None if retry_after_s is None else math.ceil(retry_after_s)
    failure = ModelUnreachable(text, code=code, retry_after_s=whole_s)
    failure.retryable = retryable
    return failure


def broken(code: str) -> ModelBroken:
    """A failure after the first token, or an answer that was withheld."""
    text, retryable = _TEXTS[code]
    failure = ModelBroken(text, code=code)
    failure.retryable = retryable
    return failure


def pause_asked_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a `Retry-After` asks for; None without one, or with one that is a date or nonsense.

    Dates are left to the caller's own pause: no provider of chat completions sends them.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            asked_s = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        if math.isfinite(asked_s) and asked_s >= 0:
            return asked_s
    return None


def refusal(status: int, provider_code: str | None, retry_after_s: float | None) -> ModelUnreachable:
    """What an HTTP status other than 200 means.

    Args:
        status: 400 to 599.
        provider_code: The `code` of the provider's error, if it gave one.
        retry_after_s: What the provider's `Retry-After` says.
    """
    if provider_code == "insufficient_quota":
        return unreachable("MODEL_QUOTA")
    if status == 429:
        return unreachable("MODEL_BUSY", retry_after_s=retry_after_s)
    if status in (401, 403):
        return unreachable("MODEL_AUTH")
    if status == 404:
        return unreachable("MODEL_NOT_FOUND")
    if status in (408, 409) or status >= 500:
        return unreachable("MODEL_UNREACHABLE", retry_after_s=retry_after_s)
    return unreachable("MODEL_REJECTED")
