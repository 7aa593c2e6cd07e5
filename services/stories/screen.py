"""The child's screen: the sessions that show it, the PIN that leaves it, and the words that are asked for there."""

from services import errors, passwords
from services.store import child_pins, children, sessions, story_words
from services.store.children import Child
from services.store.database import Session
from services.store.story_words import KeptWord
from services.stories.kept import Kept


class PinLocked(errors.LimitReached):
    """The PIN was wrong too often; only the account's password leaves the child's screen."""

    code = "PIN_LOCKED"
    retryable = False
    default_message = "The PIN was wrong too often. Enter the password of the account."


class Screen(Kept):
    """A part of `shelf.Stories`."""

    def set_pin(self, user_id: int, pin: str) -> None:
        """Give the account the PIN that leaves a child's screen,"""
        self._database.run(child_pins.put, user_id, passwords.make(pin), now=self._clock())

    def has_pin(self, user_id: int) -> bool:
        """Whether the account has one."""
        return self._database.run(child_pins.has, user_id)

    def is_pin_locked(self, user_id: int) -> bool:
        """Whether only the account's password leaves the screen."""
        return self._database.run(child_pins.is_locked, user_id)

    def check_pin(self, user_id: int, pin: str) -> bool:
        """Whether it is the account's PIN.

        Raises:
            PinLocked: It was wrong too often: 5 times in 15 minutes, or 20 times in a row. The password unlocks it.
        """
        pin_hash = self._database.run(child_pins.count_try, user_id, now=self._clock())
        if pin_hash is None and self.is_pin_locked(user_id):
            raise PinLocked
        is_right = passwords.matches(pin_hash, pin)
        if is_right:
            self._database.run(child_pins.forget_tries, user_id)
        return is_right

    def unlock_pin(self, user_id: int) -> None:
        """Let the PIN count again: the account's password was right."""
        self._database.run(child_pins.forget_tries, user_id)

    def hand_over(self, user_id: int, session_id: str, child_id: int) -> Child:
        """Let one of the account's sessions show a child's screen, until `leave`.

        Raises:
            NotFound: "Child not found", or there is no such session.
            Conflict: Code `PIN_NEEDED`: there is no PIN to leave it with.
        """
        return self._database.run(_hand_over, user_id, session_id, child_id)

    def leave(self, user_id: int, session_id: str) -> None:
        """Let the session be the person's again; the caller has checked the PIN or the password.

        Raises:
            NotFound: There is no such session.
        """
        self._database.run(sessions.take_back, user_id, session_id)

    # -- words

    def note_word(self, user_id: int, child_id: int, word: str) -> KeptWord:
        """Note that a child asked what a word means; the caller has looked at it.

        Raises:
            NotFound: "Child not found".
        """
        return self._database.run(story_words.note, user_id, child_id, word, now=self._clock())

    def words_of(self, user_id: int, child_id: int, limit: int = 200) -> list[KeptWord]:
        """The words that a child asked for, the one asked for last first.

        Raises:
            NotFound: "Child not found".
        """
        return self._database.run(story_words.listing, user_id, child_id, limit)


def _hand_over(s: Session, user_id: int, session_id: str, child_id: int) -> Child:
    child = children.get(s, user_id, child_id)
    if not child_pins.has(s, user_id):
        raise errors.Conflict("Set a PIN first: it is what leaves the child's screen again.", code="PIN_NEEDED")
    sessions.hand_over(s, user_id, session_id, child_id)
    return child
