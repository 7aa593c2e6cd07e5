from io import BytesIO

import pytest
from PIL import Image

from services.reading import kinds, pdfs
from services.reading.kinds import Refused
from tests import uploads


def test_each_page_has_its_text() -> None:
    reading = pdfs.read(uploads.pdf(["Light (and water)\nbecome sugar.", "", "Seite drei: gr\u00fcn"]))

    assert (reading.mime, reading.page_count) == (kinds.PDF, 3)
    assert list(reading.pages) == ["Light (and water)\nbecome sugar.", "", "Seite drei: gr\u00fcn"]


def test_the_first_page_is_drawn_small() -> None:
    made = pdfs.pictures_of(uploads.pdf(["A page."]))["thumbnail"]

    assert made.mime == kinds.WEBP
    assert max(Image.open(BytesIO(made.data)).size) == 320


def test_one_that_anybody_may_open_is_read() -> None:
    assert list(pdfs.read(uploads.locked_pdf("For all.", password="")).pages) == ["For all."]


@pytest.mark.parametrize("size", ["0 0", "1e30 1e30"])
def test_a_page_of_an_odd_size_has_its_text_all_the_same(size: str) -> None:
    content = uploads.pdf(["Words."], size=size)

    assert list(pdfs.read(content).pages) == ["Words."]
    assert pdfs.pictures_of(content).keys() <= {"thumbnail"}


def test_what_lies_beside_the_page_is_not_read() -> None:
    assert list(pdfs.read(uploads.pdf(["Nobody sees this."], size="300 10")).pages) == [""]


@pytest.mark.req("D1-27")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (uploads.locked_pdf(), kinds.LOCKED),
        (uploads.pdf()[:200], kinds.BROKEN),
        (b"%PDF-1.7\n", kinds.BROKEN),
        (b"%PDF-1.7\n<script>alert(1)</script>", kinds.BROKEN),
        (uploads.pdf([]), kinds.BROKEN),
        (uploads.endless_pages(), kinds.TOO_MANY_PAGES),
        (uploads.pdf([""] * 1001), kinds.TOO_MANY_PAGES),
    ],
)
def test_what_cannot_be_read_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        pdfs.read(content)

    assert refused.value.reason == reason
