"""The built-in model for embeddings: a table of word pieces, whose mean is a text's vector. Needs no network.

WordLlama's weights and tokenizer, from its package's folder; the package itself is not imported, for it would bring
half a second of libraries that are not needed here.
"""

import functools
import importlib.util
import os
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from services.llm.vectors import WIDTH, Matrix

# Kept with every vector: another model's cannot be compared with these.
NAME: Final = "wordllama-l2-supercat-256"
_WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
_TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"
# Many texts at once make the tokenizer's own threads worth nothing here, and they do not survive a fork.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


class StaticModel:
    """The loaded model: 35 MB, within 0.2 s. Its methods never wait."""

    def __init__(self) -> None:
        folder = _folder()
        self._table: Matrix = load_file(folder / _WEIGHTS)["embedding.weight"].astype(np.float32)
        self._tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def embed(self, texts: list[str]) -> Matrix:
        """One row for each text; zeros for one without a word. About 0.5 ms for each 1,000 characters."""
        made = np.zeros((len(texts), WIDTH), np.float32)
        for row, encoded in zip(made, self._tokenizer.encode_batch_fast(texts, add_special_tokens=False), strict=True):
            if encoded.ids:
                self._table.take(encoded.ids, axis=0, mode="clip").mean(axis=0, out=row)
        return made

    def count(self, text: str) -> int:
        """How many word pieces a text has."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


@functools.cache
def loaded() -> StaticModel:
    """The process' own: nothing in it changes, so that one is enough."""
    return StaticModel()


def _folder() -> Path:
    found = importlib.util.find_spec("wordllama")
    assert found, "wordllama is among the requirements"
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0])
