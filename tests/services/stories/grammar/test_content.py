"""The themes as they are written: enough of everything, every slot known, longer for the older, fit for every child."""

from collections.abc import Iterator
from functools import cache
from statistics import mean

import pytest

from services.stories import themes
from services.stories.grammar.parts import Part, Prose, Tale
from services.stories.grammar.reading import TIERS, common, load, told_by
from services.stories.grammar.voice import Voice
from services.stories.safety import judge
from tests.services.stories.grammar.reader import faults, sentences

FEWEST = {"refrains": 2, "settings": 3, "companions": 4, "quests": 3, "beats": 8, "moments": 6, "turns": 4}


def _plot(tale: Tale) -> Iterator[tuple[str, Prose]]:
    """All prose in which something happens."""
    for part in (*tale.beats, *tale.turns, *tale.moments, *(way for quest in tale.quests for way in quest.ways)):
        yield f"{tale.id} [{part.kind} {part.id}]", part.prose
    for quest in tale.quests:
        for key in ("problem", "climax", "ending", "calm"):
            yield f"{tale.id} [quest {quest.id}] {key}", getattr(quest, key)


def _prose(tale: Tale) -> Iterator[tuple[str, Prose]]:
    yield from _plot(tale)
    for part in (*tale.settings, *tale.openings):
        yield f"{tale.id} [{part.kind} {part.id}]", part.prose
    for companion in tale.companions:
        yield f"{tale.id} [companion {companion.id}]", companion.prose
    for choosable in _choosable(tale):
        yield f"{tale.id} [{choosable.id}] glimpse", choosable.glimpse
        if choosable.echo:
            yield f"{tale.id} [{choosable.id}] echo", choosable.echo


def _choosable(tale: Tale) -> tuple[Part, ...]:
    return (*tale.beats, *(way for quest in tale.quests for way in quest.ways))


@cache
def _voices(theme: str) -> tuple[Voice, ...]:
    pal = load(theme).companions[0]
    named = (("Mia", "she"), ("James", "he"), ("Zoë", "they"))
    return tuple(Voice(name, word, pal.names[0], pal, "the old mill", "the lost bell") for name, word in named)


@pytest.mark.slow
def test_every_theme_has_its_numbers_of_parts() -> None:
    for theme in told_by():
        tale = load(theme)
        for kind, fewest in FEWEST.items():
            assert len(getattr(tale, kind)) >= fewest, f"{theme} has too few {kind}"
        for quest in tale.quests:
            assert len(quest.ways) >= 3, f"{theme} has too few ways of {quest.id}"


def test_themes_and_beats_are_as_many_as_promised() -> None:
    tales = [load(theme) for theme in told_by()]

    assert set(told_by()) <= set(themes.THEMES)
    assert len(tales) >= 10
    assert sum(1 for tale in tales for _ in _plot(tale)) >= 220
    assert sum(len(_choosable(tale)) for tale in tales) >= 160


def test_no_passage_begins_like_another() -> None:
    for tier in TIERS:
        seen: dict[str, str] = {}
        for theme in told_by():
            for where, prose in _plot(load(theme)):
                start = prose[tier][:60]
                assert start not in seen, f"{where} begins as {seen[start]}: {start!r}"
                seen[start] = where


def test_every_passage_grows_with_the_age() -> None:
    for theme in told_by():
        for where, prose in _plot(load(theme)):
            lengths = [len(prose[tier].split()) for tier in TIERS]
            assert lengths[0] < lengths[1] < lengths[2], f"{where}: {lengths}"


def test_sentences_grow_with_the_age() -> None:
    for theme in told_by():
        by_tier = [
            mean(len(one.split()) for _, prose in _plot(load(theme)) for one in sentences(prose[tier]))
            for tier in TIERS
        ]
        assert by_tier[0] < 6.5 < by_tier[1] < 12 < by_tier[2] + 2, f"{theme}: {by_tier}"
        assert by_tier[1] < by_tier[2], f"{theme}: {by_tier}"


def test_choices_are_short_and_no_two_of_a_theme_alike() -> None:
    for theme in told_by():
        choices = [part.choice for part in _choosable(load(theme))]
        assert len(set(choices)) == len(choices), theme
        for choice in choices:
            assert 2 <= len(choice.split()) <= 9, f"{theme}: {choice!r}"
            assert choice[-1].isalnum(), f"{theme}: {choice!r}"


@pytest.mark.slow
def test_every_passage_is_told_without_fault_of_every_child() -> None:
    for theme in told_by():
        for where, prose in _prose(load(theme)):
            for voice in _voices(theme):
                for tier in TIERS:
                    wrong = list(faults(voice.say(prose[tier])))
                    assert not wrong, f"{where} {tier}: {wrong}"


@pytest.mark.slow
def test_every_passage_is_allowed_for_its_children() -> None:
    for theme in told_by():
        voice = _voices(theme)[0]
        for where, prose in _prose(load(theme)):
            for tier in TIERS:
                found = judge(voice.say(prose[tier]), age=int(tier))
                assert found.allowed, f"{where} {tier}: {found.category} ({found.rule})"


@pytest.mark.slow
def test_every_choice_title_and_lesson_is_allowed() -> None:
    for theme in told_by():
        tale = load(theme)
        said = [part.choice for part in _choosable(tale)]
        said += [part.title for part in tale.beats] + [part.teaches for part in tale.beats if part.teaches]
        said += [line for quest in tale.quests for line in (quest.title, quest.teaches)]
        for line in said:
            found = judge(line, age=3)
            assert found.allowed, f"{theme}: {line!r} {found.category} ({found.rule})"


@pytest.mark.slow
def test_what_all_themes_share_passes_the_rules_too() -> None:
    for voice in _voices("forest"):
        for part in (part for parts in common().values() for part in parts):
            for tier in TIERS:
                text = voice.say(part.prose[tier], did="sang", prior="sang", idea="We sing", interest="kites")
                assert judge(text, age=int(tier)).allowed, f"[{part.kind} {part.id}] {tier}"
