"""Uploads in the database: owners, pieces, totals, and what two tabs do at once."""

from io import BytesIO
from typing import Any

import gevent
import pytest
from sqlalchemy import Engine, event, func, select

from services import errors
from services.store import media, users
from services.store.database import Database
from services.store.media import PIECE_BYTES, Made, MediaPage, MediaPiece, MediaRow, Usage
from tests.factories import make_answer, make_media

MISSING = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def count(database: Database, table: type[Any]) -> int:
    return database.run(lambda s: s.scalar(select(func.count()).select_from(table)) or 0)


def content(database: Database, user: users.User, media_id: str) -> bytes:
    pieces, number = [], 0
    while (data := database.run(media.piece, user.id, media_id, "content", number)) is not None:
        pieces.append(data)
        number += 1
    return b"".join(pieces)


def test_a_file_is_kept_with_its_pages_and_pictures(database: Database, user: users.User) -> None:
    made = {"image": Made("image/png", b"large"), "thumbnail": Made("image/webp", b"small")}
    kept = database.run(make_media, user.id, content=b"\x00\xff bytes", pages=["one", "zwölf \x00"], made=made)

    found = database.run(media.get, user.id, kept.id)

    assert found == kept
    assert (found.kind, found.mime, found.bytes, found.chars) == ("text", "text/plain", 8, 10)
    assert found.created_at.tzinfo is not None
    assert content(database, user, kept.id) == b"\x00\xff bytes"
    assert [(page.number, page.text) for page in database.run(media.pages, user.id, kept.id)] == [
        (1, "one"),
        (2, "zwölf "),
    ]
    assert database.run(media.made, user.id, kept.id, "image") == Made("image/png", b"large")
    assert database.run(media.made, user.id, kept.id, "thumbnail") == Made("image/webp", b"small")


