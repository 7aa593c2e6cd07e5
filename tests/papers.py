"""Documents for bases, made by hand: Word files, good and hostile, and PDFs with an outline."""

import io
import zipfile
from collections.abc import Mapping, Sequence

from tests import uploads

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STYLES = (
    '<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Teil"><w:name w:val="Teil"/><w:basedOn w:val="berschrift1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="U2"><w:name w:val="Own"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="a"><w:name w:val="a"/><w:basedOn w:val="b"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="b"><w:name w:val="b"/><w:basedOn w:val="a"/></w:style>'
)


def paragraph(text: str, *, style: str = "", before: str = "") -> str:
    """A paragraph of one run; `before` stands in its properties."""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{before}</w:pPr><w:r><w:t xml:space='preserve'>{text}</w:t></w:r></w:p>"


def docx(body: str, *, parts: Mapping[str, bytes | str] | None = None, declared: str = "") -> bytes:
    """A Word file with this body; `declared` stands before its root."""
    files: dict[str, bytes | str] = {
        "[Content_Types].xml": "<Types/>",
        "word/styles.xml": f'<w:styles xmlns:w="{WORD}">{STYLES}</w:styles>',
        "word/document.xml": f'{declared}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
        **(parts or {}),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()


def docx_bomb(mb: int = 600) -> bytes:
    """A Word file that unpacks to so many MiB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("[Content_Types].xml", "<Types/>")
        with made.open("word/document.xml", "w", force_zip64=True) as part:
            part.write(f'<w:document xmlns:w="{WORD}"><w:body>'.encode())
            piece = b" " * (1024 * 1024)
            for _ in range(mb):
                part.write(piece)
            part.write(b"</w:body></w:document>")
    return out.getvalue()


def pdf_with_outline(pages: Sequence[str], marks: Sequence[tuple[str, int]]) -> bytes:
    """A PDF whose outline has these titles, each of a page counted from 0, one after the other."""
    plain = uploads.pdf(list(pages))
    # Objects are added after those of the plain file, which number 3 + 2 * pages; readers rebuild the table of places.
    first = 4 + 2 * len(pages)
    numbers = range(first + 1, first + 1 + len(marks))
    added = [f"{first} 0 obj\n<< /Type /Outlines /First {numbers[0]} 0 R /Last {numbers[-1]} 0 R >>\nendobj\n"]
    for number, (title, page) in zip(numbers, marks, strict=True):
        following = f" /Next {number + 1} 0 R" if number != numbers[-1] else ""
        says = f"/Title ({title}) /Parent {first} 0 R /Dest [{4 + 2 * page} 0 R /Fit]{following}"
        added.append(f"{number} 0 obj\n<< {says} >>\nendobj\n")
    objects = plain[: plain.rindex(b"xref", 0, plain.rindex(b"startxref"))]
    marked = objects.replace(b"/Type /Catalog", b"/Type /Catalog /Outlines %d 0 R" % first)
    trailer = b"trailer\n<< /Root 1 0 R /Size %d >>\n%%%%EOF\n" % (first + len(marks) + 1)
    return marked + "".join(added).encode() + trailer
