"""What goes with a chapter besides its text: good values stay, foolish and unfit ones are replaced."""

import json
from typing import Any

import pytest

from services.assistants.stories.enriching import Sieve, Values
from services.llm.builtin import BuiltinEngine
from services.stories import safety
from services.stories.ages import band
from services.stories.safety import Verdict
from tests.services.assistants.tales import Model, Provider, away, says, story, tell, turn_of

TEXT = story("Mia found a red kite.", "A fox sat by the brook.")


def judge(text: str, **_: Any) -> Verdict:
    return Verdict(allowed="wolf" not in text, score=1.0)


def read(answer: Any, *, heading: str = "", **facts: Any) -> Values:
    told = answer if isinstance(answer, str) else json.dumps(answer)
    return Sieve(turn_of(**facts), judge).of_model(told, heading=heading, text=TEXT)


NONSENSE = [
    "",
    "no JSON at all",
    "{",
    "[]",
    "null",
    '{"title": 5, "choices": "left", "choice_question": [], "recap": {}, "facts": 7, "educational_elements": null}',
    '{"choices": [1, null, {}, []], "title": ""}',
    json.dumps({"title": "x" * 5_000, "choices": ["y" * 5_000, "  ", "!!!"], "recap": "z" * 50_000}),
    '{"a": ' * 5_000,
    "x" * 100_000,
]


@pytest.mark.req("Y18", "Y19")
def test_nonsense_is_replaced_by_plain_values() -> None:
    for answer in NONSENSE:
        values = read(answer)

        assert values.title, answer[:50]
        assert len(set(values.choices)) == len(values.choices) == 2
        assert values.question.endswith("?")
        assert values.recap
        assert values.elements
        assert "choices" in values.replaced


def test_plain_values_are_the_same_for_the_same_turn_and_pass_the_rules() -> None:
    assert read("") == read("{}")
    assert len({read("", seed=seed).choices for seed in range(30)}) > 3
    for age in (3, 6, 9, 12):
        values = Sieve(turn_of(child={"age": age}), safety.judge).of_model("", heading="", text=TEXT)
        assert len(values.choices) == band(age).choices
        for text in (*values.choices, values.question, values.title, *values.elements):
            assert safety.judge(text, age=age).allowed, text


def test_each_value_is_looked_at_by_itself() -> None:
    values = read(
        {
            "title": "The wolf",
            "choices": ["Run from the wolf", "Fly the kite", "fly the KITE!", "Ask the fox", "Sleep"],
            "choice_question": "Where is the wolf?",
            "recap": "A wolf came.",
            "facts": ["The wolf is grey", "The fox is red"],
            "educational_elements": ["wolf", "Kindness"],
        }
    )

    assert "wolf" not in repr(values)
    assert values.choices == ("Fly the kite", "Ask the fox")
    assert values.facts == ("The fox is red",)
    assert values.elements == ("Kindness",)
    assert values.recap.startswith("Mia found a red kite.")
    assert set(values.replaced) == {"title", "choice_question", "recap"}


def test_values_are_short_lines_without_markup() -> None:
    values = read({"title": "**The  <b>Kite</b>**.", "choices": ["- Fly\nit", "<script>x</script>Ask\x00 them"]})

    assert values.title == "The Kite"
    assert values.choices == ("Fly it", "Ask them")


def test_a_heading_or_the_title_that_was_asked_for_is_used() -> None:
    assert read("", heading="The Lost Balloon").title == "The Lost Balloon"
    assert read({"title": "Another"}, title="My Own Title").title == "My Own Title"
    assert read({"title": "Another"}, title="My Own Title", chapter_number=2).title == "Another"


def test_a_question_without_a_question_mark_is_none() -> None:
    assert read({"choice_question": "Choose now."}).question == "What should Mia do next?"


def test_what_is_known_is_kept_for_the_chapters_that_follow_and_does_not_grow_for_ever() -> None:
    known = [f"Fact number {number}" for number in range(16)]

    values = read({"facts": ["The fox is red", "Fact number 15"], "recap": "All is well."}, memory={"facts": known})

    facts = values.memory["facts"]
    assert len(facts) == 16
    assert facts[-1] == "The fox is red"
    assert values.memory["recap"] == "All is well."


def test_the_built_in_storytellers_values_are_looked_at_too() -> None:
    told = tell(turn_of(), BuiltinEngine(0))

    chapter = told.message("chapter")
    assert chapter["choices"]
    assert told.message("figures")["replaced"] == []
    assert told.message("memory")["memory"]


def test_a_second_call_that_fails_leaves_the_chapter_whole() -> None:
    for values in (away(), "", "<html>502</html>"):
        told = tell(turn_of(), Model([says(TEXT)]), provider=Provider(values=values), check="rules")

        assert told.error is None
        assert told.text == TEXT
        assert len(told.message("chapter")["choices"]) == 2
