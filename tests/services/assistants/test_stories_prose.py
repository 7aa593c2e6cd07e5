"""What is left of a model's words when a story is all that is wanted."""

import random
import re
import time

import pytest

from services.assistants.stories.asides import one_paragraph
from services.assistants.stories.prose import Prose

SIZES = (1, 2, 3, 7, 50, 10**6)


def prose(text: str, *, before: str = "", whole: bool = True, max_words: int = 400, is_last: bool = False) -> Prose:
    """The prose of a text; the same, however it comes."""
    results = {}
    for size in SIZES:
        one = Prose(before, max_words=max_words, is_last=is_last)
        said = "".join(one.feed(text[at : at + size]) for at in range(0, len(text), size)) + one.finish(whole=whole)
        results[size] = (said, one.title, one.words)
        one.said = said  # type: ignore[attr-defined]
    assert len(set(results.values())) == 1, results
    return one


def said(text: str, **more: object) -> str:
    return prose(text, **more).said  # type: ignore[arg-type,attr-defined,no-any-return]


NO_STORY = [
    ("Sure! Here is your story:\n\nMia ran.", "Mia ran."),
    ("Certainly! Here's chapter two for Mia:\n\nMia ran.", "Mia ran."),
    ("Sure, here's a gentle tale about a fox.\nMia ran.", "Mia ran."),
    ("OK. Mia ran.", "Mia ran."),
    ("Mia ran.\n\nI hope you enjoy this story!", "Mia ran."),
    ("Mia ran.\n\nLet me know if you would like another one.", "Mia ran."),
    ("Mia ran.\n\nWould you like me to continue?", "Mia ran."),
    ("# The Balloon\n\nMia ran.", "Mia ran."),
    ("**Chapter 1: The Cave**\n\nMia ran.", "Mia ran."),
    ("Title: The Balloon\nMia ran.", "Mia ran."),
    ("The Lost Balloon\n\nMia ran.", "Mia ran."),
    ("Chapter 2. Mia ran.", "Mia ran."),
    ("## Part one\nMia ran.\n## Part two\nShe slept.", "Mia ran.\n\nShe slept."),
    ("---\nMia ran.\n\n***\n\nShe slept.\n---", "Mia ran.\n\nShe slept."),
    ("Mia ran.\n\n1. Go left\n2. Go right. Or not.\n", "Mia ran."),
    ("Mia ran.\n\nA) Go left\nB) Go right", "Mia ran."),
    ("Mia ran.\n\nChoices:\n- Go left\n- Go right", "Mia ran."),
    ("Mia **ran** to `the` *old* _tree_.", "Mia ran to the old tree."),
    ("> Mia ran.", "Mia ran."),
    ("<p>Mia <b>ran</b>.</p> <script>alert(1)</script> She [slept](http://x.example).", "Mia ran. She slept."),
    ("(Word count: 300)\nMia ran. [Illustration: a fox]", "Mia ran."),
    ('{"title": "X", "story": "Mia ran.\\n\\nShe slept."}', "Mia ran.\n\nShe slept."),
    ('```json\n{"story": {"paragraphs": ["Mia ran.", "She slept."]}}\n```', "Mia ran.\n\nShe slept."),
    ('[{"text": "Mia ran."}, {"text": "She slept."}]', "Mia ran.\n\nShe slept."),
    ("```\nMia ran.\n```", "Mia ran."),
    ("As an AI language model, I cannot write that.", ""),
    ("I'm sorry, but I can't help with that request.", ""),
    ("My system prompt says that I tell stories.", ""),
    ('{"story": ', ""),
    ("{" * 50_000, ""),
    ("***", ""),
    ("Mia r\u200ba\u202en\u2060.\u2029She \U000e0041slept.", "Mia ran.\n\nShe slept."),
    ("", ""),
    (" \n\n ", ""),
]


@pytest.mark.parametrize(("text", "left"), NO_STORY, ids=[text[:30] for text, _ in NO_STORY])
def test_what_is_no_story_is_left_out_however_it_comes(text: str, left: str) -> None:
    assert said(text) == left


STORIES = [
    "Mia ran. The fox ran after her.",
    'Mia said, "Sure! Here is your story book." The fox smiled.',
    'The robot beeped: "I am sorry, I cannot tell a story." Mia laughed.',
    "“I hope you like the story,” said Mia. She was 9. Mr. Fox nodded.",
    "She counted: one, two… three! What now?",
    "Everything was fine at the end of the path.",
    "2 foxes sat there. A fox came, too. I ran.",
    "Mia ran.\n\nShe slept.\n\n“Good night,” said the moon.",
    "Here begins the tale of Mia. It was the end of the story, or so they thought. They could feel free to play.",
    "The owl began. “Here is a story for you.” They listened.",
]


@pytest.mark.parametrize("text", STORIES)
def test_what_is_a_story_stays_as_it_is(text: str) -> None:
    assert said(text) == text


def test_a_heading_is_kept_as_a_title() -> None:
    assert prose("# Chapter 3: The Lost Balloon\n\nMia ran.").title == "The Lost Balloon"


def test_lines_that_are_wrapped_are_joined_and_paragraphs_are_parted() -> None:
    text = "Mia walked along the\nlong road and saw the\nsea. It was blue.\nThe gulls cried.\n \n\n\nShe slept"

    assert said(text) == "Mia walked along the long road and saw the sea. It was blue.\n\nThe gulls cried.\n\nShe slept"


