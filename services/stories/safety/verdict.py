"""What the rules say of a text: allowed or not, and why. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

# Each category, and what is said to whoever sent the text; never with the words themselves.
REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "violence": "Our stories hurt nobody. Try an adventure that is solved by being clever or kind.",
        "weapons": "Our stories do without weapons. Try a magic wand, a map or a good friend.",
        "death": "That is too sad for this story. Try something that cheers the hero up.",
        "self_harm": "That does not fit a story. If somebody feels very bad, a grown-up can help: please talk to one.",
        "sexual": "That does not fit a children's story.",
        "romance": "Our stories are about friends and families. A hug is lovely.",
        "drugs": "That does not fit a children's story. Try hot chocolate.",
        "gambling": "Our stories do not play for money. Try a riddle or a race.",
        "hate": "Our stories are kind to everybody.",
        "bullying": "Our stories do not make fun of anybody. Try something friendly.",
        "frightening": "That is too scary at this age. Try something a little braver and brighter.",
        "danger": "Somebody might try that at home and get hurt. Try something safe.",
        "personal": "Please keep addresses, numbers, schools and photos out of it, and meet nobody from a story.",
        "links": "Please leave out links, sites and e-mail addresses.",
        "brands": "Our stories do not advertise. Try a made-up name.",
        "profanity": "Please use friendlier words.",
        "persuasion": "Our stories do not tell anybody what to believe or whom to vote for.",
        "injection": "Please tell what happens in the story, and nothing else.",
        "language": "Please write in English, with the letters A to Z: other languages cannot be checked here.",
        "avoid": "That is on the list of things to leave out of this child's stories.",
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of a text.

    Attributes:
        allowed: Whether a child may see it.
        score: 0 to 1; 1 if nothing was seen, 0 if it is refused for any age.
        category: Why it is refused, one of `REASONS`; empty if it is allowed.
        rule: The name of the rule that refused it; our words, never those of the text.
    """

    allowed: bool
    score: float
    category: str = ""
    rule: str = ""

    @property
    def reason(self) -> str:
        """What to say to whoever sent the text; empty if it is allowed."""
        return REASONS.get(self.category, "")
