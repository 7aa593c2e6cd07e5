"""What the readers make of documents, each in the form that all share; run here, in production in a child."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.reading import documents, kinds
from services.reading.kinds import DocumentKind, Refused
from tests import papers, uploads

ROOT = Path(__file__).resolve().parents[3]


def text_of(kind: DocumentKind, content: bytes) -> str:
    pages, _ = documents.read(kind, content)
    return "\n\f\n".join(text for _, text in pages)


def refusal(kind: DocumentKind, content: bytes) -> str:
    with pytest.raises(Refused) as refused:
        documents.read(kind, content)
    return refused.value.reason


# -- Word


def test_a_word_file_gives_headings_by_their_styles_in_any_language() -> None:
    body = (
        papers.paragraph("Handbook", style="berschrift1")
        + papers.paragraph("Part", style="Teil")
        + papers.paragraph("Section", style="U2")
        + papers.paragraph("Own level", before='<w:outlineLvl w:val="2"/>')
        + papers.paragraph("Words.", style="a")
    )

    assert text_of("docx", papers.docx(body)) == "# Handbook\n\n# Part\n\n## Section\n\n### Own level\n\nWords."


def test_a_word_file_gives_lists_tables_and_breaks_as_lines() -> None:
    listed = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="3"/></w:numPr>'
    cell = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    body = (
        papers.paragraph("First", before=listed)
        + papers.paragraph("Second", before=listed)
        + papers.paragraph("No item", before=listed.replace('"3"', '"0"'))
        + f"<w:tbl><w:tr>{cell.format('Name')}{cell.format('Age')}</w:tr>"
        + f"<w:tr>{cell.format('Ada')}{cell.format('36')}</w:tr></w:tbl>"
        + "<w:p><w:r><w:t>up</w:t><w:br/><w:t>down</w:t><w:tab/><w:t>aside</w:t></w:r></w:p>"
    )

    found = text_of("docx", papers.docx(body))

    assert found == "- First\n- Second\nNo item\n\nName | Age\nAda | 36\nup\ndown aside"


def test_what_a_word_file_hides_or_has_deleted_is_no_text() -> None:
    run = "<w:r>{}<w:t>{}</w:t></w:r>"
    body = (
        "<w:p>"
        + run.format("", "Seen ")
        + run.format("<w:rPr><w:vanish/></w:rPr>", "hidden ")
        + run.format('<w:rPr><w:vanish w:val="0"/></w:rPr>', "shown ")
        + f"<w:del>{run.format('', 'deleted ')}</w:del><w:moveFrom>{run.format('', 'moved ')}</w:moveFrom>"
        + "<w:r><w:instrText>PAGE</w:instrText></w:r>"
        + f"<w:ins>{run.format('', 'added')}</w:ins></w:p>"
    )

    assert text_of("docx", papers.docx(body)) == "Seen shown added"


def test_notes_follow_a_word_files_text() -> None:
    notes = f'<w:footnotes xmlns:w="{papers.WORD}"><w:footnote>{papers.paragraph("A note.")}</w:footnote></w:footnotes>'

    found = text_of("docx", papers.docx(papers.paragraph("Text."), parts={"word/footnotes.xml": notes}))

    assert found == "Text.\n\nA note."


def test_a_word_files_text_cannot_pretend_to_be_a_heading() -> None:
    assert text_of("docx", papers.docx(papers.paragraph("# SYSTEM"))) == " # SYSTEM"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 and no more", kinds.BROKEN),
        (papers.docx(papers.paragraph("Text."))[:-40], kinds.BROKEN),
        (papers.docx("<w:p><w:unclosed>"), kinds.BROKEN),
        (papers.docx(papers.paragraph("&e;"), declared='<!DOCTYPE d [<!ENTITY e "boo">]>'), kinds.BROKEN),
        (papers.docx(papers.paragraph("&e;"), declared='<!DOCTYPE d SYSTEM "file:///etc/passwd">'), kinds.BROKEN),
        (papers.docx("<w:p>" * 5000 + "</w:p>" * 5000), kinds.BROKEN),
        (papers.docx(""), kinds.NO_TEXT),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"), kinds.LOCKED),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), kinds.BROKEN),
    ],
)
def test_a_word_file_that_is_none_or_hostile_is_refused(content: bytes, reason: str) -> None:
    assert refusal("docx", content) == reason


@pytest.mark.slow
def test_a_word_file_that_unpacks_to_gigabytes_is_refused() -> None:
    assert refusal("docx", papers.docx_bomb(300)) == kinds.TOO_HEAVY


def test_an_encrypted_entry_of_a_word_file_is_locked() -> None:
    content = bytearray(papers.docx(papers.paragraph("Text.")))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + place] |= 1
            at = content.find(mark, at + 4)

    assert refusal("docx", bytes(content)) == kinds.LOCKED


# -- web pages

PAGE = """<!doctype html><html><head><title>Site</title><style>p{}</style></head><body>
<nav>Home | About</nav><main><h1>Tools <a class="headerlink" href="#t">\N{PILCROW SIGN}</a></h1>
<p>First <b>bold</b>\n  words.<br>Next line.</p><h2>List</h2><ul><li>one</li><li><p>two</p></li></ul>
<table><tr><th>Name</th><th>Age</th></tr><tr><td>Ada</td><td>36<table><tr><td>inner</td></tr></table></td></tr></table>
<pre>x = 1\n    y = 2\n# comment</pre>
<p style="color:red; display : none">hidden by style</p><p hidden>hidden</p><p aria-hidden="true">decor</p>
<script>alert(1)</script><noscript>no script</noscript><template>later</template><textarea>typed</textarea>
<p># not a heading</p><p>The rest of the article, which is long enough to be taken for what the page is about, goes on
and on for a while, so that nobody takes it for a side remark of some other part of the page.</p></main>
<footer>Imprint</footer></body></html>"""


def test_a_web_page_is_what_a_reader_sees_of_it() -> None:
    found = text_of("html", PAGE.encode())

    assert found.startswith(
        "# Tools\n\nFirst bold words.\nNext line.\n\n## List\n\n- one\n\n- two\n\nName | Age\nAda | 36 inner\n\n"
        "```\nx = 1\n    y = 2\n # comment\n```\n\n # not a heading\n\nThe rest"
    )
    for unseen in ("hidden", "decor", "alert", "no script", "later", "typed", "Home", "Imprint", "\N{PILCROW SIGN}"):
        assert unseen not in found


def test_a_page_without_a_heading_has_its_title() -> None:
    assert text_of("html", b"<title>On cats &amp; dogs</title><p>Both sleep.") == "# On cats & dogs\n\nBoth sleep."


def test_what_leads_around_a_site_of_documentation_is_no_text() -> None:
    page = """<h1>Slots</h1><div class="navheader"><table><tr><td>Prev</td><td>Next</td></tr></table></div>
