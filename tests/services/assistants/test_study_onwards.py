"""Questions that go on from an answer: parted from it, and shown only if they are some."""

from itertools import pairwise
from typing import Any

import pytest

from services.assistants.study import Study, notes
from services.assistants.study.context import Page, Upload
from services.assistants.study.extract import authored
from services.assistants.study.onwards import MAX_QUESTION_CHARS, Tail, chosen
from services.llm.messages import Began, Delta, Finish
from tests.services.assistants.study import make_turn, said
from tests.services.assistants.test_study import Model, events, of, text_of

ANSWER = "Plants make sugar.\n\nThey need light: 1 < 2 << 3.\n"
WRITTEN = (
    f"{ANSWER}\n<<<NEXT 0f3a>>>\nWhy do they need light?\n2. What is sugar for?\n- *Where does the water come from?*\n"
)
QUESTIONS = ["Why do they need light?", "What is sugar for?", "Where does the water come from?"]


def parted(*pieces: str) -> tuple[str, list[str]]:
    tail = Tail()
    shown = [tail.feed(piece) for piece in pieces]
    return "".join([*shown, tail.finish()]), tail.questions("What is photosynthesis?")


@pytest.mark.req("D2-9")
def test_an_answer_is_parted_from_what_stands_below_the_line_however_it_is_cut() -> None:
    for cut in range(len(WRITTEN) + 1):
        shown, questions = parted(WRITTEN[:cut], WRITTEN[cut:])
        assert (shown.rstrip(), questions) == (ANSWER.rstrip(), QUESTIONS)
    assert parted(*WRITTEN) == (ANSWER.rstrip(), QUESTIONS) or parted(*WRITTEN)[0].rstrip() == ANSWER.rstrip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Only text.",
        "A shift: x <<< 3.\n<<<\n<<<NEX\n<<<NEXTDOOR is a name.",
        "\n\n<<<NEXT",
        "It ends with a gap.\n\n  \n",
        "```\n$x = <<<NEXT\nheredoc\n```",
        "<<<NEXT 0f3a>>>\nA model that begins with it has no answer below it.",
        "\n" * 500 + "far below",
    ],
)
def test_a_text_without_the_line_passes_as_it_is(text: str) -> None:
    assert parted(*text) == (text, [])
    assert parted(text) == (text, [])


def test_what_can_be_shown_is_shown_at_once() -> None:
    tail = Tail()

    assert tail.feed("One line.\n") == "One line."
    assert tail.feed("<<") == ""
    assert tail.feed("x") == "\n<<x"


@pytest.mark.parametrize(
    "line",
    [
        "No question at all.",
        "Why?",
        "W" * MAX_QUESTION_CHARS + "?",
        "Have you seen https://example.org/?",
        "What is [this](x)?",
        "<b>What is this?</b>",
        "What is photosynthesis?",
        "what  is Photosynthesis ?",
    ],
)
def test_what_is_no_good_question_is_left_out(line: str) -> None:
    assert chosen([line, "What is a good one?", line], "What is photosynthesis?") == ["What is a good one?"]


def test_there_are_at_most_three_each_once_in_any_language() -> None:
    lines = [
        "光合作用为什么需要光？",
        "Warum ist Licht nötig?",
        "Warum ist Licht nötig?",
        "¿Por qué hace falta luz?",
        "Why four?",
    ]

    assert chosen(lines, "") == ["光合作用为什么需要光？", "Warum ist Licht nötig?", "¿Por qué hace falta luz?"]


@pytest.mark.req("D2-9")
def test_a_models_questions_are_told_after_its_text_and_are_no_part_of_it() -> None:
    pieces = [first + second for first, second in pairwise([*WRITTEN, ""])][::2]

    found = events(make_turn("What is photosynthesis?"), Model(*pieces))

    assert text_of(found).rstrip() == ANSWER.rstrip()
    assert of(found, "message") == [{"kind": "related", "related": QUESTIONS}]
    assert [event.name for event in found][-2:] == ["message", "end"]


def test_an_answer_that_was_cut_within_its_questions_is_complete() -> None:
    found = events(make_turn(), Model(WRITTEN[:-30], finish="length"))

    assert found[-1].data["finish_reason"] == "stop"
    assert events(make_turn(), Model(ANSWER, finish="length"))[-1].data["finish_reason"] == "length"


def test_an_answer_without_questions_has_none() -> None:
    for text in (ANSWER, f"{ANSWER}\n<<<NEXT 0f3a>>>\n", f"{ANSWER}\n<<<NEXT>>>\nThat is all.\n"):
        found = events(make_turn(), Model(text))
        assert of(found, "message") == []
        assert text_of(found).rstrip() == ANSWER.rstrip()


def test_questions_are_asked_for_unless_the_client_sets_a_limit() -> None:
    usual, limited = Model("x"), Model("x")

    events(make_turn(), usual)
    events(make_turn(max_tokens=50), limited)

    rules = usual.requests[0].messages[0].content
    word = rules.partition("<<<NEXT ")[2].partition(">>>")[0]
    assert len(word) == 16
    assert f"<<<DATA {word} question" in usual.requests[0].messages[-1].content
    assert "<<<NEXT" not in limited.requests[0].messages[0].content
    assert limited.requests[0].max_tokens == 50


def test_the_stand_in_of_a_model_has_questions_of_its_own_kind() -> None:
    parts: list[Any] = [Began("built-in", True), Delta("Photosynthesis is how plants make sugar."), Finish("stop")]

    found = events(make_turn("What is photosynthesis?"), Model(parts=parts))

    (told,) = of(found, "message")
    assert told["related"][0] == "What do the notes say about “The cell”?"


@pytest.mark.parametrize("note", sorted(notes.bundled().values(), key=lambda note: note.id), ids=lambda note: note.id)
def test_every_question_about_a_note_has_its_answer(note: notes.Note) -> None:
    for question in authored(make_turn(f"Explain {note.title}")).related:
        other = notes.best(question)
        assert other is not None
        assert other.title in question
        assert other.id != note.id


def test_files_are_gone_on_with_by_headings_that_were_not_answered() -> None:
    text = (
        "Mitochondria\n\nThe mitochondria release energy from sugar.\n\nRibosomes\n\nRibosomes build proteins all day."
    )
    upload = Upload("m", "cell.md", "text", "e" * 64, [Page(1, text)])

    related = authored(make_turn("What do mitochondria release?", uploads=[upload])).related

    assert related[0] == "What does cell.md say about “Ribosomes”?"
    again = make_turn(related[0], uploads=[upload])
    assert "Ribosomes build proteins" in authored(again).text


def test_nothing_found_leads_nowhere() -> None:
    assert authored(make_turn("Who won the cup in 1987?")).related == ()


def test_a_known_answer_keeps_its_questions() -> None:
    related = {"kind": "related", "related": QUESTIONS}
    cached = {"text": ANSWER, "engine": "scripted", "extras": {"message": [related]}}

    found = list(Study(Model("x")).reply(make_turn(cached=cached, path=said("A?", "B."))))

    assert of(found, "message") == [related]
