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
    made = dict(pdfs.pictures_of(uploads.pdf(["A page."]), ["A page."]))["thumbnail"]

    assert made.mime == kinds.WEBP
    assert max(Image.open(BytesIO(made.data)).size) == 320


@pytest.mark.req("D1-27")
def test_pages_without_text_are_drawn_for_a_model_unless_nothing_is_on_them() -> None:
    content = uploads.scan(3, texts={2: "A page with words."}, blank=(4,))
    pages = pdfs.read(content).pages

    made = dict(pdfs.pictures_of(content, pages))

    assert [bool(text) for text in pages] == [False, True, False, False]
    assert list(made) == ["thumbnail", "page-1", "page-3"]
    page = Image.open(BytesIO(made["page-3"].data))
    assert (made["page-3"].mime, page.format, max(page.size)) == (kinds.JPEG, "JPEG", 1568)
    assert page.convert("L").getextrema()[0] < 64, "needs what is drawn on it"


@pytest.mark.slow
def test_of_a_long_scan_the_first_pages_are_drawn() -> None:
    content = uploads.scan(kinds.MAX_DRAWN_PAGES + 2)

    made = dict(pdfs.pictures_of(content, [""] * (kinds.MAX_DRAWN_PAGES + 2)))

    assert len(made) == 1 + kinds.MAX_DRAWN_PAGES
    assert f"page-{kinds.MAX_DRAWN_PAGES}" in made


def test_one_that_anybody_may_open_is_read() -> None:
    assert list(pdfs.read(uploads.locked_pdf("For all.", password="")).pages) == ["For all."]


@pytest.mark.parametrize("size", ["0 0", "1e30 1e30"])
def test_a_page_of_an_odd_size_has_its_text_all_the_same(size: str) -> None:
    content = uploads.pdf(["Words."], size=size)

    assert list(pdfs.read(content).pages) == ["Words."]
    assert dict(pdfs.pictures_of(content, [""])).keys() <= {"thumbnail", "page-1"}


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
