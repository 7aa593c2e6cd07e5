from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from services.reading import kinds, pictures
from services.reading.kinds import Picture, Refused
from tests import uploads


def opened(picture: Picture) -> Image.Image:
    return Image.open(BytesIO(picture.data))


def near(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return all(abs(have - want) < 12 for have, want in zip(pixel, colour, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "mime", "made"),
    [
        ("PNG", kinds.PNG, kinds.PNG),
        ("GIF", kinds.GIF, kinds.PNG),
        ("JPEG", kinds.JPEG, kinds.JPEG),
        ("WEBP", kinds.WEBP, kinds.JPEG),
    ],
)
def test_a_picture_gives_one_for_a_model_and_a_small_one(kind: str, mime: str, made: str) -> None:
    reading = pictures.read(uploads.image(kind, (3000, 1500)), mime)

    assert (reading.mime, list(reading.pages), reading.page_count) == (mime, [], None)
    assert reading.pictures["image"].mime == made
    assert opened(reading.pictures["image"]).size == (1568, 784)
    assert reading.pictures["thumbnail"].mime == kinds.WEBP
    assert opened(reading.pictures["thumbnail"]).size == (320, 160)


def test_a_small_picture_is_not_made_larger() -> None:
    reading = pictures.read(uploads.image("PNG", (40, 30)), kinds.PNG)

    assert opened(reading.pictures["image"]).size == (40, 30)


def test_a_photo_stands_upright_and_tells_nothing_of_place_camera_or_words() -> None:
    content = uploads.photo(orientation=6)
    assert b"A camera's maker" in content, "needs something to take away"
    assert b"a secret comment" in content

    made = pictures.read(content, kinds.JPEG).pictures

    for picture in made.values():
        shown = opened(picture)
        assert shown.size == (40, 80)
        assert near(shown.convert("RGB").getpixel((20, 10)), (255, 0, 0)), "what was left is above"
        assert near(shown.convert("RGB").getpixel((20, 70)), (0, 0, 255))
        assert not shown.getexif()
        assert b"camera" not in picture.data
        assert b"comment" not in picture.data
        assert "icc_profile" not in shown.info


def test_what_is_clear_becomes_white_and_not_black() -> None:
    made = pictures.read(uploads.image("PNG", colour=(0, 0, 0, 0)), kinds.PNG).pictures["image"]

    assert opened(made).getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGBA"])
def test_every_mode_of_a_png_is_shown_as_bright_as_it_is(mode: str) -> None:
    bright = {"1": 1, "L": 200, "LA": (200, 255), "P": 200, "I;16": 200 * 256, "RGBA": (200, 200, 200, 255)}
    picture = Image.new(mode, (9, 9), bright[mode])
    if mode == "P":
        picture.putpalette([value for value in range(256) for _ in range(3)])
    content = BytesIO()
    picture.save(content, "PNG")

    made = pictures.read(content.getvalue(), kinds.PNG).pictures["image"]

    shown = opened(made).convert("RGB").getpixel((4, 4))
    assert shown == ((255, 255, 255) if mode == "1" else (200, 200, 200))


@pytest.mark.slow
def test_a_noisy_drawing_becomes_a_photo() -> None:
    content = BytesIO()
    Image.effect_noise((700, 700), 90).convert("RGB").save(content, "PNG")

    made = pictures.read(content.getvalue(), kinds.PNG).pictures["image"]

    assert made.mime == kinds.JPEG


def test_of_a_moving_picture_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    content = BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])

    made = pictures.read(content.getvalue(), kinds.GIF).pictures["image"]

    assert near(opened(made).getpixel((5, 5)), (250, 0, 0))


@pytest.mark.req("D1-27")
@pytest.mark.parametrize(
    ("content", "mime", "reason"),
    [
        (uploads.pixel_bomb(), kinds.PNG, kinds.TOO_MANY_PIXELS),
        (uploads.pixel_bomb(9_000, 9_000), kinds.PNG, kinds.TOO_MANY_PIXELS),
        (uploads.text_bomb(), kinds.PNG, kinds.BROKEN),
        (uploads.image("PNG", (500, 500))[:-300], kinds.PNG, kinds.BROKEN),
        (uploads.photo()[:-100], kinds.JPEG, kinds.BROKEN),
        (b"\xff\xd8\xff\xe0 nothing more", kinds.JPEG, kinds.BROKEN),
        (uploads.image("GIF"), kinds.PNG, kinds.BROKEN),
    ],
)
def test_bombs_and_ruins_are_refused(content: bytes, mime: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        pictures.read(content, mime)

    assert refused.value.reason == reason
