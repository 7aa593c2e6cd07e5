"""The shelf as study and the edge use it: real files, real children, both databases."""

import sys
from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO

import gevent
import pytest
from gevent.event import Event
from PIL import Image

from services import errors
from services.media import Shelf
from services.media.fetching import Fetcher
from services.media.reader import Reader
from services.reading import kinds
from services.reading.kinds import Reading
from services.settings import Settings
from services.store import media as store
from services.store import users
from services.store.database import Database
from tests import uploads
from tests.clocks import PATIENCE_S
from tests.factories import make_media

NOTES = "# Light\n\nPlants make sugar of light."


@pytest.fixture
def make_shelf(make_settings: Callable[..., Settings], database: Database) -> Callable[..., Shelf]:
    """Shelves with settings of the test's own."""

    def make(reader: Reader | None = None, fetcher: Fetcher | None = None, **environ: str) -> Shelf:
        return Shelf(make_settings(**environ), database, reader=reader, fetcher=fetcher)

    return make


@pytest.fixture
def shelf(make_shelf: Callable[..., Shelf]) -> Shelf:
    return make_shelf()


@pytest.fixture
def deaf(make_shelf: Callable[..., Shelf]) -> Shelf:
    """A shelf whose reader can read nothing."""
    return make_shelf(reader=Reader(command=(sys.executable, "-c", "raise SystemExit(1)")))


def everything(shelf: Shelf, user: users.User) -> tuple[list[str], int]:
    files, used = shelf.listing(user.id)
    return [media.name for media in files], used.bytes


@pytest.mark.slow
@pytest.mark.req("U4", "D1-27")
def test_a_pdf_is_kept_with_the_text_of_its_pages(shelf: Shelf, user: users.User) -> None:
    content = uploads.pdf(["One.", "Two."])

    media = shelf.add(user.id, "C:\\homework.pdf", BytesIO(content))

    assert (media.name, media.kind, media.mime, media.pages) == ("homework.pdf", "pdf", kinds.PDF, 2)
    assert (media.bytes, media.chars, media.has_thumbnail) == (len(content), 8, True)
    assert shelf.get(user.id, media.id) == media
    assert [(page.number, page.text) for page in shelf.pages(user.id, media.id)] == [(1, "One."), (2, "Two.")]
    assert b"".join(shelf.content(user.id, media.id)[1]) == content
    mime, thumbnail = shelf.thumbnail(user.id, media.id)
    assert (mime, Image.open(BytesIO(thumbnail)).format) == (kinds.WEBP, "WEBP")
    with pytest.raises(errors.NotFound):
        shelf.image(user.id, media.id)


@pytest.mark.slow
@pytest.mark.req("U4", "D1-27")
def test_a_photo_is_kept_as_it_is_and_shown_without_its_secrets(shelf: Shelf, user: users.User) -> None:
    content = uploads.photo()

    media = shelf.add(user.id, "photo.jpg", BytesIO(content))

    assert (media.kind, media.mime, media.pages, media.chars) == ("image", kinds.JPEG, None, 0)
    assert shelf.pages(user.id, media.id) == []
    assert b"".join(shelf.content(user.id, media.id)[1]) == content
    mime, data = shelf.image(user.id, media.id)
    assert mime == kinds.JPEG
    assert Image.open(BytesIO(data)).size == (40, 80)
    assert b"camera" not in data


@pytest.mark.slow
def test_a_text_is_kept_in_stretches(shelf: Shelf, user: users.User) -> None:
    media = shelf.add(user.id, "notes.md", BytesIO(f"{NOTES}\n\n{'word ' * 1000}".encode()))

    assert (media.kind, media.mime, media.pages, media.has_thumbnail) == ("text", kinds.MARKDOWN, None, False)
    first, second = shelf.pages(user.id, media.id)
    assert first.text.startswith(NOTES)
    assert (second.number, shelf.page(user.id, media.id, 2)[1]) == (2, second)
    with pytest.raises(errors.NotFound):
        shelf.thumbnail(user.id, media.id)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "mime"),
    [
        ("photo.png", uploads.photo(), kinds.JPEG),
        ("notes.txt", uploads.pdf(), kinds.PDF),
        ("page.html", b"<script>alert(1)</script>", kinds.TEXT),
        ("both.png", uploads.image() + uploads.zip_bomb()[:500], kinds.PNG),
        ("both.gif", uploads.image("GIF") + b"<script>alert(1)</script>", kinds.GIF),
    ],
)
def test_content_decides_what_a_file_is(shelf: Shelf, user: users.User, name: str, content: bytes, mime: str) -> None:
    assert shelf.add(user.id, name, BytesIO(content)).mime == mime


