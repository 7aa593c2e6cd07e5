"""A turn as the built-in storyteller is asked to tell it. Pure."""

from services.assistants.base import Turn
from services.stories.grammar import Brief


def brief_of(turn: Turn) -> Brief:
    """The brief of a turn's chapter; the same turn gives the same one."""
    facts, child = turn.facts, turn.facts["child"]
    return Brief(
        name=str(child["name"]),
        pronouns=str(child["pronouns"]),
        age=int(child["age"]),
        level=str(child["level"]),
        theme=str(facts["theme"]),
        seed=int(facts["seed"]),
        interests=tuple(str(one) for one in child["interests"]),
        avoid=tuple(str(one) for one in child["avoid"]),
        number=int(facts["chapter_number"]),
        chapters=int(facts["chapters"]),
        choice=str(facts.get("choice") or ""),
        idea=str(facts.get("idea") or ""),
        title=str(facts.get("title") or ""),
        memory=dict(facts.get("memory") or {}),
        is_last=bool(facts["is_last"]),
        bedtime=bool(facts.get("bedtime")),
    )
