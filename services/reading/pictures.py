"""Pictures: decoded whole, turned upright, without anything that is no picture (place, camera, comments).

Source: Pillow's documentation, "Image.draft", "Decompression bombs".
"""

import io
import struct
import warnings
from typing import Final

from PIL import Image, UnidentifiedImageError

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
_ORIENTATION: Final = 0x0112
# Exif 2.32, 4.6.4: how to turn a picture so that it stands as it was taken.
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

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


def of_page(picture: Image.Image) -> Picture:
    """A page as a model takes it."""
    return Picture(JPEG, _encoded(picture, "JPEG", quality=80))


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
        turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(TOO_MANY_PIXELS) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, struct.error):
        raise Refused(BROKEN) from None
    small = _flat(picture)
    small.thumbnail((IMAGE_PIXELS, IMAGE_PIXELS), Image.Resampling.LANCZOS, reducing_gap=2.0)
    # Turned last: turning copies it.
    return small if turn is None else small.transpose(turn)


def _flat(picture: Image.Image) -> Image.Image:
    """Without transparency, for models see black where a person sees the page; in grey or in colours of 8 bits."""
    if picture.mode.startswith("I"):
        # Converted as it is, all but the darkest would be white.
        return picture.point(lambda light: light / 256).convert("L")
    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        paper = Image.new("RGB", layer.size, _PAPER)
        paper.paste(layer, mask=layer.getchannel("A"))
        return paper
    if picture.mode in {"1", "L"}:
        return picture.convert("L")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _for_model(picture: Image.Image, mime: str) -> Picture:
    if mime in {PNG, GIF}:
        sharp = _encoded(picture, "PNG")
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
