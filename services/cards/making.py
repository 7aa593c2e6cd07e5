"""Cards from an answer, once: the deck is noted and its points are held, the cards are made, all is stored and paid.

Whatever dies on the way, no second deck comes of it: a deck in the making is taken over after a while (decks.py), and
points that are held for it are given back after that (points.py).
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services import errors
from services.cards import asking
from services.cards.asking import Asked
from services.cards.extract import extract
from services.cards.made import Made
from services.llm.door import Door
from services.points import Points, tokens_in
from services.settings import Settings
from services.store import decks
from services.store import points as ledger
from services.store.base import new_id, utc_now
from services.store.database import Database, Session
from services.store.decks import MAKING_AT_MOST, Deck, Source

logger = logging.getLogger(__name__)

# The assistant whose answers cards are made from, and whose points pay for them.
ASSISTANT: Final = "study"
# Requests of this process that wait for a model at once; the model's door keeps connections for 16 beyond the streams.
_ROOM: Final = 8
_TITLE_CHARS: Final = 80
_POINTS_HELD: Final = MAKING_AT_MOST + timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Offered:
    """An answer that cards can be made from, and what that will probably cost; or the deck it has already."""

    source: Source
    estimate: int
    deck: Deck | None


class Cards:
    """Makes decks.

    Args:
        within_s: How long a model may take, all its attempts together.
        clock: Gives the time, for tests.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        engine: Door,
        points: Points,
        *,
        within_s: float = asking.WITHIN_S,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._database = database
        self._engine = engine
        self._points = points
        self._within_s = within_s
        self._clock = clock
        self._room = threading.BoundedSemaphore(_ROOM)

    def offer(self, user_id: int, message_id: str) -> Offered:
        """What can be made from an answer.

        Raises:
            NotFound: Unknown, somebody else's, or no answer of the study chat.
            Conflict: It is still being written, or empty.
        """
        source, deck = self._database.run(_source, user_id, message_id)
        return Offered(source, self._estimate(source), deck)

    def make(self, user_id: int, message_id: str) -> tuple[Deck, bool]:
        """The deck of an answer, made now if there is none; and whether it was.

        Raises:
            NotFound: Unknown, somebody else's, or no answer of the study chat.
            Conflict: The answer is still being written or says too little (`TOO_SHORT`), its cards are being made
                at this moment (`CARDS_BUSY`), or the person has too many decks.
            PointsExhausted: Too few are left.
            LimitReached, SiteFull: Too much is in the making, of the person's or here.
            ModelUnreachable: And there is no falling back on this site.
        """
        offered = self.offer(user_id, message_id)
        if offered.deck is not None and offered.deck.made_at is not None:
            return offered.deck, False
        if not self._settings.streaming_enabled:
            raise errors.Unavailable(
                "New answers and cards are switched off on this site for now.", code="STREAMING_OFF"
            )
        if not self._room.acquire(blocking=False):
            raise errors.SiteFull("The site is making as many cards as it can. Try again in a moment.", retry_after_s=5)
        try:
            return self._make(user_id, offered)
        finally:
            self._room.release()

    def _make(self, user_id: int, offered: Offered) -> tuple[Deck, bool]:
        deck_id = new_id()
        known = self._database.run(self._begin, user_id, offered, deck_id)
        if known is not None:
            return known, False
        try:
            # The id is part chance and was made just now: no text can hold it.
            asked = asking.ask(self._engine, offered.source, boundary=deck_id, within_s=self._within_s)
            made = asked.made or extract(offered.source.text)
            if made is None:
                raise errors.Conflict(
                    "This answer says too little for five cards. Ask for more detail first.", code="TOO_SHORT"
                )
            deck = self._database.run(
                self._finish, user_id, deck_id, made, asked, self._cost(offered.source, made, asked)
            )
        except BaseException:
            self._give_up(deck_id)
            raise
        if deck is None:
            raise errors.Unavailable("Making these cards took too long. Try again.")
        logger.info("cards made", extra={"cards": len(made.cards), "engine": asked.engine, "fallback": asked.fallback})
        return deck, True

    def _begin(self, s: Session, user_id: int, offered: Offered, deck_id: str) -> Deck | None:
        decks.take_turn(s, user_id)
        now, source = self._clock(), offered.source
        known = decks.of_message(s, user_id, source.message_id)
        if known is not None and known.made_at is not None:
            return known
        self._points.check(s, user_id, offered.estimate)
        title = titled(source)
        decks.begin(s, user_id, source.message_id, deck_id=deck_id, title=title, now=now)
        self._points.reserve(s, user_id, paid_as(deck_id), offered.estimate, expires_at=now + _POINTS_HELD)
        return None

    def _finish(self, s: Session, user_id: int, deck_id: str, made: Made, asked: Asked, cost: int) -> Deck | None:
        deck = decks.finish(
            s,
            deck_id,
            cards=[(card.front, card.back) for card in made.cards],
            quiz=[question.as_json() for question in made.quiz],
            engine=asked.engine,
            fallback=asked.fallback,
            points=cost,
            now=self._clock(),
        )
        if deck is not None and ledger.settle(s, paid_as(deck_id), cost) is None:
            ledger.charge(s, user_id, paid_as(deck_id), cost, grant=self._points.grant)
        return deck

    def _give_up(self, deck_id: str) -> None:
        """Leave nothing of a deck that could not be made; if that fails too, time does it."""
        try:
            self._database.run(_give_up, deck_id)
        except errors.AppError:
            logger.warning("deck in the making left behind", extra={"deck_id": deck_id})

    def _estimate(self, source: Source) -> int:
        words = source.text[: asking.MAX_MATERIAL_CHARS]
        return self._points.prices.estimate(message=source.question, history=[words], length="long")

    def _cost(self, source: Source, made: Made, asked: Asked) -> int:
        """As an answer: the tokens that the model used, or those that the built-in engine's would be counted as."""
        if asked.made is not None:
            return self._points.prices.cost(asked.tokens)
        said = [text for card in made.cards for text in (card.front, card.back)]
        return self._points.prices.cost(tokens_in(source.text) + sum(map(tokens_in, said)))


def paid_as(deck_id: str) -> str:
    """The name under which a deck stands in the ledger of points."""
    return f"deck:{deck_id}"


def titled(source: Source) -> str:
    """A deck's first title: the question that was asked, in one line."""
    line = " ".join(source.question.split()) or " ".join(source.text.split())
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1].rstrip() + "…"


def _source(s: Session, user_id: int, message_id: str) -> tuple[Source, Deck | None]:
    source = decks.source(s, user_id, message_id)
    if source.assistant != ASSISTANT:
        raise errors.NotFound("There is no such answer.")
    if source.is_running:
        raise errors.Conflict("This answer is still being written. Wait for its end.", code="STILL_RUNNING")
    if not source.text.strip():
        raise errors.Conflict("This answer is empty; there is nothing to make cards from.", code="TOO_SHORT")
    return source, decks.of_message(s, user_id, message_id)


def _give_up(s: Session, deck_id: str) -> None:
    decks.give_up(s, deck_id)
    ledger.release(s, paid_as(deck_id))
