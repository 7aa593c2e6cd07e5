import numpy as np
import pytest

from services.llm.vectors import BITS_BYTES, MAX_WIDTH, WIDTH, Matrix, cosines, vectors


def drawn(rows: int, width: int = WIDTH, seed: int = 1) -> Matrix:
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


def exact(matrix: Matrix) -> Matrix:
    unit: Matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit @ unit.T


def test_a_vector_is_its_signs_and_whole_numbers() -> None:
    row = np.zeros((1, WIDTH), np.float32)
    row[0, :4] = [2.0, -1.0, 0.5, -0.001]

    (vector,) = vectors(row)

    assert vector.bits == bytes([0b10100000]) + bytes(BITS_BYTES - 1)
    assert np.frombuffer(vector.int8, np.int8)[:5].tolist() == [127, -64, 32, 0, 0]


def test_cosines_of_whole_numbers_are_those_of_the_vectors() -> None:
    matrix = drawn(20)

    made = vectors(matrix)

    assert cosines(made[0].int8, [one.int8 for one in made]) == pytest.approx(exact(matrix)[0], abs=0.01)
    assert cosines(made[0].int8, []) == []


def test_nothing_is_like_a_vector_of_zeros() -> None:
    none, some = vectors(np.vstack([np.zeros((1, WIDTH), np.float32), drawn(1)]))

    assert none.bits == bytes(BITS_BYTES)
    assert cosines(none.int8, [none.int8, some.int8]) == [0.0, 0.0]


def test_wide_vectors_are_projected_alike_and_keep_what_is_near() -> None:
    topics = drawn(4, 1536, seed=2)
    matrix = np.repeat(topics, 5, axis=0) + 0.5 * drawn(20, 1536, seed=3)

    made = vectors(matrix)

    assert {len(one.int8) for one in made} == {WIDTH}
    for row in range(20):
        found = np.argsort(cosines(made[row].int8, [one.int8 for one in made]))[-5:]
        assert {int(one) // 5 for one in found} == {row // 5}
    assert vectors(matrix[:1]) == made[:1]


def test_narrow_vectors_are_filled_up() -> None:
    matrix = drawn(3, 64)

    made = vectors(matrix)

    assert cosines(made[0].int8, [one.int8 for one in made]) == pytest.approx(exact(matrix)[0], abs=0.01)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    matrix = drawn(2)
    matrix[1, 7] = value

    with pytest.raises(ValueError, match="not a number"):
        vectors(matrix)


def test_what_is_too_wide_is_refused() -> None:
    with pytest.raises(ValueError, match="too wide"):
        vectors(np.zeros((1, MAX_WIDTH + 1), np.float32))
