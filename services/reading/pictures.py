"""Pictures: decoded whole, turned upright, without anything that is no picture (place, camera, comments).

Source: Pillow's documentation, "Image.draft", "Decompression bombs".
"""

import io
import warnings
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from services.reading.kinds import (
    BROKEN,
    GIF,
    IMAGE_PIXELS,
    JPEG,
    MAX_PIXELS,
    PNG,
    THUMBNAIL_PIXELS,
    TOO_MANY_PIXELS,
    WEBP,
    Picture,
    Reading,
    Refused,
)

_FORMATS: Final = {PNG: "PNG", JPEG: "JPEG", GIF: "GIF", WEBP: "WEBP"}
# Drawings stay sharp as PNG; a photo in it would be several times as large as in JPEG.
_MAX_PNG_BYTES: Final = 1_000_000
_PAPER: Final = (255, 255, 255)

Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def read(content: bytes, mime: str) -> Reading:
    """The first frame of a picture.

    Raises:
        Refused: `BROKEN`, or `TOO_MANY_PIXELS`.
    """
    picture = _decoded(content, _FORMATS[mime])
    return Reading(mime, pictures={"image": _for_model(picture, mime), "thumbnail": thumbnail(picture)})


def thumbnail(picture: Image.Image) -> Picture:
    """A small picture of it, for pages."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    return Picture(WEBP, _encoded(small, "WEBP", quality=80))


def _decoded(content: bytes, kind: str) -> Image.Image:
    """The picture, upright, on white, at most as large as a model takes it."""
    try:
        with warnings.catch_warnings():
            # Pillow warns between its limit and twice its limit.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture: Image.Image = Image.open(io.BytesIO(content), formats=(kind,))
        if kind == "JPEG":
            # Decoded at a fraction of its size: a tenth of the memory.
            picture.draft("RGB", (IMAGE_PIXELS, IMAGE_PIXELS))
        picture.load()
        orientation = picture.getexif()
        return _upright(_small(_flat(picture)), orientation)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(TOO_MANY_PIXELS) from None
    # What Pillow's decoders raise at malformed files is not one family.
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError):
        raise Refused(BROKEN) from None


def _flat(picture: Image.Image) -> Image.Image:
    """Without transparency: models see black where a person sees the page."""
    if picture.mode.startswith(("I;16", "I", "F")):
        picture = picture.convert("L")
    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        paper = Image.new("RGB", layer.size, _PAPER)
        paper.paste(layer, mask=layer.getchannel("A"))
        return paper
    return picture if picture.mode in {"RGB", "L"} else picture.convert("RGB")


def _small(picture: Image.Image) -> Image.Image:
    picture.thumbnail((IMAGE_PIXELS, IMAGE_PIXELS), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def _upright(picture: Image.Image, exif: Image.Exif) -> Image.Image:
    # Turned after it was made small: turning copies it.
    picture.info.pop("exif", None)
    bare = picture.copy()
    bare.getexif()[0x0112] = exif.get(0x0112, 1)
    return ImageOps.exif_transpose(bare)


def _for_model(picture: Image.Image, mime: str) -> Picture:
    if mime in {PNG, GIF}:
        sharp = _encoded(picture, "PNG", optimize=True)
        if len(sharp) <= _MAX_PNG_BYTES:
            return Picture(PNG, sharp)
    return Picture(JPEG, _encoded(picture, "JPEG", quality=85))


def _encoded(picture: Image.Image, kind: str, **options: int) -> bytes:
    # A bare copy: encoders write what they find in `info`, such as a colour profile or a comment.
    bare = Image.new(picture.mode, picture.size)
    bare.paste(picture)
    out = io.BytesIO()
    bare.save(out, kind, **options)
    return out.getvalue()
