"""Whether a passage keeps to what a search asks for by `+word`, `-word` and `"phrase"`. Pure.

The full-text index keeps to it by itself; what was found by meaning is looked at here.
"""

from collections.abc import Sequence

from services.knowledge.query import Query
from services.knowledge.terms import stem, words


def admits(query: Query, text: str) -> bool:
    """Whether a passage, its headings and its document's name among its words, has all that it must and nothing else."""
    if not (query.must or query.phrases or query.must_not):
        return True
    said = f" {' '.join(_parts(text))} "
    return all(_in(said, one) for one in (*query.must, *query.phrases)) and not any(
        _in(said, one) for one in query.must_not
    )


def _in(said: str, phrase: str) -> bool:
    return f" {' '.join(_parts(phrase))} " in said


def _parts(text: str) -> Sequence[str]:
    return [stem(part) for word in words(text) for part in word.split("_") if part]
