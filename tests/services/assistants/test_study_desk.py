"""What the desk brings together for a turn: files, the cache and the books."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.assistants.base import Turn
from services.assistants.study import Desk, Study
from services.assistants.study.input import LENGTHS, WAYS, MediaRef, StudyInput, parse_message
from services.errors import AppError, FieldError, InvalidInput, NotFound, PointsExhausted, TooLarge
from services.llm.builtin import BuiltinEngine
from services.points import Points
from services.store.database import Database
from tests import databases
from tests.factories import make_user
from tests.services.assistants.study import PDF, PHOTO, Shelf, said

ME = 7


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(PDF, PHOTO)


def _database(tmp_path: Path) -> Database:
    url = f"sqlite:///{tmp_path / 'desk.sqlite3'}"
    databases.prepare(url)
    return Database(url)


@pytest.fixture
def desk(settings: Any, shelf: Shelf, tmp_path: Path) -> Iterator[Desk]:
    database = _database(tmp_path)
    yield Desk(database, shelf, Points(settings, database), budget_tokens=4000, engine="scripted")
    database.close()


def test_a_file_is_taken_once_however_often_it_is_named(desk: Desk) -> None:
    sent = StudyInput("Why?", media=(MediaRef(PDF.id), MediaRef(PDF.id, "https://example.org/x")))

    assert [entry["id"] for entry in desk.facts(ME, sent, [])["media"]] == [PDF.id]


def test_an_address_is_only_asked_where_the_id_is_none_of_ours(desk: Desk, shelf: Shelf) -> None:
    desk.facts(ME, StudyInput("Why?", media=(MediaRef(PDF.id, "https://example.org/x"),)), [])
    assert shelf.fetched == []

    facts = desk.facts(ME, StudyInput("Why?", media=(MediaRef("theirs", "https://example.org/x"),)), [])
    assert shelf.fetched == ["https://example.org/x"]
    assert facts["excerpts"][0]["text"] == "What came from there."


def test_nothing_is_fetched_for_a_message_that_names_an_unknown_file(desk: Desk, shelf: Shelf) -> None:
    sent = parse_message({"message": "Why?", "media_files": [{"url": "https://example.org/x"}, {"id": "unknown"}]})

    with pytest.raises(NotFound) as refused:
        desk.facts(ME, sent, [])

    assert refused.value.extra["errors"][0]["field"] == "media_files[1]"
    assert shelf.fetched == []


def test_what_was_fetched_for_a_question_is_looked_at_again_when_it_is_refused(desk: Desk, shelf: Shelf) -> None:
    sent = StudyInput("Why?", media=(MediaRef(PDF.id), MediaRef("theirs", "https://example.org/x")))

    with pytest.raises(PointsExhausted), desk.asking(ME, sent, []):
        raise PointsExhausted

    assert (shelf.fetched, shelf.forgotten) == (["https://example.org/x"], ["fetched"])


def test_a_file_that_was_there_stays_whatever_becomes_of_the_question(desk: Desk, shelf: Shelf) -> None:
    sent = StudyInput("Why?", media=(MediaRef("theirs", "https://example.org/x"),))
    desk.facts(ME, sent, [])

    with pytest.raises(PointsExhausted), desk.asking(ME, sent, []):
        raise PointsExhausted

    assert shelf.forgotten == []
    assert "fetched" in shelf.uploads


@pytest.mark.parametrize(
    "wrong",
    [
        InvalidInput([FieldError("url", "cannot be reached")]),
        TooLarge("Too large.", extra={"errors": [{"field": "file", "message": "is too large"}]}),
    ],
)
def test_what_is_wrong_with_an_address_is_told_of_its_own_field_and_the_others_go(
    desk: Desk, shelf: Shelf, wrong: AppError
) -> None:
    class Failing(Shelf):
        def fetch_new(self, user_id: int, url: str) -> Any:
            if url.endswith("/bad"):
                raise wrong
            return super().fetch_new(user_id, url)

    failing = Failing()
    desk._shelf = failing
    sent = parse_message(
        {"message": "Why?", "media": [{"url": "https://example.org/x"}] * 2 + [{"id": "a", "url": "https://b.org/bad"}]}
    )

    with pytest.raises(type(wrong)) as refused, desk.asking(ME, sent, []):
        pytest.fail("nothing is asked")

    told = getattr(refused.value, "errors", ()) or refused.value.extra["errors"]
    assert [one["field"] if isinstance(one, dict) else one.field for one in told] == ["media[2].url"]
    assert failing.forgotten == ["fetched"]


def test_a_way_on_needs_an_answer(desk: Desk) -> None:
    sent = StudyInput(WAYS["deeper"], way="deeper")

    with pytest.raises(InvalidInput):
        desk.facts(ME, sent, said("Only a question?"))
    assert desk.facts(ME, sent, said("A question?", "An answer."))["way"] == "deeper"


def test_an_edited_question_keeps_its_limit_and_the_files_that_are_still_there(desk: Desk, shelf: Shelf) -> None:
    sent = StudyInput("Why?", media=(MediaRef(PDF.id), MediaRef(PHOTO.id)), max_tokens=77, length="long")
    turn = {"question": "Why?", "facts": desk.facts(ME, sent, [])}
    del shelf.uploads[PHOTO.id]

    facts = desk.resolve(ME, [], turn, "Why not?")

    assert [entry["id"] for entry in facts["media"]] == [PDF.id]
    assert (facts["max_tokens"], facts["length"], facts["topic"], facts["is_new"]) == (77, "long", "Why not?", False)


def test_the_key_of_a_question_hangs_on_its_context(desk: Desk) -> None:
    def key(sent: StudyInput, *texts: str) -> str:
        found: str = desk.facts(ME, sent, said(*texts))["cache_key"]
        return found

    plain = key(StudyInput("Why?"))
    assert key(StudyInput("Why?"), "Why?", "So.") == plain
    others = {
        key(StudyInput("Why not?")),
        key(StudyInput("Why?"), "What?", "That."),
        key(StudyInput("Why?", length="short")),
        key(StudyInput("Why?", max_tokens=5)),
        key(StudyInput("Why?", media=(MediaRef(PDF.id),))),
    }
    assert len(others | {plain}) == 6


def test_a_known_answer_is_estimated_at_nothing(desk: Desk) -> None:
    facts = desk.facts(ME, StudyInput("Why?"), [])

    assert desk.estimate("Why?", facts) > 0
    assert desk.estimate("Why?", {**facts, "cached": {"text": "So."}}) == 0


@pytest.mark.req("R31")
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("limit", [None, 60])
@pytest.mark.parametrize("message", ["What is photosynthesis?", "What do mitochondria do?", "Who wrote Hamlet?"])
def test_without_a_model_an_answer_costs_what_was_estimated(
    settings: Any, shelf: Shelf, tmp_path: Path, message: str, limit: int | None, length: str
) -> None:
    database = _database(tmp_path)
    points = Points(settings, database)
    desk = Desk(database, shelf, points, budget_tokens=600, engine="built-in")
    path = said(*(f"Point {number} is here. " + "x" * 400 for number in range(12)))
    sent = StudyInput(message, media=(MediaRef(PDF.id),), length=length, max_tokens=limit)
    for before in ([], path):
        facts = desk.facts(ME, sent, before)

        *_, end = Study(BuiltinEngine(0), prices=points.prices).reply(Turn("study", ME, "c", "m", message, facts))

        assert desk.estimate(message, facts) == end.data["usage"]["points_cost"]
    assert desk.knows_answers
    database.close()


def test_going_on_from_a_part_of_a_known_answer_holds_its_points(settings: Any, shelf: Shelf, tmp_path: Path) -> None:
    database = _database(tmp_path)
    points = Points(settings, database)
    desk = Desk(database, shelf, points, budget_tokens=4000, engine="scripted")
    user = database.run(make_user)
    facts = {**desk.facts(user.id, StudyInput("Why?"), []), "cached": {"text": "Because."}}

    for message_id, partial, held in (
        ("known", "", 0),
        ("rest", "Be", desk.estimate("Why?", {**facts, "cached": None})),
    ):
        turn = Turn("study", user.id, "conversation", message_id, "Why?", facts, partial=partial)
        database.run(desk.starts, turn)
        assert database.run(points.balance, user.id).reserved == held
    database.close()
