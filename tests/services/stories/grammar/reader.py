"""Reads a told text as a strict teacher would, and tells what is wrong with it."""

import re
from collections.abc import Iterator

from services.stories.grammar import Brief, Told, tell

_TWICE = re.compile(r"\b(\w+) \1\b", re.IGNORECASE)
_MAY_STAND_TWICE = {"had", "that", "ho", "ha", "la"}
# A small letter after a sentence's end. After a cry it may go on: "Why?" asked Mia. Whoosh! went the wind.
_SMALL_START = re.compile(r"(?:[.?]|(?<!\.)\.\"|!(?! (?:went|said|goes)\b)) [a-zà-ÿ]")
_BEGINS = re.compile(r"\"?'?[A-ZÀ-Þ]")
_ENDS = re.compile(r"[.!?][\"']?$")
_A_VOWEL = re.compile(r"\ba (?!one\b|once\b|uni|use|usu|eu|ewe)[aeiou]\w*", re.IGNORECASE)
_AN_CONSONANT = re.compile(r"\ban (?!hour|hono|heir|[fhlmnrsx]\b)[^aeiou\W]\w*", re.IGNORECASE)
_AGREEMENT = re.compile(
    r"\b(?:they (?:was|wasn't|is|has|does)|(?:she|he) (?:were|weren't|are|have|do))\b", re.IGNORECASE
)
_ODD = re.compile(r"[{}\[\]<>_*#]|\s[,.;:!?]|,,|(?<!\.)\.\.(?!\.)|[,;:][.!?]|[!?]{2}|  |\bNone\b(?! of)|\t")
_LOWER_I = re.compile(r"\bi\b(?!')")
_GLUED = re.compile(r"[a-z][.!?,][A-Za-z]")


def faults(text: str) -> Iterator[str]:
    """What is wrong with a text, each with the words around it."""
    for paragraph in text.split("\n\n"):
        if paragraph != paragraph.strip() or "\n" in paragraph or not paragraph:
            yield f"white space: {paragraph[:40]!r}"
        if not _BEGINS.match(paragraph):
            yield f"begins small: {paragraph[:40]!r}"
        if not _ENDS.search(paragraph):
            yield f"has no end: {paragraph[-40:]!r}"
        if paragraph.count('"') % 2:
            yield f"quotes do not balance: {paragraph[:60]!r}"
        for twice in _TWICE.finditer(paragraph):
            if twice[1].lower() not in _MAY_STAND_TWICE:
                yield f"said twice: {_around(paragraph, twice)}"
        for wrong in (_SMALL_START, _A_VOWEL, _AN_CONSONANT, _AGREEMENT, _ODD, _LOWER_I, _GLUED):
            for found in wrong.finditer(paragraph):
                yield f"wrong: {_around(paragraph, found)}"


def _around(text: str, found: re.Match[str]) -> str:
    return repr(text[max(0, found.start() - 30) : found.end() + 30])


def sentences(text: str) -> list[str]:
    return [one for one in re.split(r"(?<=[.!?])[\"']?\s+", text) if one.strip()]


def whole_story(brief: Brief, *, pick: int = 0, bedtime: bool = False) -> list[Told]:
    """All chapters of a story, each choosing what was offered before."""
    told: list[Told] = []
    for number in range(1, brief.chapters + 1):
        last = number == brief.chapters
        before = told[-1] if told else None
        told.append(
            tell(
                Brief(
                    name=brief.name,
                    pronouns=brief.pronouns,
                    age=brief.age,
                    level=brief.level,
                    interests=brief.interests,
                    avoid=brief.avoid,
                    theme=brief.theme,
                    number=number,
                    chapters=brief.chapters,
                    choice=before.choices[pick % len(before.choices)] if before and before.choices else "",
                    idea=brief.idea if number == 2 else "",
                    memory=before.memory if before else brief.memory,
                    seed=brief.seed * 100 + number,
                    is_last=last,
                    bedtime=bedtime and last,
                )
            )
        )
    return told
