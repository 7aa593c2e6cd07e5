"""Vectors as they are kept: their signs for scanning, whole numbers for telling the nearest apart. No I/O.

All are `WIDTH` numbers wide, whichever model made them, so that a change of the model changes no table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 256
BITS_BYTES: Final = WIDTH // 8
_INT8_MOST: Final = 127
# Any number does, as long as it never changes: vectors of two matrices cannot be compared.
_SEED: Final = 0x5217
# The widest that any provider's model is; what comes is not trusted to ask for more memory.
MAX_WIDTH: Final = 16_384

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Vector:
    """One embedding.

    Attributes:
        bits: Its signs: `BITS_BYTES`, the first number in the highest bit. Compared by Hamming distance.
        int8: `WIDTH` signed bytes, stretched so that the largest is 127: `cosines` needs no length.
    """

    bits: bytes
    int8: bytes


def vectors(matrix: Matrix) -> list[Vector]:
    """The rows of a matrix as they are kept.

    Args:
        matrix: Of any width up to `MAX_WIDTH`: wider ones are projected, narrower ones filled up with zeros.

    Raises:
        ValueError: Too wide, or something in it is no number.
    """
    rows = _fitted(matrix)
    if not np.isfinite(rows).all():
        raise ValueError("not a number")
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    whole = np.rint(rows * (_INT8_MOST / np.where(largest > 0, largest, 1))).astype(np.int8)
    signs = np.packbits(rows > 0, axis=1)
    return [Vector(bits.tobytes(), row.tobytes()) for bits, row in zip(signs, whole, strict=True)]


def cosines(one: bytes, others: Sequence[bytes]) -> list[float]:
    """The cosine of one `Vector.int8` with each of the others, -1 to 1; 0 with a vector of zeros."""
    if not others:
        return []
    left = np.frombuffer(one, np.int8).astype(np.float32)
    right = np.frombuffer(b"".join(others), np.int8).reshape(len(others), WIDTH).astype(np.float32)
    lengths = np.linalg.norm(right, axis=1) * np.linalg.norm(left)
    found: list[float] = (right @ left / np.where(lengths > 0, lengths, 1)).tolist()
    return found


def _fitted(matrix: Matrix) -> Matrix:
    width = matrix.shape[1]
    if width == WIDTH:
        return matrix
    if width < WIDTH:
        return np.pad(matrix, ((0, 0), (0, WIDTH - width)))
    if width > MAX_WIDTH:
        raise ValueError("too wide")
    fitted: Matrix = matrix @ _projection(width)
    return fitted


@lru_cache(maxsize=2)
def _projection(width: int) -> Matrix:
    """An orthogonal projection from `width` numbers to `WIDTH` (very nearly, if that is no power of two).

    Rows of a Hadamard matrix with signs drawn by lot: whole numbers all the way, so the same on every machine, and a
    thousand times as fast as making a random matrix orthogonal.
    """
    chance = np.random.Generator(np.random.PCG64(_SEED))
    size = 1 << (width - 1).bit_length()
    signs = chance.choice(np.array([-1, 1], np.int8), width)
    picked = chance.choice(size, WIDTH, replace=False).astype(np.uint16)
    odd = np.bitwise_count(np.bitwise_and.outer(np.arange(width, dtype=np.uint16), picked)) & 1
    projection: Matrix = np.where(odd, -signs[:, None], signs[:, None]).astype(np.float32)
    projection /= np.float32(np.sqrt(size))
    return projection