@pytest.mark.req("D1-27")
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b" \n ", "is empty"),
        ("a.png", uploads.image("PNG", (400, 400))[:-200], "broken"),
        ("a.jpg", uploads.photo()[:-90], "broken"),
        ("a.pdf", uploads.pdf()[:300], "broken"),
        ("a.pdf", uploads.locked_pdf(), "password"),
        ("a.pdf", uploads.endless_pages(), "1,000 pages"),
        ("a.png", uploads.pixel_bomb(), "64 megapixels"),
        ("a.txt", b"x" * (kinds.MAX_CHARS + 1), "4,000,000 characters"),
    ],
)
def test_what_cannot_be_read_is_an_error_at_the_field(
    shelf: Shelf, user: users.User, name: str, content: bytes, says: str
) -> None:
    with pytest.raises(errors.InvalidInput) as refused:
        shelf.add(user.id, name, BytesIO(content))

    (wrong,) = refused.value.errors
    assert (wrong.field, says in wrong.message) == ("file", True), wrong
    assert everything(shelf, user) == ([], 0)


@pytest.mark.req("D1-27")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", uploads.zip_bomb()),
        ("a.docx", uploads.zip_bomb()),
        ("a.exe", b"MZ\x90\x00"),
        ("photo.png", b"this is no picture"),
        ("homework.pdf", b"<html>404 Not Found</html>"),
        ("notes.txt", b"a" * 5000 + b"\x00"),
        ("notes.txt", "Grüße".encode("latin-1")),
        ("notes.txt", "Grüße".encode("utf-16")),
        ("a.heic", b"\x00\x00\x00\x18ftypheic"),
        ("a.svg", b"\x1f\x8b\x08"),
    ],
)
def test_other_types_are_refused(shelf: Shelf, user: users.User, name: str, content: bytes) -> None:
    with pytest.raises(errors.UnsupportedType) as refused:
        shelf.add(user.id, name, BytesIO(content))

    assert refused.value.extra["errors"][0]["field"] == "file"
    assert everything(shelf, user) == ([], 0)


@pytest.mark.slow
@pytest.mark.req("D1-27")
def test_a_file_may_be_just_as_large_as_the_setting(make_shelf: Callable[..., Shelf], user: users.User) -> None:
    shelf = make_shelf(MAX_UPLOAD_MB="1")
    most = b"x" * (1024 * 1024)

    with pytest.raises(errors.TooLarge) as refused:
        shelf.add(user.id, "a.txt", BytesIO(most + b"x"))
    media = shelf.add(user.id, "a.txt", BytesIO(most))

    assert refused.value.code == "TOO_LARGE"
    assert refused.value.extra["errors"][0]["field"] == "file"
    assert media.bytes == len(most)


def test_an_endless_stream_is_not_read_to_its_end(make_shelf: Callable[..., Shelf], user: users.User) -> None:
    class Endless:
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += size
            return b"x" * size

    stream = Endless()
    with pytest.raises(errors.TooLarge):
        make_shelf(MAX_UPLOAD_MB="2").add(user.id, "a.txt", stream)

    assert stream.given <= 4 * 1024 * 1024


@pytest.mark.slow
def test_a_large_file_leaves_turns_to_others(shelf: Shelf, user: users.User) -> None:
    turns = 0

    def take_turn() -> None:
        nonlocal turns
        turns += 1

    often = gevent.get_hub().loop.timer(0, 0.0001)
    often.start(take_turn)
    with pytest.raises(errors.InvalidInput):
        # Refused after it was taken in; reading it is the child's work.
        shelf.add(user.id, "a.pdf", BytesIO(b"%PDF-1.7\n" + b"x" * (20 * 1024 * 1024)))
    often.close()

    assert turns >= 40, "one for every two pieces"


def test_a_full_shelf_is_said_before_anything_is_read(make_shelf: Callable[..., Shelf], user: users.User) -> None:
    shelf = make_shelf(MEDIA_TOTAL_MB="1", reader=Reader(command=(sys.executable, "-c", "raise SystemExit(1)")))

    with pytest.raises(errors.TooLarge) as refused:
        shelf.add(user.id, "a.txt", BytesIO(b"x" * (1024 * 1024 + 1)))

    assert refused.value.code == "MEDIA_FULL"


def test_what_is_made_of_a_file_counts_for_the_total(make_shelf: Callable[..., Shelf], user: users.User) -> None:
    shelf = make_shelf(MEDIA_TOTAL_MB="1")

    with pytest.raises(errors.TooLarge) as refused:
        shelf.add(user.id, "a.txt", BytesIO(b"word " * 150_000))

    assert refused.value.code == "MEDIA_FULL"
    assert everything(shelf, user) == ([], 0)


@pytest.mark.slow
def test_a_file_that_is_there_is_not_read_again(
    shelf: Shelf, deaf: Shelf, user: users.User, stranger: users.User
) -> None:
    media = shelf.add(user.id, "notes.md", BytesIO(NOTES.encode()))

    assert deaf.add(user.id, "notes.md", BytesIO(NOTES.encode())) == media
    with pytest.raises(errors.InvalidInput):
        deaf.add(stranger.id, "notes.md", BytesIO(NOTES.encode()))


