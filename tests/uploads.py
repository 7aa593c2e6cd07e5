"""Files as people send them, and as attackers do: made here, byte by byte, so that each is what it says."""

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from types import MappingProxyType
from typing import Any

from PIL import Image

_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
_FILE_ID = b"0123456789abcdef"
# Print, copy and all else: what an owner's password would hold back is not this site's to judge.
_ALLOWED = -44


def image(kind: str = "PNG", size: tuple[int, int] = (40, 30), colour: Any = (200, 30, 30), **options: Any) -> bytes:
    """A picture of one colour."""
    out = BytesIO()
    mode = {3: "RGB", 4: "RGBA"}[len(colour)]
    Image.new(mode, size, colour).save(out, kind, **options)
    return out.getvalue()


def photo(orientation: int = 6) -> bytes:
    """A JPEG that a phone took held upright: stored lying, left half red, with the place where it was taken."""
    picture = Image.new("RGB", (80, 40), (0, 0, 255))
    picture.paste((255, 0, 0), (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A camera's maker"
    exif.get_ifd(0x8825)[1] = "N"
    out = BytesIO()
    picture.save(out, "JPEG", exif=exif, quality=95, comment=b"a secret comment")
    return out.getvalue()


def pixel_bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few kilobytes that says, rightly, that it has billions of pixels."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = b"\0" * (width // 8 + 1)
    data = b"".join(packer.compress(row) for _ in range(min(height, 2000))) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG of one pixel with compressed texts of 800 MB beside it."""
    comment = b"Comment\0\0" + zlib.compress(b"\0" * 20_000_000, 9)
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    chunks = [_chunk(b"IHDR", head), *[_chunk(b"zTXt", comment)] * 40, _chunk(b"IDAT", zlib.compress(b"\0\0"))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + _chunk(b"IEND", b"")


def zip_bomb() -> bytes:
    """A small archive that unpacks to 50 MB."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 50_000_000)
    return out.getvalue()


def pdf(pages: Sequence[str | bytes] = ("A page.",), *, filters: str = "/FlateDecode", size: str = "595 842") -> bytes:
    """A PDF with a text on each page; a page given as bytes is the content of its stream, already packed."""
    objects: list[bytes] = []
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects.append(b"<< /Type /Catalog /Pages 2 0 R >>")
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for number, page in enumerate(pages):
        place = 4 + 2 * number
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Contents {place + 1} 0 R"
            f" /Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        data = zlib.compress(_drawn(page)) if isinstance(page, str) else page
        objects.append(f"<< /Length {len(data)} /Filter {filters} >>\nstream\n".encode() + data + b"\nendstream")
    return _file(objects)


def scan(pages: int = 1, *, texts: Mapping[int, str] = MappingProxyType({}), blank: Sequence[int] = ()) -> bytes:
    """A PDF as scanners make it: on each page a drawing and no text, but for the pages (from 1) that have one.

    `pages` counts those that are not blank; `blank` come behind or between them.
    """
    drawing = zlib.compress(b"0 0 0 rg 100 300 200 200 re f")
    count = pages + len(blank)
    return pdf([texts.get(n) or (zlib.compress(b" ") if n in blank else drawing) for n in range(1, count + 1)])


def stream_bomb(mb: int = 3000) -> bytes:
    """A PDF whose one page unpacks, twice over, to gigabytes of drawing."""
    packer = zlib.compressobj(9)
    head, piece = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH), b"q 1 0 0 1 0 0 cm Q\n" * 55_000
    # After a full flush the same bytes unpack to the same piece, as often as they come.
    again = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    once = head + again * mb + packer.flush()
    return pdf([zlib.compress(once, 9)], filters="[/FlateDecode /FlateDecode]")


def slow_page(strokes: int = 400_000) -> bytes:
    """A PDF whose page is drawn for a long time: huge curves with transparency, one over the other."""
    drawing = b"/P gs 0.5 w\n" + b"0 0 m 9000 9000 -9000 9000 0 1 c 4000 0 -4000 99 7 7 c S\n" * strokes
    return pdf([zlib.compress(drawing)])


def locked_pdf(text: str = "A secret page.", *, password: str = "opens", owner: str = "owns") -> bytes:
    """A PDF encrypted with RC4, 40 bits; with an empty password anybody may read it.

    Source: ISO 32000-1, 7.6.3, algorithms 1 to 4.
    """
    owned = _rc4(hashlib.md5(_padded(owner)).digest()[:5], _padded(password))
    base = _padded(password) + owned + struct.pack("<i", _ALLOWED) + _FILE_ID
    key = hashlib.md5(base).digest()[:5]
    checked = _rc4(key, _PADDING)
    content = _rc4(hashlib.md5(key + struct.pack("<I", 5)[:3] + b"\0\0").digest()[:10], _drawn(text))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
        b" /Resources << /Font << /F1 3 0 R >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream",
    ]
    encrypt = f"/Encrypt << /Filter /Standard /V 1 /R 2 /P {_ALLOWED} /O <{owned.hex()}> /U <{checked.hex()}> >>"
    return _file(objects, f"{encrypt} /ID [<{_FILE_ID.hex()}> <{_FILE_ID.hex()}>]".encode())


def endless_pages(count: int = 100_000) -> bytes:
    """A PDF of a few hundred bytes that names one page again and again, a thousand times a thousand."""
    many = " ".join(["4 0 R"] * (count // 100))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{many}] /Count {count} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
    ]
    return _file(objects)


def _drawn(text: str) -> bytes:
    """The content stream that writes a text, line by line."""
    lines = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in text.split("\n")]
    shown = " ".join(f"({line}) Tj T*" for line in lines)
    return f"BT /F1 11 Tf 13 TL 50 790 Td {shown} ET".encode("cp1252", "replace")


def _file(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    out = BytesIO()
    out.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n".encode() + body + b"\nendobj\n")
    table = out.tell()
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode())
    out.writelines(f"{place:010} 00000 n \n".encode() for place in places)
    out.write(f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R ".encode() + trailer)
    out.write(f" >>\nstartxref\n{table}\n%%EOF\n".encode())
    return out.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _padded(password: str) -> bytes:
    return (password.encode() + _PADDING)[:32]


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
