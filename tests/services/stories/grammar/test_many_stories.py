"""Whole stories by the hundred, read as a strict teacher would: slow in full, a sample of it with every run."""

import re
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import cycle, islice
from statistics import mean

import pytest

from services.stories import ages
from services.stories.grammar import Brief, Told, tell
from services.stories.grammar.reading import told_by
from services.stories.measures import measure, words
from tests.services.stories.grammar.reader import faults, sentences, whole_story

NAMES = ("Mia", "James", "Zoë", "Mary Jane", "O'Neil", "Anna-Lena", "Iris", "Ömer")
INTERESTS = (("football",), ("dinosaurs", "cake"), ("knitting",), (), ("cats", "music"))
MEANT = {
    "she": {"she": "they", "her": ("them", "their"), "hers": "theirs", "herself": "themselves"},
    "he": {"he": "they", "him": "them", "his": ("their", "theirs"), "himself": "themselves"},
}
_TOKEN = re.compile(r"[\w'’-]+|\S")


def _briefs(count: int) -> list[Brief]:
    """Stories over all themes, ages, pronouns, levels, names, lengths; the same ones every time."""
    made = []
    rows = zip(cycle(told_by()), cycle(range(3, 13)), cycle(("she", "he", "they")), cycle(NAMES), strict=False)
    for seed, (theme, age, pronouns, name) in enumerate(islice(rows, count)):
        age = (age - 3 + seed // 10) % 10 + 3
        length = ages.LENGTHS[seed // 7 % 3]
        made.append(
            Brief(
                name=name,
                pronouns=pronouns,
                age=age,
                level=ages.LEVELS[seed // 3 % 3],
                theme=theme,
                seed=seed,
                interests=INTERESTS[seed % len(INTERESTS)],
                chapters=ages.band(age).chapters[length],
            )
        )
    return made


def _read(briefs: list[Brief]) -> list[tuple[Brief, list[Told]]]:
    stories = [(brief, whole_story(brief, pick=brief.seed, bedtime=brief.seed % 5 == 0)) for brief in briefs]
    for brief, told in stories:
        for number, chapter in enumerate(told, 1):
            where = f"{brief.theme}, age {brief.age}, seed {brief.seed}, chapter {number}"
            wrong = list(faults(chapter.text)) + list(faults(chapter.recap))
            assert not wrong, f"{where}: {wrong[:5]}"
            assert brief.name in chapter.text, where
            assert f"{brief.name}' " not in chapter.text, where
            for said in (*chapter.choices, chapter.title, chapter.question, *chapter.educational):
                assert re.fullmatch(r"(?:[A-ZÀ-Þ][^{}]*[^{}\s])?", said), f"{where}: {said!r}"
            low, high = ages.band(brief.age, brief.level).words
            assert low * 0.75 <= len(words(chapter.text)) <= high * 1.25, f"{where}: {len(words(chapter.text))} words"
        assert told[-1].text.endswith("The end."), brief
    return stories


def test_a_sample_of_stories_is_without_fault() -> None:
    _read(_briefs(12))


@pytest.mark.slow
def test_three_hundred_stories_are_without_fault_and_differ_by_age() -> None:
    stories = _read(_briefs(300))

    assert len({told[0].text for _, told in stories}) == 300
    by_tier: dict[str, list[str]] = defaultdict(list)
    for brief, told in stories:
        by_tier[ages.tier(brief.age, brief.level)] += [chapter.text for chapter in told]
    young, middle, old = (_figures(by_tier[tier]) for tier in ("3", "6", "9"))
    # Words a chapter, words a sentence, letters a word, grade, different words in a thousand: all grow with the age.
    assert all(a < b < c for a, b, c in zip(young, middle, old, strict=True)), (young, middle, old)


def _figures(texts: list[str]) -> tuple[float, ...]:
    flat = [word.lower() for text in texts for word in words(text)]
    thousands = [flat[start : start + 1000] for start in range(0, len(flat) - 1000, 1000)]
    return (
        mean(len(words(text)) for text in texts),
        mean(len(words(one)) for text in texts for one in sentences(text)),
        mean(map(len, flat)),
        mean(measure(text, 8).grade for text in texts),
        mean(len(set(part)) for part in thousands),
    )


@pytest.mark.slow
def test_no_two_openings_on_a_shelf_of_twenty_are_alike() -> None:
    for theme in told_by():
        for age in (4, 7, 10):
            _shelf_of_twenty(theme, age)


def test_no_two_openings_on_one_shelf_of_twenty_are_alike() -> None:
    _shelf_of_twenty("forest", 7)


def _shelf_of_twenty(theme: str, age: int) -> None:
    shelf: list[str] = []
    starts: Counter[str] = Counter()
    for seed in range(20):
        told = tell(Brief("Mia", "she", age, theme, seed, memory={"shelf": list(shelf)}))
        shelf.append(told.memory["signature"])
        starts[sentences(told.text)[0]] += 1
    assert len(starts) == 20, starts.most_common(2)
    for place, fewest in ((2, 4), (4, 3)):  # companions, quests
        assert len({one.split("|")[place] for one in shelf}) >= fewest, shelf


def _aligned(theme: str, age: int, seed: int) -> None:
    """Told of her, of him and of them, a story differs in its pronouns and in their verbs, and nowhere else."""
    for chapters in zip(
        *(whole_story(Brief("Kim", word, age, theme, seed, chapters=3)) for word in ("they", "she", "he")), strict=True
    ):
        they, she, he = (_TOKEN.findall(chapter.text.lower()) for chapter in chapters)
        assert len(they) == len(she) == len(he)
        for plural, hers, his in zip(they, she, he, strict=True):
            if not plural == hers == his:
                base = re.sub(r"'(?:d|ll)$", "", plural)
                pairs = {"they": ("she", "he"), "them": ("her", "him"), "their": ("her", "his"),
                         "theirs": ("hers", "his"), "themselves": ("herself", "himself"), "were": ("was", "was"),
                         "weren't": ("wasn't", "wasn't"), "are": ("is", "is"), "have": ("has", "has")}  # fmt: skip
                expected = tuple(one + plural[len(base) :] for one in pairs[base])
                assert (hers, his) == expected, f"{theme}: {plural} {hers} {his}"


def test_pronouns_are_right_for_everybody() -> None:
    _aligned("forest", 7, 3)
    _aligned("forest", 10, 4)


@pytest.mark.slow
def test_pronouns_are_right_in_every_theme() -> None:
    for theme in told_by():
        for age in (4, 7, 10):
            for seed in range(3):
                _aligned(theme, age, seed)


def test_a_shelf_may_be_given_in_any_order() -> None:
    brief = Brief("Mia", "she", 7, "forest", 1)
    used = [tell(replace(brief, seed=seed)).memory["signature"] for seed in range(5)]

    told = [tell(replace(brief, memory={"shelf": shelf})) for shelf in (used, used[::-1])]

    assert told[0] == told[1]