@pytest.mark.slow
def test_somebody_elses_file_is_unknown(shelf: Shelf, user: users.User, stranger: users.User) -> None:
    media = shelf.add(user.id, "notes.md", BytesIO(NOTES.encode()))

    for ask in (shelf.get, shelf.pages, shelf.image, shelf.thumbnail, shelf.content, shelf.delete):
        with pytest.raises(errors.NotFound):
            ask(stranger.id, media.id)
    with pytest.raises(errors.NotFound):
        shelf.page(stranger.id, media.id, 1)
    assert shelf.listing(stranger.id)[0] == []
    assert shelf.get(user.id, media.id) == media


def test_a_file_deleted_while_it_is_read_breaks_off(shelf: Shelf, database: Database, user: users.User) -> None:
    media = database.run(make_media, user.id, content=b"x" * (3 * store.PIECE_BYTES), pages=[], made={})
    _, pieces = shelf.content(user.id, media.id)
    next(pieces)

    shelf.delete(user.id, media.id)

    with pytest.raises(errors.NotFound):
        next(pieces)


class Hanging(Reader):
    """A reader whose child does not end; tells when it has been asked."""

    def __init__(self) -> None:
        super().__init__(command=(sys.executable, "-c", "import signal; signal.pause()"))
        self.asked = Event()

    def read(self, user_id: int, content: BinaryIO) -> Reading:
        gevent.spawn(self.asked.set)
        return super().read(user_id, content)


@pytest.mark.slow
def test_an_upload_that_is_given_up_leaves_nothing(make_shelf: Callable[..., Shelf], user: users.User) -> None:
    reader = Hanging()
    shelf = make_shelf(reader=reader)
    adding = gevent.spawn(shelf.add, user.id, "notes.md", BytesIO(NOTES.encode()))
    assert reader.asked.wait(PATIENCE_S)

    adding.kill(timeout=10)

    assert adding.dead
    assert everything(shelf, user) == ([], 0)
    assert not reader._turns


def test_a_stream_that_breaks_off_leaves_nothing(shelf: Shelf, user: users.User) -> None:
    class Broken:
        def read(self, _size: int = -1, /) -> bytes:
            raise OSError("the client left")

    with pytest.raises(OSError, match="the client left"):
        shelf.add(user.id, "notes.md", Broken())

    assert everything(shelf, user) == ([], 0)


class Giving(Fetcher):
    """Gives what it is told to, as if it had been fetched."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(("example.org",))
        self._given = name, content

    def get(self, url: str, into: Any, *, max_bytes: int) -> str:
        name, content = self._given
        into.write(content)
        return name


@pytest.mark.slow
@pytest.mark.req("U4")
def test_a_fetched_file_is_kept_like_any_other(make_shelf: Callable[..., Shelf], user: users.User) -> None:
    shelf = make_shelf(fetcher=Giving("notes.md", NOTES.encode()))

    media = shelf.fetch(user.id, "https://example.org/notes.md")

    assert (media.name, media.kind) == ("notes.md", "text")
    assert shelf.fetch(user.id, "https://example.org/notes.md") == media
    assert everything(shelf, user)[0] == ["notes.md"]


def test_a_fetched_file_without_a_name_gets_one(make_shelf: Callable[..., Shelf], user: users.User) -> None:
    assert make_shelf(fetcher=Giving("", uploads.pdf())).fetch(user.id, "https://example.org/").name == "file.pdf"


@pytest.mark.req("U4")
def test_nothing_is_fetched_unless_the_operator_allows_it(shelf: Shelf, user: users.User) -> None:
    with pytest.raises(errors.InvalidInput) as refused:
        shelf.fetch(user.id, "https://example.org/notes.md")

    assert refused.value.errors[0].field == "url"
    assert everything(shelf, user) == ([], 0)


@pytest.mark.slow
def test_a_fetched_file_is_new_once(make_shelf: Callable[..., Shelf], user: users.User) -> None:
    shelf = make_shelf(fetcher=Giving("notes.md", NOTES.encode()))

    media, is_new = shelf.fetch_new(user.id, "https://example.org/notes.md")

    assert is_new
    assert shelf.fetch_new(user.id, "https://example.org/notes.md") == (media, False)
    assert shelf.forget_unused(user.id, media.id)
    assert everything(shelf, user) == ([], 0)


@pytest.mark.slow
@pytest.mark.req("U4")
def test_a_scan_is_kept_with_pictures_of_its_pages(shelf: Shelf, user: users.User, stranger: users.User) -> None:
    media = shelf.add(user.id, "scan.pdf", BytesIO(uploads.scan(3, texts={2: "Words."})))

    assert shelf.drawn_pages(user.id, media.id) == [1, 3]
    mime, data = shelf.drawn_page(user.id, media.id, 3)
    assert (mime, data[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert media.stored_bytes > media.bytes + len(data)
    for whose, number in ((user, 2), (user, 99), (stranger, 1)):
        with pytest.raises(errors.NotFound):
            shelf.drawn_page(whose.id, media.id, number)
    with pytest.raises(errors.NotFound):
        shelf.drawn_pages(stranger.id, media.id)
    assert shelf.drawn_pages(user.id, shelf.add(user.id, "text.pdf", BytesIO(uploads.pdf())).id) == []