<div class="toc"><ul><li>Leases</li></ul></div><p>A slot is a lease.</p><div class="navfooter">Home</div>"""

    assert text_of("html", page.encode()) == "# Slots\n\nA slot is a lease."


@pytest.mark.parametrize(
    "content",
    [
        "<meta charset=iso-8859-1><p>Gr\u00fc\u00dfe".encode("latin-1"),
        "<p>Gr\u00fc\u00dfe".encode("cp1252"),
        "<p>Gr\u00fc\u00dfe".encode("utf-16"),
        "\ufeff<p>Gr\u00fc\u00dfe".encode(),
        "<meta charset=nonsense><p>Gr\u00fc\u00dfe".encode("latin-1"),
    ],
)
def test_a_page_is_read_in_the_encoding_that_it_has(content: bytes) -> None:
    assert text_of("html", content) == "Gr\u00fc\u00dfe"


@pytest.mark.parametrize(
    "hostile",
    [
        b"<p>kept</p><script>" + b"<!--" * 1000,
        b"<table>" * 200 + b"<tr><td>kept",
        b"<svg><title>javascript</title></svg><p>kept",
        b"<p onclick=alert(1) style=\"background:url('javascript:x')\">kept</p>",
        b"kept" + b"<b><i>" * 500,
        b"<ul>" * 300 + b"<li>kept",
        b"<pre><pre><h1>kept",
    ],
)
def test_hostile_markup_is_but_text(hostile: bytes) -> None:
    found = text_of("html", hostile)

    assert "kept" in found
    assert "<" not in found
    assert "javascript" not in found


def test_a_page_without_words_is_refused() -> None:
    assert refusal("html", b"<script>alert(1)</script><nav>Home</nav>") == kinds.NO_TEXT


# -- tables


def test_each_row_of_a_table_says_its_columns() -> None:
    found = text_of("csv", b'Name;City;Note\nAda;London;"says ""hi"";\nand goes"\n;Paris;\n')

    assert found == 'Name | City | Note\nName: Ada; City: London; Note: says "hi"; and goes\nCity: Paris'


def test_a_table_without_names_is_its_cells() -> None:
    assert text_of("csv", b"1\t2\n3\t4\t5\n") == "1 | 2\n3 | 4 | 5"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b" \n ", kinds.EMPTY), (b"a,b\x00\n" * 9, kinds.NOT_TEXT), (b",,\n,,\n", kinds.EMPTY)],
)
def test_a_table_of_no_use_is_refused(content: bytes, reason: str) -> None:
    assert refusal("csv", content) == reason


def test_a_cell_that_never_ends_is_refused() -> None:
    assert refusal("csv", b'a,"' + b"x" * 1_100_000) == kinds.BROKEN


# -- texts


def test_a_long_text_is_cut_before_headings_and_nothing_is_lost() -> None:
    text = "\n\n".join(f"# Part {number}\n\n" + "Some words. " * 200 for number in range(12))

    pages, count = documents.read("markdown", text.encode())

    assert count is None
    assert [number for number, _ in pages] == list(range(1, len(pages) + 1))
    assert len(pages) > 1
    assert all(page.startswith("# Part") for _, page in pages)
    assert " ".join("".join(page for _, page in pages).split()).count("Some words.") == 12 * 200


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Gr\u00fc\u00dfe".encode(), "Gr\u00fc\u00dfe"),
        ("\ufeffGr\u00fc\u00dfe".encode(), "Gr\u00fc\u00dfe"),
        ("Gr\u00fc\u00dfe".encode("utf-16"), "Gr\u00fc\u00dfe"),
        ("\u201eGr\u00fc\u00dfe\u201c".encode("cp1252"), "\u201eGr\u00fc\u00dfe\u201c"),
    ],
)
def test_texts_of_other_encodings_are_read(content: bytes, text: str) -> None:
    assert text_of("text", content) == text


@pytest.mark.parametrize("content", [b"PK\x03\x04\x00\x00", bytes(range(256)) * 9, b"\x81\x8d\x8f\x90" * 99])
def test_what_is_no_text_is_refused(content: bytes) -> None:
    assert refusal("text", content) == kinds.NOT_TEXT


# -- PDFs


def test_a_pdfs_outline_marks_its_headings() -> None:
    content = papers.pdf_with_outline(["1. Start\nWords.", "More words."], [("Start", 0), ("Elsewhere", 1)])

    pages, count = documents.read("pdf", content)

    assert count == 2
    assert pages == [(1, "# 1. Start\nWords."), (2, "# Elsewhere\nMore words.")]


def test_what_stands_on_every_page_is_left_out() -> None:
    content = uploads.pdf([f"The Great Book\nChapter text {number} here.\nPage {number}" for number in "abcdef"])

    pages, _ = documents.read("pdf", content)

    assert [text for _, text in pages][:2] == ["Chapter text a here.\nPage a", "Chapter text b here.\nPage b"]


def test_page_numbers_are_left_out() -> None:
    content = uploads.pdf([f"Chapter text {letter} here.\n{number} of 6" for number, letter in enumerate("abcdef")])

    pages, _ = documents.read("pdf", content)

    assert [text for _, text in pages][:2] == ["Chapter text a here.", "Chapter text b here."]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (uploads.locked_pdf(), kinds.LOCKED),
        (b"%PDF-1.7 and no more", kinds.BROKEN),
        (uploads.pdf(["", ""]), kinds.NO_TEXT),
    ],
)
def test_a_pdf_that_cannot_be_read_is_refused(content: bytes, reason: str) -> None:
    assert refusal("pdf", content) == reason


def test_a_pdf_keeps_its_pages_numbers_where_one_is_empty() -> None:
    pages, count = documents.read("pdf", uploads.pdf(["One.", "", "Three."]))

    assert (pages, count) == ([(1, "One."), (3, "Three.")], 3)


# -- the child itself


@pytest.mark.slow
def test_the_child_tells_of_pages_and_then_of_the_end() -> None:
    command = [sys.executable, "-m", "services.reading.documents", "markdown"]

    told = subprocess.run(command, input=b"# A\n\nWords.", capture_output=True, cwd=ROOT, check=True).stdout

    assert told.count(b'{"page": 1, "text": "# A\\n\\nWords."}') == 1
    assert told.endswith(b'{"pages": null}')


@pytest.mark.slow
def test_the_child_reads_what_it_knows_only() -> None:
    command = [sys.executable, "-m", "services.reading.documents", "exe"]

    ended = subprocess.run(command, input=b"MZ", capture_output=True, cwd=ROOT, check=False)

    assert ended.returncode == 1
    assert ended.stdout == b""


@pytest.mark.slow
def test_a_page_nested_without_end_is_ended_by_its_time_limit() -> None:
    hurried = "from services.reading import documents as d; d.CPU_S = {'html': 2}; d.main('html')"
    began_s = time.monotonic()

    ended = subprocess.run(
        [sys.executable, "-c", hurried], input=b"<div>" * 400_000 + b"x", capture_output=True, cwd=ROOT, check=False
    )

    assert ended.returncode != 0
    assert ended.stdout == b""
    assert time.monotonic() - began_s < 50
