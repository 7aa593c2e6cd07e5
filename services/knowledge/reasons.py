"""Why a document could not be made ready, in a sentence for its people. Pure."""

from collections.abc import Mapping
from typing import Final

from services.errors import ModelError
from services.reading import kinds

_WORDS: Final[Mapping[str, str]] = {
    kinds.BROKEN: "This file cannot be read: it is broken, incomplete, or not what its name says.",
    kinds.EMPTY: "This file is empty.",
    kinds.LOCKED: "This file is locked with a password. Save a copy without one and add that.",
    kinds.NO_TEXT: "No text was found in this file. Pages that are pictures (scans) need text recognition first.",
    kinds.NOT_TEXT: "This file is not a text in a known encoding. Save it as UTF-8 and add it again.",
    kinds.TOO_HEAVY: "Reading this file takes too much memory or time.",
    kinds.TOO_MANY_PAGES: f"This file has more than {kinds.MAX_DOCUMENT_PAGES:,} pages. Split it.",
    kinds.TOO_MUCH_TEXT: f"This file has more than {kinds.MAX_DOCUMENT_CHARS:,} characters of text. Split it.",
}
_EMBEDDING: Final = "The text was read, but the model for embeddings did not answer ({code}). Try again later."


# As when a driver refuses a sign that our own readers let pass.
NOT_KEPT: Final = (
    "What was read in this file cannot be stored. Save it anew, as plain text if need be, and add it again."
)


def of_reason(reason: str) -> str:
    """What the reader refused."""
    return _WORDS.get(reason, _WORDS[kinds.BROKEN])


def of_model(failure: ModelError) -> str:
    """The provider made no vectors."""
    return _EMBEDDING.format(code=failure.code)
