"""One chapter on its way: told by a model or by the built-in storyteller, each piece checked before it is an event.

A refused piece is written down for the adult first; then the model's call is ended and another one goes on from what
was approved, more gently, at most twice. The built-in storyteller puts a plain passage in its place. What is held back
when a model breaks off is checked like everything else, as far as it is whole sentences.
"""

import re
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.assistants.base import Engine, Turn, close
from services.assistants.stories import prompt, telling
from services.assistants.stories.checking import Checked, Checks
from services.assistants.stories.prose import Prose
from services.assistants.stories.resolving import Desk
from services.assistants.stories.telling import Progress
from services.errors import AppError, ModelBroken, ModelUnreachable
from services.llm import builtin
from services.llm.messages import Began, Delta, Finish, Part, Usage
from services.llm.tokens import estimated_usage
from services.stories.ages import band
from services.stories.grammar import Brief, Told, gentle
from services.stories.safety import Pieces, Verdict
from services.streaming.answers import EmptyAnswer
from services.streaming.coalesce import Normaliser, clean
from services.streaming.events import METADATA, Event, delta

# The first telling, and two gentler ones.
ATTEMPTS: Final = 3
# Of the most words of a chapter: a model that counts badly may finish its thought.
_LENIENCE: Final = 1.4
_FEWEST_MORE: Final = 60
THE_END: Final = "The end."
# What the adult reads of a passage that the provider kept back.
UNSEEN: Final = "The model's provider withheld a passage; nobody here has seen it."
# For the case that nothing else is left to say.
_PLAIN: Final = "Then everything was calm and friendly again, and they went on together."
_WORD: Final = re.compile(r"\s*\S+|\s+$")
_IS_END: Final = re.compile(r"the end\W*\Z", re.IGNORECASE)
# So many characters that are the same are no accident.
_SAME_CHARS: Final = 60
_FILTERED: Final = "CONTENT_FILTER"


class StoryWithheld(AppError):
    """A chapter went where it must not, again and again; what was approved is kept."""

    code = "SAFETY_REJECTED"
    retryable = True
    default_message = (
        "The story wanted to go where a story for children should not, so it stops here. What came is kept; try again."
    )


