"""Why a file is not taken, in words for the person who sent it. Each is an error at a field."""

from collections.abc import Mapping
from typing import Final

from services.errors import AppError, FieldError, InvalidInput, TooLarge, UnsupportedType
from services.reading import kinds

TAKEN: Final = "PNG, JPEG, WebP and GIF pictures, PDF, and text in UTF-8"
FIELD: Final = "file"
_WORDS: Final[Mapping[str, str]] = {
    kinds.BROKEN: "cannot be read: it is broken or incomplete",
    kinds.EMPTY: "is empty",
    kinds.LOCKED: "is locked with a password; save a copy without one and add that",
    kinds.TOO_HEAVY: "takes too much memory or time to read",
    kinds.TOO_MANY_PAGES: f"has more than {kinds.MAX_PAGES:,} pages; split it",
    kinds.TOO_MANY_PIXELS: f"has more than {kinds.MAX_PIXELS // 1_000_000} megapixels; make it smaller",
    kinds.TOO_MUCH_TEXT: f"has more than {kinds.MAX_CHARS:,} characters of text; split it",
}


def of_reason(reason: str) -> AppError:
    """The error for what the reading child refused."""
    if reason == kinds.NOT_TEXT:
        return mistyped()
    return wrong(_WORDS.get(reason, _WORDS[kinds.BROKEN]))


def wrong(message: str, *, field: str = FIELD) -> InvalidInput:
    """A mistake at a field."""
    return InvalidInput([FieldError(field, message)])


def mistyped(message: str = "is of a type that is not taken") -> UnsupportedType:
    """Not one of the types, or not what its name says."""
    return UnsupportedType(f"The file {message}. Taken are {TAKEN}.", extra=_at_field(f"{message}: taken are {TAKEN}"))


def too_large(max_mb: int) -> TooLarge:
    """Larger than one file may be."""
    return TooLarge(
        f"The file is larger than {max_mb} MB.",
        extra={"limit": max_mb * 1024 * 1024, **_at_field(f"is larger than {max_mb} MB; choose a smaller one")},
    )


def _at_field(message: str) -> dict[str, list[dict[str, str]]]:
    return {"errors": [{"field": FIELD, "message": message}]}
