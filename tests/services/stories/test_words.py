import re
from pathlib import Path

import pytest

from services.stories import words
from services.stories.safety import judge
from services.stories.words import meaning

LINES = (Path(words.__file__).parent / "words.txt").read_text(encoding="utf-8").splitlines()


def found(word: str) -> str | None:
    known = meaning(word)
    return None if known is None else known.word


def test_there_are_many_words_each_once_in_order_and_explained_shortly() -> None:
    spelled = [form for line in LINES for form in re.findall(r"[a-z-]+", line.partition(":")[0])]

    assert len(LINES) >= 2_500
    assert sorted(LINES, key=lambda line: line.partition(":")[0].encode()) == LINES
    assert len(set(spelled)) == len(spelled)
    for line in LINES:
        told = line.partition(": ")[2]
        assert 1 <= len(told.split()) <= 14, line
        assert not told.endswith("."), line
        assert told == told.strip(), line


def test_no_word_is_explained_by_itself() -> None:
    for line in LINES:
        word, _, told = line.partition(": ")
        first = re.split(r"[/ ]", word)[0]
        assert first not in re.findall(r"[a-z-]+", told.casefold()), line


@pytest.mark.slow
def test_no_meaning_is_unfit_for_a_child_of_five() -> None:
    for line in LINES:
        verdict = judge(line.partition(": ")[2].capitalize() + ".", age=5)
        assert verdict.allowed, f"{line} ({verdict.rule})"


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        # as it is, whatever stands around it
        ("lantern", "lantern"),
        ("Lantern", "lantern"),
        ("“lantern,”", "lantern"),
        ("dragon's", "dragon"),
        ("Dragons’", "dragon"),
        # British and American
        ("colour", "colour"),
        ("color", "colour"),
        ("colored", "colour"),
        ("favorite", "favourite"),
        ("apologized", "apologise"),
        ("traveler", "traveller"),
        ("travellers", "traveller"),
        ("gray", "grey"),
        # several of one
        ("lanterns", "lantern"),
        ("berries", "berry"),
        ("branches", "branch"),
        ("leaves", "leaf"),
        ("wolves", "wolf"),
        ("geese", "goose"),
        ("echoes", "echo"),
        ("caves", "cave"),
        ("kites", "kite"),
        ("mice", "mouse"),
        # what was, and what is going on
        ("whispered", "whisper"),
        ("hurried", "hurry"),
        ("glided", "glide"),
        ("gliding", "glide"),
        ("hoped", "hope"),
        ("hopped", "hop"),
        ("grabbing", "grab"),
        ("crept", "creep"),
        ("sank", "sink"),
        ("tumbling", "tumble"),
        # more, most, and who does it
        ("braver", "brave"),
        ("bravest", "brave"),
        ("grumpiest", "grumpy"),
        ("explorers", "explorer"),
        ("baker", "bake"),
        ("gently", "gentle"),
        ("curiously", "curious"),
        ("frosty", "frost"),
        ("foggy", "fog"),
        ("curly", "curl"),
        ("stubbornness", "stubborn"),
        ("grumpiness", "grumpy"),
    ],
)
def test_a_word_is_found_in_its_forms(asked: str, word: str) -> None:
    assert found(asked) == word


@pytest.mark.parametrize(
    "asked",
    [
        "",
        " ",
        "xyzzy",
        "mother",
        "flower",
        "kindly",
        "many",
        "party",
        "bed",
        "fairly",
        "glass",
        "thing",
        "—",
        "’s",
        "<b>",
        "\x00",
        "12",
        "a" * 100_000,
    ],
)
def test_what_is_no_form_of_a_word_of_ours_is_unknown(asked: str) -> None:
    assert meaning(asked) is None


def test_every_word_is_listed_and_known() -> None:
    assert len(words.words()) == len(LINES)
    for word in words.words():
        assert found(word) == word
