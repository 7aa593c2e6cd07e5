"""The study assistant: what it yields for a stored turn, whoever answers."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from services.assistants.study import Study
from services.assistants.study.context import Page, Upload
from services.assistants.study.input import WAYS
from services.errors import ModelBroken, ModelUnreachable
from services.llm.builtin import NAME, BuiltinEngine
from services.llm.messages import Began, Delta, Finish, Part, Request, Usage
from services.streaming.answers import EmptyAnswer
from services.streaming.events import Event
from tests.services.assistants.study import PDF, PHOTO, Row, Shelf, make_turn, said


class Model:
    """Says what it is told to, and keeps what it was asked."""

    name = "scripted"

    def __init__(
        self, *texts: str, finish: str = "stop", parts: Sequence[Part] | None = None, blind: bool = False
    ) -> None:
        self.texts = texts
        self.requests: list[Request] = []
        self.closed = 0
        self._finish = finish
        self._parts = parts
        self._blind = blind

    def stream(self, request: Request) -> Iterator[Part]:
        self.requests.append(request)
        try:
            if self._parts is not None:
                yield from self._parts
                return
            yield Began(self.name, facts={"blind": True} if self._blind else {})
            for text in self.texts:
                yield Delta(text)
            yield Usage(100, 50)
            yield Finish(self._finish)  # type: ignore[arg-type]
        finally:
            self.closed += 1


def events(turn: Any, engine: Any = None, shelf: Any = None) -> list[Event]:
    return list(Study(engine or BuiltinEngine(0), shelf).reply(turn))


def text_of(found: list[Event]) -> str:
    return "".join(event.data["text"] for event in found if event.name == "delta")


def of(found: list[Event], name: str) -> list[Any]:
    return [event.data for event in found if event.name == name]


@pytest.mark.req("U1", "U5", "U15")
def test_an_answer_is_metadata_then_text_then_the_end_with_its_price() -> None:
    found = events(make_turn(), Model("Energy", " is ", "released."))

    assert [event.name for event in found] == ["metadata", "delta", "delta", "delta", "end"]
    assert found[0].data == {
        "message_id": "m1",
        "conversation_id": "c1",
        "is_new": True,
        "user_id": 7,
        "media_count": 0,
        "cached": False,
        "engine": "scripted",
        "fallback": False,
    }
    assert found[-1].data == {
        "finish_reason": "stop",
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "estimated": False,
            "points_cost": 5,
        },
    }


def test_metadata_comes_before_the_model_is_asked() -> None:
    model = Model("x")

    first = next(iter(Study(model).reply(make_turn())))

    assert first.name == "metadata"
    assert model.requests == []


def test_who_answers_instead_is_told() -> None:
    found = events(
        make_turn(), Model(parts=[Began(NAME, True, {"fallback_code": "MODEL_BUSY"}), Delta("x"), Finish("stop")])
    )

    told = of(found, "metadata")
    assert [(one["engine"], one["fallback"]) for one in told] == [("scripted", False), (NAME, True)]


@pytest.mark.req("U4")
def test_an_answer_that_was_cut_at_its_limit_says_so() -> None:
    assert events(make_turn(max_tokens=3), Model("x", finish="length"))[-1].data["finish_reason"] == "length"
    built_in = events(make_turn("What is photosynthesis?", max_tokens=10))
    assert built_in[-1].data["finish_reason"] == "length"
    assert len(text_of(built_in)) <= 40


def test_a_cited_page_is_told_once_and_only_if_it_is_there() -> None:
    model = Model("They release energy [", "2]. Again [2], and [9], and a[0].")

    found = events(make_turn(uploads=[PDF]), model)

    (citation,) = of(found, "citation")
    assert citation["number"] == 2
    assert (citation["document_name"], citation["page"]) == ("cell.pdf", 2)
    assert citation["url"] == "/api/media/media1/pages/2"
    assert "mitochondria" in citation["excerpt"]


def test_several_numbers_in_one_bracket_are_several_citations() -> None:
    found = events(make_turn(uploads=[PDF]), Model("Both say so [1, 3]."))

    assert [citation["number"] for citation in of(found, "citation")] == [1, 3]


def test_a_picture_goes_to_the_model() -> None:
    model = Model("A cat.")

    events(make_turn(uploads=[PHOTO]), model, Shelf(PHOTO))

    (image,) = model.requests[0].messages[-1].images
    assert (image.mime, image.data, image.name) == ("image/jpeg", b"jpeg bytes", "photo.jpg")


@pytest.mark.parametrize("engine", [Model("No idea.", blind=True), BuiltinEngine(0)])
def test_a_picture_that_nobody_can_see_is_never_passed_over_in_silence(engine: Any) -> None:
    found = events(make_turn(uploads=[PHOTO]), engine, Shelf(PHOTO))

    assert of(found, "metadata")[-1]["unseen"] == ["photo.jpg"]
    assert text_of(found).startswith("> ")
    assert "photo.jpg" in text_of(found).split("\n")[0]


def test_a_picture_that_is_gone_is_told() -> None:
    found = events(make_turn(uploads=[PHOTO]), Model("Well."), Shelf())

    assert "photo.jpg cannot be read any more" in text_of(found)


def test_a_cached_answer_is_given_again_and_nobody_is_asked() -> None:
    model = Model("x")
    cached = {"text": "Known. " * 200, "engine": "scripted", "extras": {"citation": [{"number": 1}]}}

    found = events(make_turn(cached=cached), model)

    assert model.requests == []
    assert text_of(found) == cached["text"]
    assert found[0].data["cached"] is True
    assert of(found, "citation") == [{"number": 1}]
    assert found[-1].data["usage"]["points_cost"] == 0


def test_a_cached_answer_that_was_stopped_goes_on_with_the_model() -> None:
    model = Model(" rest")

    found = events(make_turn(cached={"text": "Known rest"}, partial="Known"), model)

    assert model.requests[0].partial == "Known"
    assert text_of(found) == " rest"


def long_path() -> list[Row]:
    return said(*(f"Point {number} is here. " + "x" * 400 for number in range(12)))


def test_what_does_not_fit_is_summed_up_by_the_model_and_told() -> None:
    model = Model("They spoke of twelve points.")

    found = events(make_turn(path=long_path(), budget_tokens=600), model)

    summed, asked = model.requests
    assert "Point 0" in summed.messages[0].content
    assert "They spoke of twelve points." in asked.messages[1].content
    (kept,) = of(found, "message")
    assert kept["kind"] == "summary"
    assert kept["content"] == "They spoke of twelve points."
    assert kept["upto"]
    assert [step["status"] for step in of(found, "step")] == ["started", "completed"]
    assert found[-1].data["usage"]["total_tokens"] == 300
    assert model.closed == 2


def test_without_a_model_the_summary_is_taken_from_the_messages() -> None:
    kept, *_ = of(events(make_turn(path=long_path(), budget_tokens=600)), "message")

    assert kept["kind"] == "summary"
    assert "- Asked: Point 0 is here." in kept["content"]
    assert "- Answered: Point 1 is here." in kept["content"]


def test_a_summary_that_fails_does_not_keep_the_answer_from_coming() -> None:
    class Failing(Model):
        def stream(self, request: Request) -> Iterator[Part]:
            if len(self.requests) == 0:
                self.requests.append(request)
                raise ModelUnreachable
            yield from super().stream(request)

    found = events(make_turn(path=long_path(), budget_tokens=600), Failing("An answer."))

    assert text_of(found) == "An answer."
    assert "- Asked: Point 0" in of(found, "message")[0]["content"]


def test_an_answer_that_breaks_off_is_a_failure() -> None:
    with pytest.raises(ModelBroken):
        events(make_turn(), Model(parts=[Began("m"), Delta("half")]))


@pytest.mark.req("U17")
def test_an_answer_without_a_word_is_a_failure_also_after_a_summary() -> None:
    with pytest.raises(EmptyAnswer):
        events(make_turn(path=long_path(), budget_tokens=600), Model(parts=[Began("m"), Finish("stop")]))


def test_closing_the_reply_closes_the_call_to_the_model() -> None:
    model = Model("one", "two")
    reply = Study(model).reply(make_turn())
    while next(reply).name != "delta":
        pass

    reply.close()  # type: ignore[attr-defined]

    assert model.closed == 1


@pytest.mark.req("U17")
def test_the_built_in_engine_answers_from_files_with_their_pages() -> None:
    found = events(make_turn(uploads=[PDF]))

    assert "The mitochondria release energy from sugar. [2]" in text_of(found)
    assert of(found, "citation")[0]["page"] == 2
    assert found[0].data["engine"] == NAME


def test_the_best_passage_of_a_file_comes_first_and_without_its_headings() -> None:
    first = "Overview\nEnergy is what every living thing needs, and what it is about." + " It goes on and on." * 700
    second = "Mitochondria\nThe mitochondria release energy from sugar."
    pdf = Upload("b", "b.pdf", "pdf", "d" * 64, [Page(1, first), Page(2, second)])

    text = text_of(events(make_turn("How do mitochondria release energy?", uploads=[pdf])))

    assert text.startswith("**From your files**\n\n- The mitochondria release energy from sugar. [")
    assert "\n- Energy is what every living thing needs" in text


def test_the_built_in_engine_answers_from_the_notes_and_says_so() -> None:
    found = events(make_turn("What is photosynthesis?"))

    assert "from the notes of this site" in text_of(found)
    assert [citation["document_name"] for citation in of(found, "citation")] == ["Notes: Photosynthesis"] * 2


def test_the_built_in_engine_makes_nothing_up() -> None:
    found = events(make_turn("Who won the cup in 1987?"))

    assert text_of(found).startswith("I found nothing about this")
    assert of(found, "citation") == []


@pytest.mark.parametrize("message", ["Who won the cup in 1987?", "What is entropy?", "photosynthsis", "x" * 9000])
@pytest.mark.parametrize("way", ["", "simpler"])
def test_finding_nothing_is_short_and_costs_the_least(message: str, way: str) -> None:
    path = said(message, "I found nothing about this.")
    path[1].turn = {"question": message, "facts": {"topic": message}}

    found = events(make_turn(WAYS[way], path=path, way=way) if way else make_turn(message))

    assert text_of(found).startswith("I found nothing about this")
    assert len(text_of(found)) < 250
    assert found[-1].data["usage"]["points_cost"] == 1


def test_finding_nothing_names_the_notes_that_come_close() -> None:
    assert "The closest notes: “Photosynthesis”." in text_of(events(make_turn("photosynthsis")))
    assert "closest" not in text_of(events(make_turn("What is the capital of Peru?")))


def test_a_question_of_its_own_does_not_get_the_note_before_it_again() -> None:
    path = said("Fractions", "A fraction says how many of which size.")
    path[1].turn = {"question": "Fractions", "facts": {"topic": "Fractions"}}

    off_topic, wordless = make_turn("What is entropy?", path=path), make_turn("Why?", path=path)

    assert "Fractions" not in text_of(events(off_topic))
    assert "**Fractions**" in text_of(events(wordless))
    path += said("Why?", "A fraction ...")
    path[3].turn = {"question": "Why?", "facts": wordless.facts}
    assert "**Fractions**" in text_of(events(make_turn(WAYS["simpler"], path=path, way="simpler")))


@pytest.mark.parametrize(
    ("way", "heading"), [("deeper", "Deeper"), ("example", "Example"), ("another", "Another way to see it")]
)
def test_ways_on_give_other_parts_of_the_notes(way: str, heading: str) -> None:
    path = said("What is photosynthesis?", "Plants make sugar.")
    path[1].turn = {"question": "What is photosynthesis?", "facts": {"topic": "What is photosynthesis?"}}

    found = events(make_turn(WAYS[way], path=path, way=way))

    assert f"**{heading}**" in text_of(found)
    assert "**Photosynthesis**" in text_of(found)


def test_a_short_answer_is_shorter_than_a_long_one() -> None:
    short, usual, long = (
        len(text_of(events(make_turn("What is photosynthesis?", length=length))))
        for length in ("short", "medium", "long")
    )

    assert short < usual < long


def test_an_answer_is_the_same_for_the_same_turn_and_can_be_gone_on_with() -> None:
    whole = text_of(events(make_turn("What is a cell?")))

    rest = text_of(events(make_turn("What is a cell?", partial=whole[:100])))

    assert whole[:100] + rest == whole


def test_a_scan_without_text_is_told() -> None:
    scan = Upload("scan", "scan.pdf", "pdf", "f" * 64, [Page(1, " \n")])

    found = events(make_turn("What is photosynthesis?", uploads=[scan]), Model("Well."))

    assert "There is no text in scan.pdf" in text_of(found)
    assert of(found, "metadata")[-1]["unseen"] == ["scan.pdf"]
