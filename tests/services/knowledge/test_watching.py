"""Watching documents on their way: one look for all, the end, and who may look."""

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services import errors, watching
from services.knowledge.watching import Ended, News, Viewer
from services.knowledge.watching import watches as base_watches
from services.store.documents import Document
from services.store.pulses import Pulse
from services.watching import Watches as AnyWatches

Watches = AnyWatches[News]

# Later than any watch of these tests begins: it asks for what has changed since shortly before.
START = datetime.now(UTC) + timedelta(hours=1)
BASE = "base"


def document(name: str, state: Any = "queued", *, at: int = 0, done: int = 0, total: int = 0) -> Document:
    moment = START + timedelta(seconds=at)
    return Document(
        id=name,
        base_id=BASE,
        name=f"{name}.md",
        kind="markdown",
        mime="text/markdown",
        bytes=1,
        sha256=name,
        source_url=None,
        pages=None,
        state=state,
        done=done,
        total=total,
        error=None,
        created_at=START,
        updated_at=moment,
        attempts=0,
    )


class Table:
    """Documents as the database has them: looks are counted."""

    def __init__(self, *documents: Document) -> None:
        self.documents = {one.id: one for one in documents}
        self.readers: set[int] = {1, 2}
        self.looks = 0
        self.is_leaving = self.is_away = False
        # A test may look in another way.
        self.look_by: Callable[[str, datetime], Pulse] = self.look

    def put(self, *documents: Document) -> None:
        self.documents |= {one.id: one for one in documents}

    def look_now(self, base_id: str, since: datetime) -> Pulse:
        return self.look_by(base_id, since)

    def look(self, base_id: str, since: datetime) -> Pulse:
        self.looks += 1
        if self.is_away:
            raise errors.Unavailable
        found = list(self.documents.values())
        states = [one.state for one in found]
        return Pulse(
            changed=[one for one in found if one.updated_at > since],
            newest_id=max(self.documents, default=None),
            total=len(found),
            ready=states.count("ready"),
            failed=states.count("failed"),
        )

    def may_read(self, base_id: str, user_ids: Collection[int]) -> Collection[int]:
        return self.readers & set(user_ids)


@pytest.fixture
def table() -> Table:
    return Table(document("a"))


@pytest.fixture
def watches(table: Table) -> Iterator[Watches]:
    made = base_watches(table.look_now, table.may_read, is_leaving=lambda: table.is_leaving, tick_s=0.005)
    yield made
    made.close()


def reading(viewer: Viewer) -> Iterator[News | Ended | None]:
    return viewer.news(heartbeat_s=0.02)


def until(told: Iterator[News | Ended | None], wanted: Callable[[Any], bool]) -> Any:
    """The first of what is told that is wanted."""
    return next(one for one in told if wanted(one))


def names(news: News) -> list[str]:
    return [one.id for one in news.pulse.changed]


def test_all_viewers_of_a_base_share_one_look(table: Table, watches: Watches) -> None:
    many = [reading(watches.join(1 + number % 2, BASE)) for number in range(12)]

    first = [until(told, lambda one: isinstance(one, News)) for told in many]

    assert all(news is first[0] for news in first), "made once, seen by all"
    assert watches.looking == 1
    made = [news.once("html", lambda: b"frame") for news in first]
    assert made == [b"frame"] * 12
    assert first[0].once("html", lambda: b"another") == b"frame"


def test_the_first_look_asks_for_the_whole_list_and_later_ones_tell_what_changed(
    table: Table, watches: Watches
) -> None:
    told = reading(watches.join(1, BASE))
    assert until(told, lambda one: isinstance(one, News)).is_whole

    table.put(document("a", "embedding", at=1, done=1, total=4))
    news = until(told, lambda one: isinstance(one, News))

    assert (news.is_whole, names(news)) == (False, ["a"])
    assert news.pulse.changed[0].done == 1


def test_what_has_been_told_is_not_told_again(table: Table, watches: Watches) -> None:
    told = reading(watches.join(1, BASE))
    until(told, lambda one: isinstance(one, News))
    looks = table.looks

    assert next(told) is None, "a heartbeat: there is nothing new"
    assert until(iter(lambda: table.looks > looks or next(told), False), bool), "though it is looked for"


def test_a_document_that_comes_or_goes_makes_the_list_new(table: Table, watches: Watches) -> None:
    told = reading(watches.join(1, BASE))
    until(told, lambda one: isinstance(one, News))

    table.put(document("b", at=1))
    came = until(told, lambda one: isinstance(one, News))
    del table.documents["a"]
    went = until(told, lambda one: isinstance(one, News))

    assert (came.is_whole, went.is_whole) == (True, True)
    assert went.pulse.total == 1


