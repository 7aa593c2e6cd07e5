"""Whether a message is a yes, or a no, and nothing else. Pure; no engine decides what the person has agreed to."""

import re
from typing import Final

# What the buttons send.
YES: Final = "Yes, delete"
NO: Final = "No, keep"

_SIGNS: Final = re.compile(r"[^\w\s']+")
_AGREEING: Final = (
    r"yes|yep|yeah|yup|y|ok|okay|sure|please|do|it|that|them|all|both|this|these|those|so|go|ahead|confirm|confirmed|i|"
    r"agree|of|course|absolutely|definitely|delete|remove|right|correct|just|now|thanks|thank|you|fine|with|me|am|"
    r"i'm|the|todo|todos|ja|bitte|oui|sí|si"
)
_AGREES: Final = re.compile(rf"(?:{_AGREEING})(?: (?:{_AGREEING}))*")
# One of these at least: "please" alone agrees to nothing.
_CORE: Final = re.compile(r"\b(?:yes|yep|yeah|yup|y|ok|okay|sure|confirm|confirmed|agree|absolutely|definitely|ahead|"
                          r"course|do it|do that|delete|remove|right|correct|fine|ja|oui|sí|si)\b")  # fmt: skip
_REFUSES: Final = re.compile(r"(?:no|nope|nah|n|don't|do not|never|keep|cancel|stop|leave|nein|non)\b.*")
_MAX_CHARS: Final = 60


def agrees(text: str) -> bool:
    """Whether this is a yes. A yes with anything else in it is none: what is meant would be a guess."""
    words = _words(text)
    return bool(words and _AGREES.fullmatch(words) and _CORE.search(words))


def refuses(text: str) -> bool:
    """Whether this is a no."""
    words = _words(text)
    return bool(words and _REFUSES.fullmatch(words))


def _words(text: str) -> str:
    if len(text) > _MAX_CHARS or "\n" in text.strip():
        return ""
    return " ".join(_SIGNS.sub(" ", text.replace("’", "'")).casefold().split())
