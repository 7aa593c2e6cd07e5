"""A chapter from its turn to its end: who tells it, in which steps, and what goes with it."""

import json
from typing import Any

import pytest

from services import errors
from services.assistants.stories import Storyteller, telling
from services.assistants.stories.briefs import brief_of
from services.errors import ModelBroken, ModelUnreachable
from services.llm.builtin import BuiltinEngine
from services.llm.messages import Began, Delta, Finish, Usage
from services.stories.grammar import tell as told_by_grammar
from services.stories.safety import Verdict
from services.streaming.metrics import Metrics
from tests.services.assistants.tales import (
    Desk,
    Model,
    Provider,
    kind,
    paragraph,
    says,
    story,
    tell,
    turn_of,
    unreachable,
)

CHAPTER = story("Mia found a red kite.", "A fox sat by the brook.", "The wind sang.")
VALUES = json.dumps(
    {
        "title": "The Red Kite",
        "choices": ["Fly the kite", "Ask the fox"],
        "choice_question": "What should Mia do?",
        "recap": "Mia found a kite and met a fox.",
        "facts": ["The fox is called Rusty"],
        "educational_elements": ["Being kind"],
    }
)
ORDER = [
    "metadata",
    "plan started",
    "plan completed",
    "generate_content started",
    "delta",
    "generate_content completed",
    "safety_check started",
    "check approved",
    "safety_check completed",
    "enrich started",
    "enrich completed",
    "finish started",
    "message memory",
    "message figures",
    "message chapter",
    "finish completed",
    "end",
]


@pytest.mark.req("Y7", "Y13")
@pytest.mark.parametrize("mode", ["paragraph", "token"])
def test_the_steps_come_in_their_order_whoever_tells(mode: str) -> None:
    by_itself = tell(turn_of(mode=mode), BuiltinEngine(0))
    by_model = tell(turn_of(mode=mode), Model([says(CHAPTER)]), provider=Provider(values=VALUES))

    for told in (by_itself, by_model):
        assert told.error is None
        assert told.steps == ORDER


@pytest.mark.req("Y15", "Y35")
def test_progress_never_falls_stands_after_each_piece_and_ends_at_a_hundred() -> None:
    told = tell(turn_of(), Model([says(CHAPTER)]))

    percents = [data["percent"] for data in told.of("progress")]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert 100 not in percents[:-1]
    names = [event.name for event in told.events]
    assert all(names[place + 1] == "progress" for place, name in enumerate(names) if name == "delta")
    assert {data["stage"] for data in told.of("progress")} == set(telling.STEPS)


@pytest.mark.req("Y27")
def test_a_piece_is_a_paragraph_and_is_what_the_built_in_storyteller_wrote() -> None:
    turn = turn_of()

    told = tell(turn, BuiltinEngine(0))

    assert told.text == told_by_grammar(brief_of(turn)).text
    assert all(len(piece.split()) >= 50 for piece in told.pieces[:-1])
    assert all(len(piece.split()) <= 200 for piece in told.pieces)
    assert len(told.pieces) > 1


@pytest.mark.req("Y34")
def test_in_token_mode_words_come_one_by_one_and_make_the_same_text() -> None:
    whole, words = tell(turn_of(), BuiltinEngine(0)), tell(turn_of(mode="token"), BuiltinEngine(0))

    assert words.text == whole.text
    assert all(len(piece.split()) <= 1 for piece in words.pieces)


@pytest.mark.req("Y18", "Y19")
def test_what_goes_with_a_chapter_is_the_models_where_it_is_good() -> None:
    provider = Provider(values=VALUES)

    told = tell(turn_of(), Model([says(CHAPTER)]), provider=provider, check="model")

    chapter = told.message("chapter")
    assert chapter["title"] == "The Red Kite"
    assert chapter["choices"] == ["Fly the kite", "Ask the fox"]
    assert chapter["choice_question"] == "What should Mia do?"
    assert chapter["educational_elements"] == ["Being kind"]
    assert chapter["number"] == 1
    assert chapter["estimated_reading_time"] >= 1
    assert chapter["vocabulary_level"] in {"beginner", "intermediate", "advanced"}
    assert chapter["words"] == len(told.text.split())
    assert chapter["is_last"] is False
    assert told.message("memory")["memory"] == {
        "recap": "Mia found a kite and met a fox.",
        "facts": ["The fox is called Rusty"],
    }
    assert told.of("check") == [
        {"status": "approved", "score": 1.0, "checked_by": ["rules", "model"], "pieces": 3, "by_rules_alone": 0}
    ]
    assert "A fox sat by the brook." in provider.enriched[0].messages[-1].content


