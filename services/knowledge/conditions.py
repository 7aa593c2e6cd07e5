"""Whether a passage keeps to what a search asks for by `+word`, `-word` and `"phrase"`. Pure.

The full-text index keeps to it by itself; what was found by meaning is looked at here.
"""

from collections.abc import Sequence

from services.knowledge.query import Query
from services.knowledge.terms import parts, stem


def admits(query: Query, text: str) -> bool:
    """Whether a passage has all that it must have, and nothing that it must not; `text` holds its headings too."""
    if not (query.must or query.phrases or query.must_not):
        return True
    said = f" {' '.join(_stems(text))} "
    return all(_in(said, one) for one in (*query.must, *query.phrases)) and not any(
        _in(said, one) for one in query.must_not
    )


def _in(said: str, phrase: str) -> bool:
    return f" {' '.join(_stems(phrase))} " in said


def _stems(text: str) -> Sequence[str]:
    return [stem(part) for part in parts(text)]
