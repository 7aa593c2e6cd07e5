import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reading import kinds, texts
from services.reading.kinds import STRETCH_CHARS, Refused


def test_a_text_is_tidied_and_kept_whole() -> None:
    reading = texts.read("\ufeffOne\r\ntwo  \rthree\n\n\n\n\u00fcber".encode())

    assert (reading.mime, reading.page_count, reading.pictures) == (kinds.TEXT, None, {})
    assert list(reading.pages) == ["One\ntwo\nthree\n\n\u00fcber"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"half \xc3", kinds.NOT_TEXT),
        (b"latin \xfc", kinds.NOT_TEXT),
        (b"a" * 2000 + b"\x00", kinds.NOT_TEXT),
        (b"a" * 2000 + b"\x1b[31m", kinds.NOT_TEXT),
        (b" \n\n ", kinds.EMPTY),
        (b"\xed\xa0\x80 a lone surrogate", kinds.NOT_TEXT),
        (b"a" * (kinds.MAX_CHARS + 1), kinds.TOO_MUCH_TEXT),
    ],
)
def test_what_is_no_text_of_use_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        texts.read(content)

    assert refused.value.reason == reason


def test_stretches_are_cut_where_a_paragraph_ends() -> None:
    paragraphs = [f"{number} " + "word " * 150 for number in range(12)]

    found = texts.stretches("\n\n".join(paragraphs))

    assert len(found) > 1
    assert all(re.match(r"\d+ word", stretch) for stretch in found)
    assert sum(stretch.count("word") for stretch in found) == 12 * 150


@pytest.mark.slow
@given(st.text(alphabet="ab \n", min_size=0, max_size=4 * STRETCH_CHARS))
def test_stretches_lose_nothing_but_white_space(text: str) -> None:
    found = texts.stretches(text)

    assert all(0 < len(stretch) <= STRETCH_CHARS for stretch in found)
    assert re.sub(r"\s", "", "".join(found)) == re.sub(r"\s", "", text)


def test_a_text_without_a_place_to_cut_is_cut_all_the_same() -> None:
    assert [len(stretch) for stretch in texts.stretches("x" * (2 * STRETCH_CHARS + 1))] == [3000, 3000, 1]


def test_a_page_of_a_pdf_has_its_words_whole() -> None:
    assert texts.of_page("photo\ufffe\r\nsynthesis is e\ufb03cient\x00 ") == "photosynthesis is efficient"


@pytest.mark.parametrize("sign", [" ", "\t", "\u00a0"])
def test_a_long_run_of_blanks_takes_no_long_time(sign: str) -> None:
    began_s = time.process_time()

    assert texts.tidy(f"a{sign * 400_000}b") == f"a{sign * 400_000}b"

    # From each blank to the end of the run it would be minutes.
    assert time.process_time() - began_s < 5