def test_a_large_file_comes_back_in_pieces_as_it_was(database: Database, user: users.User) -> None:
    large = bytes(range(256)) * (PIECE_BYTES * 5 // 2 // 256)

    kept = database.run(make_media, user.id, content=large, pages=[], made={})

    assert content(database, user, kept.id) == large
    assert count(database, MediaPiece) == 3
    assert database.run(media.made, user.id, kept.id, "thumbnail") is None


def test_a_page_is_given_with_its_file_and_how_many_there_are(database: Database, user: users.User) -> None:
    kept = database.run(make_media, user.id, pages=["one", "two"], page_count=2, kind="pdf")

    found, page, pages = database.run(media.page, user.id, kept.id, 2)

    assert (found.id, page.text, pages) == (kept.id, "two", 2)
    for number in (0, 3, -1):
        with pytest.raises(errors.NotFound):
            database.run(media.page, user.id, kept.id, number)


def test_somebody_elses_file_is_unknown(database: Database, user: users.User, stranger: users.User) -> None:
    kept = database.run(make_media, user.id)

    for user_id, media_id in ((stranger.id, kept.id), (user.id, MISSING), (user.id, "'; --\x00")):
        for ask in (media.get, media.pages, media.delete):
            with pytest.raises(errors.NotFound):
                database.run(ask, user_id, media_id)
        with pytest.raises(errors.NotFound):
            database.run(media.piece, user_id, media_id, "content", 0)
        with pytest.raises(errors.NotFound):
            database.run(media.made, user_id, media_id, "thumbnail")
        with pytest.raises(errors.NotFound):
            database.run(media.page, user_id, media_id, 1)
    assert database.run(media.get, user.id, kept.id) == kept


def test_the_same_file_under_the_same_name_is_kept_once(
    database: Database, user: users.User, stranger: users.User
) -> None:
    first = database.run(make_media, user.id, content=b"same")

    assert database.run(make_media, user.id, content=b"same") == first
    assert database.run(make_media, user.id, content=b"same", name="other.txt").id != first.id
    assert database.run(make_media, stranger.id, content=b"same").id != first.id
    assert count(database, MediaRow) == 3


def test_what_a_file_takes_up_counts_everything_made_of_it(database: Database, user: users.User) -> None:
    made = {"thumbnail": Made("image/webp", b"12345")}
    kept = database.run(make_media, user.id, content=b"123", pages=["zwölf"], made=made)

    assert kept.stored_bytes == 3 + 6 + 5
    assert database.run(media.used, user.id) == Usage(14, 1)


def test_over_the_total_nothing_is_kept(database: Database, user: users.User, stranger: users.User) -> None:
    options: dict[str, Any] = {"pages": [], "made": {}, "max_total_bytes": 10}
    database.run(make_media, user.id, content=b"123456", **options)

    with pytest.raises(errors.TooLarge) as refused:
        database.run(make_media, user.id, content=b"12345", **options)

    assert refused.value.code == "MEDIA_FULL"
    assert (refused.value.extra["limit"], refused.value.extra["current"]) == (10, 6)
    assert refused.value.extra["errors"][0]["field"] == "file"
    assert database.run(media.used, user.id) == Usage(6, 1)
    assert count(database, MediaPiece) == 1
    database.run(make_media, user.id, content=b"1234", **options)
    database.run(make_media, stranger.id, content=b"1234567890", **options)


def test_over_the_number_nothing_is_kept(database: Database, user: users.User) -> None:
    for _ in range(2):
        database.run(make_media, user.id, max_files=2)

    with pytest.raises(errors.TooLarge) as refused:
        database.run(make_media, user.id, max_files=2)

    assert refused.value.code == "MEDIA_FULL"
    assert database.run(media.used, user.id).files == 2


@pytest.mark.slow
def test_uploads_at_once_do_not_share_the_last_place(make_database: Any, user: users.User) -> None:
    databases = [make_database() for _ in range(4)]

    def add(number: int) -> bool:
        try:
            options: dict[str, Any] = {"pages": [], "made": {}, "max_total_bytes": 25}
            databases[number % 4].run(make_media, user.id, content=b"%010d" % number, **options)
        except errors.TooLarge:
            return False
        return True

    done = [job.get() for job in [gevent.spawn(add, number) for number in range(12)]]

    assert done.count(True) == 2
    assert databases[0].run(media.used, user.id) == Usage(20, 2)


def test_the_same_file_at_once_is_kept_once(make_database: Any, user: users.User) -> None:
    databases = [make_database() for _ in range(4)]
    adding = [gevent.spawn(database.run, make_media, user.id, content=b"same") for database in databases]

    assert len({job.get().id for job in adding}) == 1
    assert count(databases[0], MediaRow) == 1


def test_files_are_listed_newest_first_in_pages(database: Database, user: users.User, stranger: users.User) -> None:
    kept = [database.run(make_media, user.id).id for _ in range(5)]
    database.run(make_media, stranger.id)

    first = database.run(media.listing, user.id, None, 3)
    rest = database.run(media.listing, user.id, first[-1].id, 3)

    assert [row.id for row in (*first, *rest)] == kept[::-1]


def test_deleting_leaves_nothing_of_the_file(database: Database, user: users.User) -> None:
    kept = database.run(make_media, user.id)
    other = database.run(make_media, user.id)

    database.run(media.delete, user.id, kept.id)

    with pytest.raises(errors.NotFound):
        database.run(media.get, user.id, kept.id)
    assert database.run(media.get, user.id, other.id) == other
    assert count(database, MediaPage) == 1
    assert database.run(media.used, user.id).files == 1


def test_an_account_takes_its_files_with_it(database: Database, user: users.User, stranger: users.User) -> None:
    database.run(make_media, user.id)
    kept = database.run(make_media, stranger.id)

    database.run(users.delete, user.id)

    assert database.run(media.get, stranger.id, kept.id) == kept
    assert [count(database, table) for table in (MediaRow, MediaPiece, MediaPage)] == [1, 2, 1]


def test_the_export_tells_of_files_and_their_text_but_not_their_bytes(database: Database, user: users.User) -> None:
    kept = database.run(make_media, user.id, content=b"My notes")

    found = database.run(users.export, user.id)

    assert [row["id"] for row in found["media"]] == [kept.id]
    assert [row["text"] for row in found["media_pages"]] == ["My notes"]
    assert all("data" not in row for row in found["media_pieces"])


def test_no_question_reads_a_whole_table(database: Database, user: users.User) -> None:
    kept = database.run(make_media, user.id)
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    database.run(media.listing, user.id, MISSING, 50)
    database.run(media.used, user.id)
    database.run(media.find, user.id, "0" * 64, "name")
    database.run(media.pages, user.id, kept.id)
    database.run(media.page, user.id, kept.id, 1)
    database.run(media.piece, user.id, kept.id, "content", 0)
    database.run(media.made, user.id, kept.id, "thumbnail")
    database.run(media.delete, user.id, kept.id)
    event.remove(database.engine, "before_cursor_execute", note)

    assert len(asked) >= 8
    for statement, parameters in asked:
        plan = explained(database.engine, statement, parameters)
        assert "scan media" not in plan.lower().replace("seq scan on", "scan"), f"{statement}\n{plan}"


def explained(engine: Engine, statement: str, parameters: Any) -> str:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            return "\n".join(str(row[3]) for row in rows)
        # A table of three rows is read whole unless that is forbidden.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return "\n".join(str(row[0]) for row in rows)


def test_a_file_is_read_from_its_start_however_often_it_is_tried(database: Database, user: users.User) -> None:
    file = BytesIO(b"The whole file")

    def tried_twice(s: Any) -> media.Media:
        with s.begin_nested() as attempt:
            make_media(s, user.id, content=b"The whole file", file=file)
            attempt.rollback()
        assert file.tell(), "has been read"
        return make_media(s, user.id, content=b"The whole file", file=file)

    kept = database.run(tried_twice)

    assert content(database, user, kept.id) == b"The whole file"


def test_a_file_that_came_for_a_question_goes_unless_the_question_was_stored(
    database: Database, user: users.User, stranger: users.User
) -> None:
    unused = database.run(make_media, user.id, content=b"one")
    used = database.run(make_media, user.id, content=b"two")
    turn = {"question": "What is this?", "facts": {"media": [{"id": used.id, "is_new": True}]}}
    database.run(make_answer, user.id, turn=turn)
    database.run(make_answer, stranger.id, turn={"facts": {"media": [{"id": unused.id}]}})

    assert database.run(media.forget_unused, user.id, unused.id) is True
    assert database.run(media.forget_unused, user.id, used.id) is False

    assert [one.id for one in database.run(media.listing, user.id, None, 10)] == [used.id]
    with pytest.raises(errors.NotFound):
        database.run(media.forget_unused, stranger.id, used.id)
    assert count(database, MediaPage) == 1
