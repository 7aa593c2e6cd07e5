"""What a search finds: passages, and what there is to judge them by. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.knowledge.query import Query


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, to be shown, quoted and cited.

    Attributes:
        chunk_id: The first chunk that it is made of; neighbours may have been added.
        page: The page whose text `start` and `end` point into: `pages[page].text[start:end] == text`.
        heading: The headings over its beginning, `A > B`; may be empty.
        hit: Where what was found stands in the page, without neighbours; None: it is the whole passage.
        score: Fused rank score; larger is better, comparable within one search only.
        words_rank, vector_rank: Its place by words and by meaning, from 1; None where it was not found so.
        similarity: Cosine of question and passage, -1 to 1; 0 where there is no vector.
    """

    chunk_id: int
    document_id: str
    document_name: str
    base_id: str
    page: int
    heading: str
    start: int
    end: int
    text: str
    score: float = 0.0
    words_rank: int | None = None
    vector_rank: int | None = None
    similarity: float = 0.0
    hit: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, the best first.

    Attributes:
        passages: At most as many as were asked for; the nearest ones even where nothing is relevant.
        notes: What the person should know: a sign that was left out, words alone because vectors were unreachable.
        query: The question as it was understood.
        relevance: 0 to 1: how likely it is that the best passages answer it; `confidence.before` reads it.
        weights: What each stem of the question weighs, for telling which words a passage is about; they add up to 1.
    """

    passages: Sequence[Passage] = ()
    notes: Sequence[str] = ()
    query: Query = field(default_factory=lambda: Query(""))
    relevance: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
