"""What a document that arrives is taken for."""

import io
import zipfile

import pytest

from services.errors import UnsupportedType
from services.knowledge import arrivals
from tests import uploads


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in names:
            made.writestr(name, "x")
    return out.getvalue()[: arrivals.HEAD_BYTES]


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (uploads.pdf(), "a.pdf", "pdf"),
        (uploads.pdf(), "a.txt", "pdf"),
        (archive("[Content_Types].xml", "word/document.xml"), "letter", "docx"),
        (archive("[Content_Types].xml", "_rels/.rels"), "letter.DOCX", "docx"),
        (b"<!-- saved --><!DOCTYPE html><p>Hello", "page", "html"),
        (b"\xef\xbb\xbf  <HTML><p>Hello", "page", "html"),
        (b"Hello", "page.htm", "html"),
        (b"# Hello", "notes.md", "markdown"),
        (b"a,b\n1,2", "table.CSV", "csv"),
        (b"a\tb", "table.tsv", "csv"),
        (b"Hello", "notes.txt", "text"),
        (b"Hello <html>", "notes", "text"),
        ("Grüße".encode(), "", "text"),
        ("a;b".encode("utf-16"), "table.csv", "csv"),
        ("Grüße".encode("cp1252"), "old.txt", "text"),
    ],
)
def test_content_decides_and_then_the_name(head: bytes, name: str, kind: str) -> None:
    arrival = arrivals.of(head, name)

    assert arrival.kind == kind
    assert arrival.mime
    assert arrival.name


@pytest.mark.parametrize(
    ("head", "name", "says"),
    [
        (b"MZ\x90\x00", "setup.exe", "type that is not taken"),
        (uploads.image(), "photo.png", "type that is not taken"),
        (archive("xl/workbook.xml"), "table.xlsx", "type that is not taken"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(40), "old.doc", "save it as .docx"),
        (b"Not found", "paper.pdf", "not what its name says"),
        ("Hello".encode("utf-16-le"), "notes.txt", "plain text"),
    ],
)
def test_what_is_not_taken_is_refused_with_a_reason_at_the_file(head: bytes, name: str, says: str) -> None:
    with pytest.raises(UnsupportedType) as refused:
        arrivals.of(head, name)

    assert says in refused.value.message
    assert refused.value.extra["errors"][0]["field"] == "file"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/pass\u202ewd.md", "passwd.md"),
        ("C:\\Users\\me\\a  b.md", "a b.md"),
        ("\u202e\u200f", "document.txt"),
        ("", "document.txt"),
        ("file.txt", "file.txt"),
        ("n" * 300 + ".md", "n" * 117 + ".md"),
    ],
)
def test_names_can_be_shown_anywhere(name: str, shown: str) -> None:
    assert arrivals.of(b"Hello", name).name == shown
