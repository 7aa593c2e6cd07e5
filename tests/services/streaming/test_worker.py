"""The gunicorn worker's parts that need no gunicorn; tests/e2e runs it whole."""

from services.streaming.worker import Handover


def test_a_reload_is_pending_until_every_new_worker_serves() -> None:
    handover = Handover()
    handover.begin(2)

    assert handover.is_pending(1, 2)
    assert handover.is_pending(2, 2)
    assert not handover.is_pending(3, 2), "the new ones replace nobody"
    handover.serving(3)
    assert handover.is_pending(1, 2)
    handover.serving(4)
    assert not handover.is_pending(1, 2)


def test_a_second_reload_begins_anew() -> None:
    handover = Handover()
    handover.begin(1)
    handover.serving(2)
    handover.begin(2)

    assert handover.is_pending(2, 1)
    handover.serving(3)
    assert not handover.is_pending(2, 1)


def test_without_a_reload_nothing_is_pending() -> None:
    assert not Handover().is_pending(1, 1)