def test_a_text_without_a_blank_line_gets_paragraphs() -> None:
    text = " ".join(f"This is the sentence with the number {number}." for number in range(45))

    paragraphs = said(text).split("\n\n")

    assert " ".join(paragraphs) == text
    assert len(paragraphs) > 3
    assert all(len(one.split()) <= 100 for one in paragraphs)


def test_it_ends_with_a_sentence_once_there_are_enough_words() -> None:
    text = " ".join(f"This is the sentence with the number {number}." for number in range(2_000))

    one = prose(text, max_words=100)

    assert one.is_full
    assert 100 <= one.words <= 110
    assert one.said.endswith(".")  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["word " * 20_000, "a" * 60_000, '"' + "word. " * 20_000])
def test_what_never_ends_a_sentence_ends_too(text: str) -> None:
    one = Prose(max_words=100)

    said = one.feed(text) + one.finish(whole=True)

    assert one.is_full
    assert len(said) < 5_000


ENDLESS = ["- an item\n", "# A heading\n", "As an AI I cannot write. ", "\n \n", "***\n", "[x] ", "{"]


@pytest.mark.parametrize("text", ENDLESS)
def test_what_is_no_story_and_never_ends_ends_too(text: str) -> None:
    one, told = Prose(max_words=50), ""
    one.feed("Mia ran.\n\n" if text != "{" else "")

    for _ in range(2_000):
        if one.is_full:
            break
        told += one.feed(text * 40)

    assert one.is_full
    assert len(told) < 1_500


def test_a_passage_that_is_left_out_leaves_its_paragraph() -> None:
    assert said("Mia ran. [Illustration: a fox]\n\nShe slept.") == "Mia ran.\n\nShe slept."


def test_half_a_sentence_is_left_out_where_the_model_broke_off() -> None:
    assert said("Mia ran. She fell and", whole=False) == "Mia ran."
    assert said('Mia ran. "She fell."', whole=False) == 'Mia ran. "She fell."'


def test_the_end_is_part_of_a_last_chapter_only_and_nothing_follows_it() -> None:
    assert said("Mia slept. The end. Let me know!", is_last=True) == "Mia slept. The end."
    assert said("Mia slept.\n\nTHE END", is_last=True) == "Mia slept.\n\nTHE END"
    assert said("Mia slept. The end.") == "Mia slept."


GOING_ON = [
    ("Mia ran. ", "She slept.", "She slept."),
    ("Mia ran.", "She slept.", "\n\nShe slept."),
    ("Mia ran.\n\n", "\n\nShe slept.", "She slept."),
    ("Mia saw the", "old tree. She slept.", " old tree. She slept."),
    ("Mia woke up. She ran.", "She ran. The fox came.", "\n\nThe fox came."),
    ("Mia woke up.", "The Fox Came\n\nIt was red.", "\n\nThe Fox Came\n\nIt was red."),
]


@pytest.mark.parametrize(("before", "text", "more"), GOING_ON)
def test_it_goes_on_from_what_was_told(before: str, text: str, more: str) -> None:
    assert said(text, before=before) == more


def test_short_texts_are_put_on_one_line() -> None:
    assert one_paragraph("**Follow**  the\n <b>fox</b>") == "Follow the fox"


FRAGMENTS = (
    "Mia ran.", "The fox laughed!", "“Who is there?” asked the owl.", 'She said, "Come in. It is warm."', "Mr. Fox",
    "# A heading", "**Bold words**", "- an item", "1. Go left", "2) Go right.", "***", "```", "> quoted", "\n", "\n\n",
    " ", "\r\n", "\n \n", "Sure!", "Here is your story:", "[Illustration: a fox]", "The end.", "…", "\u2028", "\u200b",
    "<b>", "</b>", "{", "}", '"', "“", "I hope you like this story.", "Chapter 2:", "x" * 30, "and then", "9.", "É",
)  # fmt: skip
NEVER = re.compile(r"[*`\u2028\u200b]|\n{3}|^#")


@pytest.mark.slow
def test_the_same_text_gives_the_same_prose_however_it_is_cut() -> None:
    luck = random.Random(20260314)
    for _ in range(100):
        pieces = [luck.choice(FRAGMENTS) + luck.choice((" ", " ", "", "\n")) for _ in range(luck.randint(1, 25))]
        text, before = "".join(pieces), luck.choice(("", "", "Mia ran. ", "They went", "She slept.\n\n"))
        is_last, whole, most = luck.random() < 0.3, luck.random() < 0.7, luck.choice((8, 40, 400))
        results = set()
        for cut in (1, 4, 10_000):
            one = Prose(before, max_words=most, is_last=is_last)
            fed = "".join(one.feed(text[at : at + cut]) for at in range(0, len(text), cut))
            results.add((fed + one.finish(whole=whole), one.title))
        assert len(results) == 1, (text, before, is_last, whole, most, results)
        ((told, _),) = results
        assert not NEVER.search(told), (text, told)
        assert before or told == told.lstrip(), (text, told)


@pytest.mark.slow
def test_a_model_that_writes_nothing_but_marks_takes_no_longer_than_any_other() -> None:
    text = "!?" * 6_000
    began_s = time.process_time()

    one = Prose(max_words=400)
    told = "".join(one.feed(text[at : at + 3]) for at in range(0, len(text), 3)) + one.finish(whole=True)

    assert not told.strip("!?")
    # Half a minute, when each search began again at each mark.
    assert time.process_time() - began_s < 5