@pytest.mark.req("Y40")
def test_tokens_of_all_calls_are_added_up_and_figures_are_kept() -> None:
    told = tell(turn_of(), Model([says(CHAPTER)]), provider=Provider(values=VALUES), check="model")

    # Writing, three pieces and what goes with them, then a look at that.
    usage = told.of("end")[0]["usage"]
    assert usage == {"prompt_tokens": 170, "completion_tokens": 74, "total_tokens": 244, "estimated": False}
    figures = told.message("figures")
    assert figures["pieces"] == 3
    assert figures["rejected"] == 0
    assert 0 <= figures["first_token_ms"] <= figures["first_piece_ms"] <= figures["duration_ms"]


@pytest.mark.req("Y40")
def test_what_came_of_the_checks_is_counted_and_logged_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    metrics = Metrics()
    provider = Provider(unsafe=["A fox sat"])
    model = Model([says(CHAPTER), says("They all went home.")])
    teller = Storyteller(model, Desk(), provider=provider, check="model", judge=kind, metrics=metrics)  # type: ignore[arg-type]

    events = list(teller.reply(turn_of()))

    assert events[-1].name == "end"
    exposed = metrics.expose(runs=0, viewers=0).decode()
    assert 'rill_story_pieces_total{status="approved"} 2.0' in exposed
    assert 'rill_story_pieces_total{status="withheld"} 1.0' in exposed
    (line,) = [record for record in caplog.records if record.getMessage() == "chapter told"]
    told = line.__dict__
    assert (told["pieces"], told["rejected"], told["whole"]) == (2, 1, True)
    assert not any(word in repr([record.__dict__ for record in caplog.records]) for word in ("kite", "fox", "Mia"))


def test_a_last_chapter_has_no_choices_and_ends_with_the_end() -> None:
    for last in (turn_of(chapter_number=5, is_last=True), turn_of(is_last=True, bedtime=True)):
        by_itself = tell(last, BuiltinEngine(0))
        by_model = tell(last, Model([says(CHAPTER)]), provider=Provider(values=VALUES))
        saying_so = tell(last, Model([says(f"{CHAPTER}\n\nThe end.\n\nI hope you liked it!")]))

        for told in (by_itself, by_model, saying_so):
            assert told.text.endswith("The end.")
            assert told.text.count("The end.") == 1
            chapter = told.message("chapter")
            assert (chapter["choices"], chapter["choice_question"], chapter["is_last"]) == ([], "", True)


def test_a_last_chapter_that_is_too_long_is_brought_to_its_end() -> None:
    endless = " ".join(f"Mia took step {number} on the path." for number in range(3_000))

    told = tell(turn_of(is_last=True), Model([says(endless, size=200)]))

    assert told.error is None
    assert len(told.text.split()) < 700
    assert told.text.endswith("The end.")


def test_the_small_are_only_asked_what_happens_next() -> None:
    told = tell(turn_of(child={"age": 4}), Model([says(CHAPTER)]), provider=Provider(values=VALUES))

    assert told.message("chapter")["choices"] == []
    assert told.message("chapter")["choice_question"].endswith("?")


# -- without the model


def test_a_model_that_cannot_be_reached_is_replaced_before_the_first_words() -> None:
    turn = turn_of()

    told = tell(turn, Model([unreachable()]), provider=Provider(), check="model")

    assert told.error is None
    first, second = told.of("metadata")
    assert (first["engine"], first["fallback"]) == ("scripted", False)
    assert (second["engine"], second["fallback"], second["fallback_code"]) == ("built-in", True, "MODEL_UNREACHABLE")
    assert told.text == told_by_grammar(brief_of(turn)).text
    assert told.of("check")[0]["checked_by"] == ["rules"], "nobody was asked about the site's own words"
    assert told.message("chapter")["title"] == told_by_grammar(brief_of(turn)).title


def test_after_the_first_words_nobody_goes_on_in_a_models_place() -> None:
    provider = Provider(unsafe=["A fox sat"])

    told = tell(turn_of(), Model([says(CHAPTER), unreachable()]), provider=provider, check="model")

    assert isinstance(told.error, ModelUnreachable)
    assert "kite" in told.text
    assert "chapter" not in [data["kind"] for data in told.of("message")]


def test_without_falling_back_a_model_that_cannot_be_reached_is_an_error() -> None:
    told = tell(turn_of(), Model([[ModelUnreachable()]]))

    assert isinstance(told.error, ModelUnreachable)
    assert told.text == ""


@pytest.mark.req("Y39")
def test_a_model_that_breaks_off_leaves_whole_sentences_and_an_error() -> None:
    broken = [Began("scripted"), Delta(f"{paragraph('Mia found a kite.')}\n\nA fox came. It wanted to"), ModelBroken()]

    told = tell(turn_of(), Model([broken]))

    assert isinstance(told.error, ModelBroken)
    assert told.text.endswith("A fox came.")
    assert told.steps[-1] == "message figures"
    assert not told.of("end")


