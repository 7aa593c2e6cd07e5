import pytest

from services.media import names
from services.reading import kinds


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("notes.pdf", "notes.pdf"),
        ("C:\\Users\\ada\\notes.pdf", "notes.pdf"),
        ("../../etc/passwd", "passwd"),
        ("  a \t b\n.pdf ", "a b.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\x00b\x1b[31m.pdf", "ab[31m.pdf"),
        ("Grüße 📚.pdf", "Grüße 📚.pdf"),
        ("e\u0301.pdf", "\u00e9.pdf"),
        ("", "file.pdf"),
        ("...", "file.pdf"),
        ("a/", "file.pdf"),
        ("\ud800.pdf", "pdf"),
        ('"><script>.pdf', '"><script>.pdf'),
    ],
)
def test_a_name_can_be_shown_anywhere(name: str, shown: str) -> None:
    assert names.shown(name, kinds.PDF) == shown


def test_a_long_name_keeps_its_ending() -> None:
    assert names.shown("x" * 500 + ".pdf", kinds.PDF) == "x" * 116 + ".pdf"
    assert names.shown("x" * 500, kinds.PDF) == "x" * 120
    assert names.shown("x." + "y" * 500, kinds.PDF) == "x." + "y" * 118


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("notes.md", kinds.MARKDOWN),
        ("NOTES.MARKDOWN ", kinds.MARKDOWN),
        ("notes.txt", kinds.TEXT),
        ("README", kinds.TEXT),
        ("data.csv", kinds.TEXT),
        ("photo.png", None),
        ("photo.JPG", None),
        ("homework.pdf", None),
        ("essay.docx", None),
        ("run.exe", None),
    ],
)
def test_a_text_under_another_types_name_is_none(name: str, mime: str | None) -> None:
    assert names.text_type(name) == mime
