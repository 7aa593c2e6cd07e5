"""Whether a piece may be shown: the rules first, then, where there is a model, what its provider says.

The rules alone decide where the provider gives no clear answer in time; that is counted, and the adult is told.
"""

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from services.assistants.base import Turn
from services.assistants.stories import prompt
from services.assistants.stories.telling import MODEL, RULES
from services.errors import ModelError
from services.llm.messages import Request, Usage
from services.stories.safety import REASONS, Verdict

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 3.0
# A provider that does not answer is not waited for with every sentence of a chapter.
_PATIENCE: Final = 2
# What of the story before goes along with a piece: a sentence may be unkind only because of the one before it.
_BEFORE_CHARS: Final = 500
_SCORE_REFUSED: Final = 0.0
# What providers call what our rules have other names for.
_THEIRS: Final[Mapping[str, str]] = {
    "harassment": "bullying",
    "illicit": "danger",
    "self-harm": "self_harm",
    "scary": "frightening",
    "horror": "frightening",
    "mockery": "bullying",
    "blood": "violence",
    "cruelty": "violence",
    "alcohol": "drugs",
    "smoking": "drugs",
    "swearing": "profanity",
    "romantic": "romance",
    "private": "personal",
    "politics": "persuasion",
}
_SAFE: Final = re.compile(r"[\W_]*safe\b", re.IGNORECASE)
_UNSAFE: Final = re.compile(r"[\W_]*unsafe\b[\W_]*([a-z_-]{0,30})", re.IGNORECASE)


class Said(Protocol):
    """A short answer of the model's (services/llm/asking.py)."""

    @property
    def text(self) -> str: ...
    @property
    def usage(self) -> Usage | None: ...


class Moderated(Protocol):
    """What a provider's moderation says (services/llm/asking.py)."""

    @property
    def flagged(self) -> bool: ...
    @property
    def category(self) -> str: ...
    @property
    def score(self) -> float: ...


class Provider(Protocol):
    """Who is asked besides the rules (services/llm/door.py)."""

    def say(self, request: Request, *, timeout_s: float) -> Said:
        """A short answer, whole. Raises ModelError."""
        ...

    def moderate(self, text: str, *, timeout_s: float) -> Moderated:
        """What the provider's moderation says. Raises ModelError."""
        ...


class Judge(Protocol):
    """The rules (services/stories/safety)."""

    def __call__(
        self, text: str, *, age: int, avoid: Sequence[str] = (), before: str = "", names: Sequence[str] = ()
    ) -> Verdict:
        """Whether a storyteller may say it."""
        ...


@dataclass(frozen=True, slots=True)
class Checked:
    """A piece that was looked at. `decided_by`: who refused it, or who looked at it last."""

    text: str
    verdict: Verdict
    decided_by: str


@dataclass(slots=True)
class Checks:
    """The checks of one chapter.

    Args:
        how: `rules`, `moderation` or `model`: who is asked besides the rules.
        timeout_s: How long the provider is waited for with each piece.

    Attributes:
        score: The lowest of the pieces that were let through.
        by_rules_alone: How many pieces the provider gave no clear answer about.
    """

    turn: Turn
    judge: Judge
    how: str = RULES
    provider: Provider | None = None
    timeout_s: float = TIMEOUT_S
    score: float = 1.0
    pieces: int = 0
    by_model: int = 0
    by_rules_alone: int = 0
    seconds: float = 0.0
    usages: list[Usage] = field(default_factory=list)
    _missed: int = 0

    def of(self, text: str, before: str, *, is_authored: bool = False) -> Checked:
        """Look at a piece.

        Args:
            before: What was told before it, all of it approved.
            is_authored: Whether this site wrote it: then the rules are enough.
        """
        began_s = time.monotonic()
        child = self.turn.facts["child"]
        name, avoid = str(child["name"]), tuple(child["avoid"])
        verdict = self.judge(text, age=int(child["age"]), avoid=avoid, before=before, names=(name,))
        asks = verdict.allowed and not is_authored and self.how != RULES and self.provider is not None
        said = self._asked(text, before) if asks else None
        self.seconds += time.monotonic() - began_s
        if said is not None and not said.allowed:
            return Checked(text, said, MODEL)
        if not verdict.allowed:
            return Checked(text, verdict, RULES)
        self.pieces += 1
        self.by_model += said is not None
        self.by_rules_alone += asks and said is None
        self.score = min(self.score, verdict.score, said.score if said is not None else 1.0)
        return Checked(text, verdict, MODEL if said is not None else RULES)

    @property
    def checked_by(self) -> list[str]:
        """Who looked at every piece that was let through."""
        return [RULES, MODEL] if self.pieces and self.by_model == self.pieces else [RULES]

    def refuses(self, text: str) -> bool:
        """Whether the provider clearly refuses what goes with a chapter; the rules have looked at it."""
        if self.how == RULES or self.provider is None or not text:
            return False
        said = self._asked(text, "")
        return said is not None and not said.allowed

    def _asked(self, text: str, before: str) -> Verdict | None:
        """What the provider says; None: nothing clear."""
        if self._missed >= _PATIENCE:
            return None
        assert self.provider is not None
        tail = before[-_BEFORE_CHARS:]
        try:
            said = self._moderated(self.provider, tail + text) if self.how == "moderation" else self._said(text, tail)
        except ModelError as failure:
            logger.info("check of a piece failed", extra={"code": failure.code, "message_id": self.turn.message_id})
            said = None
        self._missed = 0 if said is not None else self._missed + 1
        return said

    def _moderated(self, provider: Provider, text: str) -> Verdict:
        found = provider.moderate(text, timeout_s=self.timeout_s)
        if not found.flagged:
            return Verdict(True, round(1.0 - found.score, 3))
        return Verdict(False, _SCORE_REFUSED, category_of(found.category), MODEL)

    def _said(self, text: str, before: str) -> Verdict | None:
        assert self.provider is not None
        said = self.provider.say(prompt.check(self.turn, text, before), timeout_s=self.timeout_s)
        if said.usage is not None:
            self.usages.append(said.usage)
        return verdict_of(said.text)


def check_of(setting: str, *, has_model: bool, is_hosted: bool) -> str:
    """Who is asked besides the rules: `rules` (nobody), `moderation` or `model`.

    Args:
        setting: STORIES_CHECK.
        is_hosted: Whether the model's server is OpenAI's own, which has a moderations endpoint.
    """
    if not has_model:
        return RULES
    if setting == "auto":
        return "moderation" if is_hosted else MODEL
    return setting


def verdict_of(said: str) -> Verdict | None:
    """What a model's word about a piece means; None: it is neither a yes nor a no."""
    if unsafe := _UNSAFE.match(said):
        return Verdict(False, _SCORE_REFUSED, category_of(unsafe[1]), MODEL)
    # "SAFE or UNSAFE?" and "Safe? No: it is unsafe" say nothing that one could rely on.
    if _SAFE.match(said) and "unsafe" not in said.casefold():
        return Verdict(True, 1.0)
    return None


def category_of(said: str) -> str:
    """A provider's word for why, as one of ours: what a model says is shown to nobody, not even that."""
    word = said.casefold().strip("_- ").partition("/")[0]
    named = _THEIRS.get(word, word)
    return named if named in REASONS else MODEL