def test_a_reply_without_an_end_is_no_whole_chapter() -> None:
    told = tell(turn_of(), Model([[Began("scripted"), Delta("Mia ran. She fe")]]))

    assert isinstance(told.error, ModelBroken)
    assert told.text == "Mia ran."


def test_what_is_cut_by_its_length_ends_with_a_sentence_and_is_a_chapter() -> None:
    told = tell(turn_of(), Model([says("Mia ran. She slept. She woke and", reason="length")]))

    assert told.error is None
    assert told.text == "Mia ran. She slept."
    assert told.of("end")[0]["finish_reason"] == "stop"


# -- going on


@pytest.mark.req("Y39")
def test_a_continued_chapter_of_the_built_in_storyteller_goes_on_at_the_word() -> None:
    whole = told_by_grammar(brief_of(turn_of())).text
    cut = whole[: whole.find("\n\n") + 2]

    told = tell(turn_of(partial=cut), BuiltinEngine(0))

    assert cut + told.text == whole
    assert told.message("chapter")["words"] == len(whole.split()), "it is about the chapter as a whole"


def test_a_continued_chapter_of_the_built_in_storyteller_goes_on_after_a_replaced_passage() -> None:
    paragraphs = told_by_grammar(brief_of(turn_of())).text.split("\n\n")
    partial = "\n\n".join(["Something else was told here.", paragraphs[1]])

    told = tell(turn_of(partial=partial), BuiltinEngine(0))

    assert told.text == "\n\n" + "\n\n".join(paragraphs[2:])


def test_a_models_chapter_that_is_continued_without_it_comes_to_a_gentle_end() -> None:
    told = tell(turn_of(partial="Mia had met a robin in the rain. "), Model([unreachable()]))

    assert told.error is None
    assert told.text.strip()
    assert "Once upon a time" not in told.text
    assert len(told.text.split()) < 200


def test_a_continued_chapter_is_asked_for_with_what_there_is_and_checked_behind_it() -> None:
    seen = []

    def judge(text: str, *, before: str = "", **_: Any) -> Verdict:
        seen.append((text, before))
        return Verdict(allowed=True, score=0.9)

    model = Model([says("Mia had met a robin. It sang to her.")])

    told = tell(turn_of(partial="Mia had met a robin."), model, judge=judge)

    assert model.requests[0].partial == "Mia had met a robin."
    assert told.text == "\n\nIt sang to her.", "what was said already is not said again"
    assert seen[0] == ("\n\nIt sang to her.", "Mia had met a robin.")
    assert told.of("check")[0]["score"] == 0.9


# -- being stopped


def test_whoever_stops_it_ends_the_call_to_the_model() -> None:
    model = Model([says(CHAPTER)])

    told = tell(turn_of(), model, until=lambda event: event.name == "delta")

    assert model.closed == [1]
    assert len(told.pieces) == 1


def test_nothing_usable_is_asked_for_three_times_and_then_an_error() -> None:
    model = Model([says("As an AI language model, I cannot write stories.")] * 3)

    told = tell(turn_of(), model)

    assert len(model.requests) == 3
    assert told.error is not None
    assert told.error.code == "EMPTY_ANSWER"  # type: ignore[attr-defined]


def test_a_second_telling_is_taken_where_the_first_was_none() -> None:
    told = tell(turn_of(), Model([says("I'm sorry, I can't help with that."), says(CHAPTER)]))

    assert told.error is None
    assert told.text == CHAPTER


def test_a_prompt_of_a_later_chapter_knows_what_happened() -> None:
    model = Model([says(CHAPTER)])
    facts = {"chapter_number": 2, "recap": "Mia found a kite.", "tail": "The fox laughed.", "choice": "Ask the fox"}

    tell(turn_of(**facts, idea="a rainbow", memory={"facts": ["The fox is called Rusty"]}), model)

    asked = model.requests[0].messages[-1].content
    for words in ("chapter 2 of 5", "Mia found a kite.", "The fox laughed.", "Ask the fox", "a rainbow", "Rusty"):
        assert words in asked
    assert asked.count("<<<DATA") == 5


def test_the_end_waits_for_the_adults_row() -> None:
    away = Desk(failure=errors.Unavailable())

    told = tell(turn_of(), Model([says(CHAPTER)]), desk=away, provider=Provider(unsafe=["A fox sat"]), check="model")

    assert isinstance(told.error, errors.Unavailable)
    assert "fox" not in told.text
    assert not told.of("check")


def test_usage_of_a_call_that_was_ended_is_estimated() -> None:
    model = Model([says(CHAPTER), [Began("scripted"), Delta("They all went home."), Usage(7, 3), Finish("stop")]])

    told = tell(turn_of(), model, provider=Provider(unsafe=["A fox sat"]), check="model")

    assert told.error is None
    usage = told.of("end")[0]["usage"]
    assert usage["estimated"] is True
    assert usage["prompt_tokens"] > 500
