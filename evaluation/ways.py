"""The ways of searching that are compared: ours, each half of it alone, and a plain BM25 library."""

from collections.abc import Callable, Sequence
from typing import Final

import bm25s
import numpy as np

from evaluation.corpus import Corpus
from evaluation.questions import Question
from services.knowledge.chunking import embedded
from services.knowledge.fusion import FEATURES, Candidate, Weighed, WordVectors
from services.knowledge.passages import Found, Passage
from services.knowledge.retrieve import Hit, Retriever, passages_of
from services.llm.embed import Embedder
from services.store import chunks, documents

DEPTH: Final = 10
Way = Callable[[Question], Found]


def ways(corpus: Corpus, embedder: Embedder) -> dict[str, Way]:
    """Each way by its name; all put passages together alike, so that only their orders differ."""
    return {
        "hybrid": _by(corpus, Retriever(corpus.database, embedder)),
        "BM25 alone": _by(corpus, Retriever(corpus.database, embedder, weigh=_by_words)),
        "vectors alone": _by(corpus, Retriever(corpus.database, embedder, weigh=_by_vector)),
        "bm25s": _library(corpus),
    }


def _by(corpus: Corpus, retriever: Retriever) -> Way:
    return lambda one: retriever.search(corpus.user_id, one.text, None, limit=DEPTH, context=one.context)


def _by_words(_text: str, looked_for: Sequence[str], found: Sequence[Candidate], _vectors: WordVectors) -> Weighed:
    return _ranked([one.words_rank for one in found], len(looked_for))


def _by_vector(_text: str, looked_for: Sequence[str], found: Sequence[Candidate], _vectors: WordVectors) -> Weighed:
    return _ranked([one.vector_rank for one in found], len(looked_for))


def _ranked(ranks: Sequence[int | None], words: int) -> Weighed:
    scores = np.array([-np.inf if rank is None else -rank for rank in ranks], np.float32)
    nothing = np.zeros((len(ranks), words), np.float32)
    return Weighed(scores, np.zeros((len(ranks), len(FEATURES)), np.float32), nothing, nothing)


def _library(corpus: Corpus) -> Way:
    rows = _rows(corpus)
    index = bm25s.BM25()
    texts = [embedded(row.heading, row.text) for row in rows]
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)

    def search(one: Question) -> Found:
        asked = f"{one.context} {one.text}".strip()
        tokens = bm25s.tokenize([asked], stopwords="en", show_progress=False)
        places, scores = index.retrieve(tokens, k=3 * DEPTH, show_progress=False, n_threads=1)
        hits = [
            Hit(
                rows[place],
                Candidate(rows[place].id, rows[place].document_id, rows[place].position, "", ""),
                float(score),
            )
            for place, score in zip(places[0], scores[0], strict=True)
            if score > 0
        ]
        return Found(corpus.database.run(passages_of, corpus.user_id, hits, DEPTH))

    return search


def _rows(corpus: Corpus) -> list[chunks.Passage]:
    run, user_id = corpus.database.run, corpus.user_id
    rows: list[chunks.Passage] = []
    for document in run(documents.listing, user_id, corpus.base_id, limit=5_000):
        count = run(chunks.count, document.id)
        rows += run(chunks.at, user_id, [(document.id, place) for place in range(count)])
    return rows


def pairs(passages: Sequence[Passage]) -> list[tuple[str, str]]:
    """Passages as `questions` compares them: document and text."""
    return [(one.document_name, one.text) for one in passages]
