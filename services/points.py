"""What an answer costs, and the wallet that pays for it: the prices of the settings over the store's ledger.

Prices are pure. `Points` binds them to the ledger's functions, which take an open `Session` first: `reserve` is
called in the transaction that stores a running answer (`Ask.also`), `settle_answer` in the one that settles it
(the `ends` of Turns), so that no crash parts an answer from its price.
"""

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services import errors
from services.settings import Settings
from services.store import points
from services.store.database import Database, Session
from services.store.points import Balance

logger = logging.getLogger(__name__)

# Code points in a token, where nobody has counted (API.md, "Tokens").
CHARS_PER_TOKEN: Final = 4
# How long an answer is expected to be, in tokens, by the length that was chosen.
EXPECTED_TOKENS: Final[Mapping[str, int]] = {"short": 150, "medium": 400, "long": 900}
_USUAL_TOKENS: Final = 400
# What every request says besides the person's words: the assistant's instructions.
_INSTRUCTIONS_TOKENS: Final = 300
# More than any model reads and writes at once: what a server says it counted must not overflow the ledger.
_MAX_TOKENS: Final = 100_000_000
# What an upload adds to a request: an excerpt, or a picture as models count it.
_MEDIA_TOKENS: Final = 800


@dataclass(frozen=True, slots=True)
class Prices:
    """The table of prices.

    Attributes:
        tokens_per_point: How many tokens one point buys; what is begun is paid.
        per_media: Points for each upload of a question.
        minimum: What an answer costs at least.
    """

    tokens_per_point: int = 30
    per_media: int = 2
    minimum: int = 1

    def cost(self, tokens_used: int, media_count: int = 0) -> int:
        """The points of an answer: max(minimum, ceil(tokens / tokens_per_point)) and the uploads."""
        tokens = min(tokens_used, _MAX_TOKENS)
        return max(self.minimum, math.ceil(tokens / self.tokens_per_point)) + self.per_media * media_count

    def estimate(
        self,
        *,
        message: str,
        history: Iterable[str] = (),
        media_count: int = 0,
        pictures: int = 0,
        max_tokens: int | None = None,
        length: str = "",
    ) -> int:
        """What an answer will probably cost: shown before sending, and reserved at the start.

        Args:
            message: The question.
            history: The texts that the model is shown before it: earlier turns, their summary.
            media_count: How many uploads the question has.
            pictures: How many pictures go with it: several where an upload is a scan.
            max_tokens: The answer's limit.
            length: The length that was chosen: short, medium or long.
        """
        expected = EXPECTED_TOKENS.get(length, _USUAL_TOKENS)
        if max_tokens is not None:
            expected = min(expected, max_tokens)
        words = tokens_in(message) + sum(tokens_in(text) for text in history)
        looked_at = _MEDIA_TOKENS * max(media_count, pictures)
        return self.cost(_INSTRUCTIONS_TOKENS + words + looked_at + expected, media_count)

    def of_answer(
        self, *, outcome: str, text: str, usage: Mapping[str, Any] | None, media_count: int = 0, cached: bool = False
    ) -> int:
        """What an answer that has ended costs.

        From the cache: nothing. Without a word of text, unless it is complete: nothing. Otherwise the tokens
        that it used, also when it was stopped, failed or was interrupted: what came is kept and can be continued.
        """
        if cached or (not text and outcome != "completed"):
            return 0
        counted = (usage or {}).get("total_tokens")
        return self.cost(counted if isinstance(counted, int) else tokens_in(text), media_count)


def tokens_in(text: str) -> int:
    """About how many tokens a text has."""
    return math.ceil(len(text) / CHARS_PER_TOKEN)


class Points:
    """Everybody's points."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self.grant = settings.study_points
        self.prices = Prices(
            tokens_per_point=settings.study_tokens_per_point,
            per_media=settings.study_points_per_media,
            minimum=settings.study_points_minimum,
        )

    def balance(self, s: Session, user_id: int, now: datetime | None = None) -> Balance:
        """Where the person stands this month."""
        return points.balance(s, user_id, now, grant=self.grant)

    def check(self, s: Session, user_id: int, amount: int) -> Balance:
        """Refuse early, before slots are taken.

        Raises:
            PointsExhausted: As `reserve` would at this moment.
        """
        return points.check(s, user_id, amount, grant=self.grant)

    def reserve(
        self, s: Session, user_id: int, message_id: str, amount: int, *, expires_at: datetime | None = None
    ) -> Balance:
        """Hold points for an answer; see `store.points.reserve`.

        Raises:
            PointsExhausted: Fewer are left; the transaction must not commit.
        """
        return points.reserve(s, user_id, message_id, amount, grant=self.grant, expires_at=expires_at)

    def settle_answer(
        self,
        s: Session,
        user_id: int,
        message_id: str,
        *,
        outcome: str,
        text: str,
        usage: Mapping[str, Any] | None,
        media_count: int = 0,
        cached: bool = False,
    ) -> int:
        """Pay for an answer that has ended, out of its reservation if it has one. A second call changes nothing.

        Returns:
            What it cost (`points_cost`).
        """
        cost = self.prices.of_answer(outcome=outcome, text=text, usage=usage, media_count=media_count, cached=cached)
        if cost == 0 and not cached:
            points.release(s, message_id)
        elif points.settle(s, message_id, cost) is None:
            points.charge(s, user_id, message_id, cost, grant=self.grant)
        return cost

    def sweep(self) -> int:
        """Close reservations that nobody will close any more; how many.

        Those of answers whose worker died are not among them: their answers are settled by the sweep of Turns.
        """
        closed = 0
        for orphan in self._database.run(points.orphans):
            try:
                closed += self._database.run(_close, orphan)
            except errors.Conflict:  # one that is odd must not keep the others from being closed
                logger.exception("reservation not closed", extra={"message_id": orphan.message_id})
        return closed


def _close(s: Session, orphan: points.Orphan) -> bool:
    if orphan.cost == 0:
        return points.release(s, orphan.message_id)
    return points.settle(s, orphan.message_id, orphan.cost) is not None
