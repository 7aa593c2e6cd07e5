"""The prompts of a chapter, made from its turn; the same turn gives the same prompt. Pure.

Names, wishes and what was told are somebody's words: they go to a model between the lines of a boundary only, or as one
short line without such marks.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.assistants.base import Turn
from services.assistants.prompting import boundary_of, render
from services.assistants.stories.input import one_line
from services.llm.messages import Message, Request
from services.stories import themes
from services.stories.ages import band, tier

TEMPERATURE: Final = 0.8
# Two words are wanted; models that think first need room for it.
CHECK_TOKENS: Final = 300
ENRICH_TOKENS: Final = 2_000
# Only a bound: who writes more words than a chapter has is ended by them (`prose`).
WRITE_TOKENS: Final = 3_000
_MAX_TAIL_CHARS: Final = 1_500
_MAX_RECAP_CHARS: Final = 1_500
_PRONOUNS: Final[Mapping[str, str]] = {"she": "she, her", "he": "he, him, his", "they": "they, them, their (one child)"}


def write(turn: Turn, *, authored: str, partial: str, gently: bool = False) -> Request:
    """The call that tells the chapter.

    Args:
        authored: The chapter as the built-in storyteller tells it.
        partial: What has been told of it already.
        gently: Whether the model is to go another way than before.
    """
    facts, child = turn.facts, turn.facts["child"]
    word = boundary(turn)
    said = band(int(child["age"]), str(child["level"]))
    system = render(
        "stories",
        "system",
        hero=_short(child["name"]),
        pronouns=_PRONOUNS.get(str(child["pronouns"]), _PRONOUNS["they"]),
        age=str(int(child["age"])),
        interests=_listed(child["interests"]) or "nothing is known",
        avoid=_listed(child["avoid"]) or "nothing more",
        age_band=render("stories", f"age_{tier(int(child['age']), str(child['level']))}"),
        fewest=str(said.words[0]),
        most=str(said.words[1]),
        sentence_words=str(said.sentence_words),
        boundary=word,
    )
    asked = render(
        "stories",
        "turn",
        chapter=_chapter(facts),
        theme=_theme(facts),
        before=_before(facts, word),
        wishes=_wishes(facts, word),
        ending=render("stories", _ending(facts)),
        gently=render("stories", "gently") if gently else "",
    )
    return Request(
        [Message("system", system), Message("user", asked)],
        authored=authored,
        partial=partial,
        max_tokens=WRITE_TOKENS,
        temperature=TEMPERATURE,
    )


def check(turn: Turn, passage: str, before: str) -> Request:
    """The call that asks whether a passage is fit for the child."""
    child = turn.facts["child"]
    word = boundary_of([turn.message_id, turn.conversation_id], [passage, before])
    asked = render(
        "stories",
        "check",
        age=str(int(child["age"])),
        avoid=_listed(child["avoid"]) or "nothing more",
        before=before or "Nothing.",
        passage=passage.strip(),
        boundary=word,
    )
    return Request([Message("user", asked)], authored="", max_tokens=CHECK_TOKENS, temperature=0.0)


def enrich(turn: Turn, text: str) -> Request:
    """The call that asks for what goes with a chapter besides its text."""
    facts, child = turn.facts, turn.facts["child"]
    word = boundary_of([turn.message_id, turn.conversation_id], [text, str(facts.get("recap") or "")])
    count = 0 if facts["is_last"] else band(int(child["age"]), str(child["level"])).choices
    hero = _short(child["name"])
    choices = (
        render("stories", "choices_some", count=str(count), hero=hero) if count else render("stories", "choices_none")
    )
    asked = render(
        "stories",
        "enrich",
        chapter=_chapter(facts),
        hero=hero,
        age=str(int(child["age"])),
        recap=str(facts.get("recap") or "")[:_MAX_RECAP_CHARS] or "Nothing.",
        text=text.strip(),
        choices=choices,
        avoid=_listed(child["avoid"]) or "nothing more",
        boundary=word,
    )
    return Request([Message("user", asked)], authored="", max_tokens=ENRICH_TOKENS, temperature=0.2)


def boundary(turn: Turn) -> str:
    """The word that marks material in the prompt of this turn's chapter."""
    return boundary_of(
        [turn.message_id, turn.conversation_id], [json.dumps(turn.facts, default=str, ensure_ascii=False)]
    )


def _chapter(facts: Mapping[str, Any]) -> str:
    return f"chapter {int(facts['chapter_number'])} of {max(int(facts['chapters']), int(facts['chapter_number']))}"


def _theme(facts: Mapping[str, Any]) -> str:
    theme = themes.THEMES.get(str(facts["theme"]))
    return f"{theme.title.lower()} ({theme.words})" if theme else _short(facts["theme"])


def _before(facts: Mapping[str, Any], word: str) -> str:
    recap, tail = str(facts.get("recap") or "")[:_MAX_RECAP_CHARS], str(facts.get("tail") or "")[-_MAX_TAIL_CHARS:]
    known = [str(one) for one in (facts.get("memory") or {}).get("facts") or ()]
    if not recap and not tail:
        return ""
    return render(
        "stories",
        "before",
        boundary=word,
        recap=recap or "Nothing is known.",
        facts=render("stories", "facts", boundary=word, facts="\n".join(f"- {one}" for one in known)) if known else "",
        tail=render("stories", "tail", boundary=word, tail=tail) if tail else "",
    )


def _wishes(facts: Mapping[str, Any], word: str) -> str:
    named = {"title": facts.get("title"), "choice": facts.get("choice"), "idea": facts.get("idea")}
    given = {name: one_line(str(value)) for name, value in named.items() if value}
    return "".join(render("stories", name, boundary=word, **{name: value}) for name, value in given.items())


def _ending(facts: Mapping[str, Any]) -> str:
    if facts.get("bedtime"):
        return "ending_bedtime"
    return "ending_last" if facts["is_last"] else "ending_open"


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(text for value in values if (text := _short(value)))


def _short(value: Any) -> str:
    """A name cannot open or close a block, nor begin a line: it is one short line."""
    return one_line(str(value)).replace("<<<", "").replace(">>>", "")[:40]