@dataclass(slots=True)
class Writing:
    """See the module's text.

    Args:
        told: The chapter as the built-in storyteller tells it.
        facts: What `metadata` tells of the turn, whoever answers.

    Attributes:
        approved: The text of the chapter so far, with what it went on from: nothing in it was not checked.
        rejected: How many pieces were withheld.
        is_told: Whether the built-in storyteller's words, where they are spoken, are those of `told`.
        first_piece_s: When the first piece was shown, from the beginning; None: none was.
        first_token_s: When the first words came from the engine.
    """

    turn: Turn
    engine: Engine
    checks: Checks
    desk: Desk
    brief: Brief
    told: Told
    progress: Progress
    facts: Mapping[str, Any]
    approved: str = ""
    shown: int = 0
    rejected: int = 0
    is_builtin: bool = False
    is_told: bool = False
    heading: str = ""
    usages: list[Usage] = field(default_factory=list)
    first_piece_s: float | None = None
    first_token_s: float | None = None
    _began_s: float = field(default_factory=time.monotonic)
    _index: int = 0
    _received: int = 0
    _is_cut: bool = False

    def __post_init__(self) -> None:
        self.approved = clean(self.turn.partial)
        self.is_builtin = getattr(self.engine, "name", builtin.NAME) == builtin.NAME

    def events(self) -> Iterator[Event]:
        """The chapter's text, with its checks.

        Raises:
            StoryWithheld: It went wrong again and again.
            EmptyAnswer: Nothing came that could be shown.
            ModelError: The engine's own.
            Unavailable: What is withheld cannot be written down.
        """
        for attempt in range(ATTEMPTS):
            shown = self.shown
            refused = yield from self._attempt(attempt)
            if refused is None and self.shown > shown:
                break
            if refused is not None:
                is_over = attempt == ATTEMPTS - 1
                action = telling.ENDED if is_over else telling.REWRITTEN
                yield telling.rejected(refused.verdict.score, refused.verdict.category, refused.decided_by, action)
                if is_over:
                    raise StoryWithheld
        if not self.shown:
            raise EmptyAnswer
        yield from self._ending()

    @property
    def text(self) -> str:
        """The whole chapter."""
        return self.approved

    # -- one call of the engine

    def _attempt(self, attempt: int) -> Generator[Event, None, Checked | None]:
        """What refused it, or None if it came to its end."""
        request = prompt.write(self.turn, authored=self._authored(), partial=self.approved, gently=attempt > 0)
        counted, self._received = len(self.usages), 0
        parts = self.engine.stream(request)
        try:
            refused = yield from self._heard(parts)
        finally:
            close(parts)
        if len(self.usages) == counted:
            # It was ended before it could tell what it took.
            self.usages.append(estimated_usage(request, self._received))
        return refused

    def _heard(self, parts: Iterator[Part]) -> Generator[Event, None, Checked | None]:
        normaliser, pieces, prose = Normaliser(), self._pieces(), self._prose()
        finish: Finish | None = None
        try:
            for part in parts:
                match part:
                    case Began():
                        yield from self._who(part)
                    case Delta():
                        text = self._arrived(normaliser.add(part.text), prose)
                        refused = yield from self._pass(pieces.feed(text))
                        if refused is not None:
                            return refused
                        if prose.is_full:
                            break
                    case Usage():
                        # The built-in storyteller has read no prompt.
                        spent = Usage(0, part.completion_tokens, estimated=True) if self.is_builtin else part
                        self.usages.append(spent)
                    case Finish():
                        finish = part
        except ModelBroken as failure:
            refused = yield from self._rest(pieces, prose, normaliser, whole=False)
            if failure.code != _FILTERED:
                raise
            # The provider withheld what comes next: another way is looked for, as with a piece that we refuse.
            unseen = Checked(UNSEEN, Verdict(False, 0.0, telling.MODEL, "provider"), telling.MODEL)
            return refused or self._withhold(unseen)
        if finish is None and not prose.is_full:
            yield from self._rest(pieces, prose, normaliser, whole=False)
            raise ModelBroken
        is_whole = finish is not None and finish.reason == "stop"
        self._is_cut = not is_whole and not _IS_END.search(self.approved)
        refused = yield from self._rest(pieces, prose, normaliser, whole=is_whole)
        self.heading = self.heading or prose.title
        return refused

    def _who(self, began: Began) -> Iterator[Event]:
        """Who answers, if it is not who was asked."""
        if began.fallback and self.shown:
            # After the first words nobody else goes on in a model's place.
            raise ModelUnreachable(code=str(began.facts.get("fallback_code") or ModelUnreachable.code))
        was_builtin, self.is_builtin = self.is_builtin, began.engine == builtin.NAME
        if began.fallback or was_builtin != self.is_builtin or began.facts:
            yield Event(METADATA, {**self.facts, **began.facts, "engine": began.engine, "fallback": began.fallback})

    def _arrived(self, text: str, prose: Prose) -> str:
        self._received += len(text)
        if self.first_token_s is None and text.strip():
            self.first_token_s = time.monotonic() - self._began_s
        return text if self.is_builtin else prose.feed(text)

    def _rest(
        self, pieces: Pieces, prose: Prose, normaliser: Normaliser, *, whole: bool
    ) -> Generator[Event, None, Checked | None]:
        """What was held back at the end."""
        left = self._arrived(normaliser.end(), prose)
        left += "" if self.is_builtin else prose.finish(whole=whole)
        return (yield from self._pass([*pieces.feed(left), *pieces.finish()]))

    # -- pieces

    def _pass(self, pieces: Iterable[str]) -> Generator[Event, None, Checked | None]:
        """Show what may be shown; the first piece that may not, which is written down already."""
        for piece in pieces:
            checked = self._checked(piece)
            if checked.verdict.allowed:
                yield from self._show(piece)
            elif not self.is_builtin:
                return self._withhold(checked)
            else:
                yield from self._instead(self._withhold(checked))
        return None

    def _checked(self, piece: str) -> Checked:
        return self.checks.of(piece, self.approved, is_authored=self.is_builtin)

    def _show(self, piece: str) -> Iterator[Event]:
        if not piece.strip():
            # White space between two pieces belongs to the text, and is nothing to look at.
            self.approved += piece
            if piece:
                yield delta(piece)
            return
        self._index += 1
        self.shown += 1
        self.approved += piece
        if self.first_piece_s is None:
            self.first_piece_s = time.monotonic() - self._began_s
        if self.turn.facts.get("mode") == "token":
            yield from map(delta, _WORD.findall(piece))
        else:
            yield delta(piece)
        yield self.progress.within(telling.WRITE, len(self.approved.split()) / self._usual_words())

    def _withhold(self, checked: Checked) -> Checked:
        """Write a refused piece down for the adult, before anything is told of it."""
        self.desk.withheld(self.turn, self._index, checked.text, checked.verdict, checked.decided_by)
        self._index += 1
        self.rejected += 1
        return checked

    def _instead(self, refused: Checked) -> Iterator[Event]:
        """The built-in storyteller's other way."""
        verdict = refused.verdict
        yield telling.rejected(verdict.score, verdict.category, refused.decided_by, telling.REWRITTEN)
        tail = refused.text[len(refused.text.rstrip()) :]
        for passage in (clean(gentle(self.brief, self.approved, self._index)), _PLAIN):
            piece = self._apart(passage.strip()) + tail
            checked = self._checked(piece)
            if checked.verdict.allowed:
                yield from self._show(piece)
                return
            self._withhold(checked)

    def _ending(self) -> Iterator[Event]:
        """The last words of a last chapter, if they are not there."""
        if not self.turn.facts["is_last"] or _IS_END.search(self.approved):
            return
        # A telling that was cut is brought to its end; one that came to it needs only the words.
        closing = clean(gentle(self.brief, self.approved, self._index, closes=True)).strip()
        more = [closing, THE_END] if self._is_cut else [THE_END]
        for passage in more:
            piece = self._apart(passage)
            if not _IS_END.search(self.approved) and self._checked(piece).verdict.allowed:
                yield from self._show(piece)

    # -- what the calls are made of

    def _pieces(self) -> Pieces:
        return Pieces(
            "token" if self.turn.facts.get("mode") == "token" else "paragraph", int(self.turn.facts["chunk_words"])
        )

    def _prose(self) -> Prose:
        most = int(self._usual_words() * _LENIENCE) - len(self.approved.split())
        return Prose(self.approved, max_words=max(most, _FEWEST_MORE), is_last=bool(self.turn.facts["is_last"]))

    def _usual_words(self) -> int:
        child = self.turn.facts["child"]
        return band(int(child["age"]), str(child["level"])).words[1]

    def _authored(self) -> str:
        """The built-in storyteller's chapter; behind somebody else's words a passage that brings them to their end."""
        text = clean(self.told.text)
        # With a passage replaced in its midst it is still this telling.
        last = self.approved[-_SAME_CHARS:]
        is_within = len(last) == _SAME_CHARS and text.count(last) == 1
        self.is_told = text.startswith(self.approved) or is_within
        if text.startswith(self.approved):
            return text
        if is_within:
            return self.approved + text.partition(last)[2]
        passage = clean(gentle(self.brief, self.approved, self._index, closes=True)).strip()
        return self.approved + self._apart(passage)

    def _apart(self, passage: str) -> str:
        """A passage as a paragraph of its own behind what was told."""
        told = self.approved
        if not told or told.endswith("\n\n"):
            return passage
        return ("\n" if told.endswith("\n") else "\n\n") + passage
