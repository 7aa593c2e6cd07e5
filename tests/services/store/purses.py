"""One person's points, for tests of the ledger."""

from datetime import UTC, datetime
from typing import Any

from services.store import ledger, points, users
from services.store.database import Database
from services.store.points import Balance

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
GRANT = 100


class Purse:
    """One person's points, at a moment and with a grant that a test may move."""

    def __init__(self, database: Database, user: users.User) -> None:
        self.database = database
        self.user = user
        self.now = NOON
        self.grant = GRANT

    @property
    def balance(self) -> Balance:
        return self.database.run(points.balance, self.user.id, self.now, grant=self.grant)

    @property
    def books(self) -> tuple[int, int, int]:
        """Spent, reserved, left; after making sure that the books agree."""
        assert self.database.run(ledger.audit) == []
        now = self.balance
        return now.spent, now.reserved, now.left

    def reserve(self, message_id: str, amount: int, **more: Any) -> Balance:
        return self.database.run(
            points.reserve, self.user.id, message_id, amount, grant=self.grant, now=self.now, **more
        )

    def settle(self, message_id: str, amount: int) -> int | None:
        return self.database.run(points.settle, message_id, amount, now=self.now)

    def release(self, message_id: str) -> bool:
        return self.database.run(points.release, message_id, now=self.now)

    def check(self, amount: int) -> Balance:
        return self.database.run(points.check, self.user.id, amount, grant=self.grant, now=self.now)

    def set_cap(self, cap: int | None) -> None:
        self.database.run(points.set_cap, self.user.id, cap)

    def lines(self, *args: Any, **more: Any) -> list[points.Line]:
        return self.database.run(points.history, self.user.id, *args, **more)
