"""Watching a list: one look for all tabs of a person, and what is told when."""

import socket
from collections.abc import Iterator

import pytest

import services.watching
from services.todos import watching
from services.todos.watching import News, Viewer
from services.watching import Ended, Watches, has_left


class Lists:
    """Revisions as the database has them; looks are counted."""

    def __init__(self) -> None:
        self.revisions = {1: 4, 2: 7}
        self.looks = 0

    def revision(self, user_id: int) -> int:
        self.looks += 1
        return self.revisions[user_id]


@pytest.fixture
def lists() -> Lists:
    return Lists()


@pytest.fixture
def watches(lists: Lists) -> Iterator[Watches[News]]:
    made = watching.watches(lists.revision, is_leaving=lambda: False, tick_s=0.005)
    yield made
    made.close()


def reading(viewer: Viewer) -> Iterator[News | Ended | None]:
    return viewer.news(heartbeat_s=0.02)


def following(told: Iterator[News | Ended | None]) -> News:
    return next(one for one in told if isinstance(one, News))


@pytest.mark.slow
def test_all_tabs_of_a_person_share_one_look_and_hear_of_each_revision_once(
    lists: Lists, watches: Watches[News]
) -> None:
    tabs = [reading(watches.join(1, "1")) for _ in range(3)]

    first = [following(tab) for tab in tabs]
    assert {news.revision for news in first} == {4}
    assert all(news is first[0] for news in first)
    assert next(tabs[0]) is None, "a heartbeat: nothing is new"
    lists.revisions[1] = 5

    assert [following(tab).revision for tab in tabs] == [5, 5, 5]
    assert watches.looking == 1


def test_what_one_does_is_not_told_to_others(lists: Lists, watches: Watches[News]) -> None:
    ada, ben = reading(watches.join(1, "1")), reading(watches.join(2, "2"))
    assert (following(ada).revision, following(ben).revision) == (4, 7)

    lists.revisions[1] = 5

    assert following(ada).revision == 5
    assert next(ben) is None


def test_days_and_times_pass_without_a_change(
    lists: Lists, watches: Watches[News], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "AGAIN_S", 0.0)
    tab = reading(watches.join(1, "1"))

    assert [following(tab).revision, following(tab).revision] == [4, 4]


def test_nobody_looks_when_nobody_watches(lists: Lists, watches: Watches[News]) -> None:
    viewer = watches.join(1, "1")
    following(reading(viewer))
    other = reading(watches.join(2, "2"))

    viewer.leave()

    assert next(one for one in other if watches.looking == 1) != Ended("rest")


def test_who_has_closed_the_connection_is_noticed_before_the_next_heartbeat(
    watches: Watches[News], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.watching, "_NOTICED_S", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        told = watches.join(1, "1").news(heartbeat_s=60.0, connection=ours)
        assert following(told)
        theirs.sendall(b"a request that comes behind")
        assert not has_left(ours)
        assert ours.recv(100) == b"a request that comes behind", "nothing was taken"
        theirs.close()

        assert list(told) == []
    assert has_left(ours), "closed by ourselves"
