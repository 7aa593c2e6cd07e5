"""Files as students have them: a PDF whose pages say something, a photo."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw


def pdf(pages: Sequence[str]) -> bytes:
    """A PDF with these pages, each a few lines of plain text."""
    bodies = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    bodies.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    bodies.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for at, text in enumerate(pages):
        shown = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        lines = " ".join(f"({line}) Tj T*" for line in shown.splitlines())
        content = f"BT /F1 14 Tf 18 TL 60 760 Td {lines} ET".encode("latin-1")
        bodies.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * at} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _document(bodies)


def _document(bodies: Sequence[bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start)
    return bytes(out)


def photo(words: str = "2x + 3 = 11") -> bytes:
    """A photo of a page of homework, as PNG."""
    picture = Image.new("RGB", (480, 320), (244, 240, 230))
    ImageDraw.Draw(picture).text((60, 140), words, fill=(30, 30, 60))
    kept = io.BytesIO()
    picture.save(kept, "PNG")
    return kept.getvalue()
