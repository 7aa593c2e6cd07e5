"""What keeps children and their stories: the database, and the time."""

from collections.abc import Callable
from datetime import datetime

from services.store.base import utc_now
from services.store.database import Database


class Kept:
    """What the parts of `shelf.Stories` share."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock
