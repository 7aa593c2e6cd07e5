import pytest

from services.reading import kinds
from tests import uploads


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (uploads.image("PNG"), kinds.PNG),
        (uploads.image("JPEG"), kinds.JPEG),
        (uploads.image("GIF"), kinds.GIF),
        (uploads.image("WEBP"), kinds.WEBP),
        (uploads.pdf(), kinds.PDF),
        (b"\xef\xbb\xbf\r\n" + uploads.pdf(), kinds.PDF),
        (b"# Notes\r\n\tand more\x0c", kinds.TEXT),
        ("Grüße, 你好".encode(), kinds.TEXT),
        (b"see %PDF-1.7 for more", kinds.TEXT),
    ],
)
def test_the_first_bytes_say_what_a_file_is(content: bytes, mime: str) -> None:
    assert kinds.sniff(content[: kinds.HEAD_BYTES]) == mime


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MZ\x90\x00",
        b"\x7fELF\x02",
        b"PK\x03\x04",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"\x00\x00\x00 ftypheic",
        "UTF-16".encode("utf-16"),
        b"GIF88a\x01\x00",
        b"\x1b[31mred",
    ],
)
def test_everything_else_is_nothing(content: bytes) -> None:
    assert kinds.sniff(content) is None


def test_a_pdf_behind_other_bytes_is_no_pdf() -> None:
    assert kinds.sniff(b"GIF89a" + uploads.pdf()) == kinds.GIF
    assert kinds.sniff(b"<html>" + uploads.pdf()) is None