def test_it_ends_with_the_whole_list_when_all_is_at_rest(table: Table, watches: Watches) -> None:
    told = reading(watches.join(1, BASE))
    until(told, lambda one: isinstance(one, News))

    table.put(document("a", "ready", at=1))
    last = until(told, lambda one: isinstance(one, News))

    assert (last.is_whole, last.pulse.moving) == (True, 0)
    assert next(told) == Ended("rest")
    assert next(told, "nothing") == "nothing"


def test_who_joins_while_the_last_look_is_at_work_is_not_sent_away_by_it(table: Table, watches: Watches) -> None:
    first = watches.join(1, BASE)
    late: list[Viewer] = []
    look = table.look

    def slow_look(base_id: str, since: datetime) -> Pulse:
        pulse = look(base_id, since)
        if not pulse.moving and not late:
            # A document is added, and its sender begins to watch, after the database has answered.
            table.put(document("b", at=5))
            late.append(watches.join(1, BASE))
        return pulse

    table.look_by = slow_look
    table.put(document("a", "ready", at=1))
    assert until(reading(first), lambda one: isinstance(one, Ended)) == Ended("rest")

    told = reading(late[0])
    seen = until(told, lambda one: isinstance(one, News) and "b" in names(one))

    assert seen.pulse.moving == 1


def test_whoever_may_read_no_more_is_sent_away(table: Table, watches: Watches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "RECHECK_S", 0.0)
    ada, ben = reading(watches.join(1, BASE)), reading(watches.join(2, BASE))
    until(ada, lambda one: isinstance(one, News))

    table.readers = {1}

    assert until(ben, lambda one: isinstance(one, Ended)) == Ended("gone")
    table.put(document("a", "embedding", at=1))
    assert until(ada, lambda one: isinstance(one, News))


def test_a_database_that_is_away_is_waited_for(table: Table, watches: Watches) -> None:
    told = reading(watches.join(1, BASE))
    until(told, lambda one: isinstance(one, News))

    table.is_away = True
    assert next(told) is None, "a heartbeat"
    table.put(document("a", "ready", at=1))
    table.is_away = False

    assert until(told, lambda one: isinstance(one, Ended)) == Ended("rest")


def test_viewers_are_sent_away_when_the_worker_goes(table: Table, watches: Watches) -> None:
    told = reading(watches.join(1, BASE))

    table.is_leaving = True

    assert until(told, lambda one: isinstance(one, Ended)) == Ended("away")
    assert watches.looking == 0


def test_a_look_that_breaks_sends_its_viewers_to_a_new_one(
    table: Table, watches: Watches, caplog: pytest.LogCaptureFixture
) -> None:
    broken = reading(watches.join(1, BASE))
    table.look_by = lambda _base, _since: 1 / 0  # type: ignore[return-value,assignment]

    assert until(broken, lambda one: isinstance(one, Ended)) == Ended("away")
    assert "a watch failed" in caplog.text
    table.look_by = table.look
    assert until(reading(watches.join(1, BASE)), lambda one: isinstance(one, News))


def test_nobody_looks_when_nobody_watches(table: Table, watches: Watches) -> None:
    viewer = watches.join(1, BASE)
    told = reading(viewer)
    until(told, lambda one: isinstance(one, News))
    other = reading(watches.join(1, "other"))

    viewer.leave()
    viewer.leave()

    until(other, lambda _: watches.looking == 1)


def test_who_is_too_far_behind_gets_the_list_instead(table: Table, watches: Watches) -> None:
    viewer = watches.join(1, BASE)
    pulse = table.look(BASE, START)
    for _ in range(watching.MAX_BEHIND + 1):
        viewer.give(News(pulse, is_whole=False))

    told = reading(viewer)

    assert next(told).is_whole
    assert len(viewer._news) < watching.MAX_BEHIND


def test_viewers_are_bounded(watches: Watches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_VIEWERS", 3)
    monkeypatch.setattr(watching, "MAX_OF_ONE_PERSON", 2)
    first = watches.join(1, BASE)
    watches.join(1, "other")

    with pytest.raises(errors.LimitReached) as own:
        watches.join(1, BASE)
    watches.join(2, BASE)
    with pytest.raises(errors.SiteFull):
        watches.join(2, BASE)

    assert own.value.extra == {"limit": 2, "current": 2}
    first.leave()
    assert watches.join(1, BASE)
