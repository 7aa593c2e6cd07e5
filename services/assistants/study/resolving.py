"""From a checked question to the facts of its turn: files from the shelf, the path before it, the cache.

Also what happens beside the answer: points are reserved in the transaction that stores a turn, and paid in the one
that settles it, where a good answer is kept for the next time it is asked for.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from services import errors
from services.assistants.base import Turn
from services.assistants.study import context
from services.assistants.study.context import Page, Upload
from services.assistants.study.extract import tokens_of
from services.assistants.study.input import LENGTHS, USUAL_LENGTH, MediaRef, StudyInput
from services.errors import AppError, FieldError, InvalidInput, NotFound
from services.llm import builtin
from services.points import Points
from services.store import cache, conversations, paths
from services.store.cache import CachedAnswer
from services.store.database import Database, Session
from services.store.paths import Said
from services.streaming.answers import Settled
from services.streaming.events import COMPLETED

_NO_ANSWER: Final = "needs an answer before it, in the same conversation"
# Of earlier files, the newest are searched, until so much text has been.
_EARLIER_CHARS: Final = 2_000_000
_NO_FILE: Final = "is no file of yours"
# How many messages are read at first, and then at once while what they say is not summed up. Each answer's turn names
# the files of all before it, so that of the last few it is enough.
_READ_FIRST: Final = 64
_READ_MORE: Final = 256
_TURNS_READ: Final = 16


class Shelf(Protocol):
    """Where uploads are kept (services/media)."""

    def get(self, user_id: int, media_id: str) -> Any:
        """An upload: id, name, kind, sha256. Raises NotFound."""
        ...

    def fetch_new(self, user_id: int, url: str) -> tuple[Any, bool]:
        """An upload from an address, and whether it was not there before."""
        ...

    def forget_unused(self, user_id: int, media_id: str) -> bool:
        """Delete an upload that no turn refers to."""
        ...

    def pages(self, user_id: int, media_id: str) -> Sequence[Any]:
        """Its text by pages: number, text."""
        ...

    def image(self, user_id: int, media_id: str) -> tuple[str, bytes]:
        """A picture as a model takes it."""
        ...

    def drawn_pages(self, user_id: int, media_id: str) -> Sequence[int]:
        """The pages of a PDF without text that can be shown as pictures."""
        ...

    def drawn_page(self, user_id: int, media_id: str, number: int) -> tuple[str, bytes]:
        """Such a page as a model takes it."""
        ...


class Desk:
    """Makes the facts of study turns, and keeps the books about them.

    Args:
        budget_tokens: How much of a conversation goes to the model word for word.
        engine: The name of who is asked.
    """

    def __init__(
        self, database: Database, shelf: Shelf | None, points: Points, *, budget_tokens: int, engine: str
    ) -> None:
        self._database = database
        self._shelf = shelf
        self._points = points
        self._budget_tokens = budget_tokens
        self._engine = engine

    @contextmanager
    def asking(self, user_id: int, sent: StudyInput, path: Sequence[Said]) -> Iterator[dict[str, Any]]:
        """The facts of a question that the block asks. What was fetched for it goes again if no turn came of it.

        Raises:
            AppError: As `facts`.
        """
        fetched: list[str] = []
        try:
            yield self.facts(user_id, sent, path, fetched)
        finally:
            for media_id in fetched:
                # Whatever is wrong now: the question has its answer, or its refusal, already.
                with suppress(AppError):
                    self._shelf_there.forget_unused(user_id, media_id)

    def facts(
        self, user_id: int, sent: StudyInput, path: Sequence[Said], fetched: list[str] | None = None
    ) -> dict[str, Any]:
        """The facts of a new question.

        Args:
            fetched: Takes the ids of files that had to be fetched and were not there before.
            path: The conversation's messages before it, the oldest first.

        Raises:
            InvalidInput: `way` without an answer to go on from, or too many files.
            NotFound: A file is unknown, or somebody else's; it says which.
            TooLarge, UnsupportedType, Forbidden: A file that had to be fetched.
        """
        if sent.way and not any(row.role == "assistant" and row.content for row in path):
            raise InvalidInput([FieldError("way", _NO_ANSWER)])
        uploads = [
            *self._sent(user_id, sent.media, [] if fetched is None else fetched),
            *self._earlier(user_id, sent, path),
        ]
        key = self._key(sent, path, uploads)
        known = None if sent.fresh else self._database.run(cache.find, user_id, key)
        if known is not None and not self._can_be_looked_up(user_id, known):
            known = None
        return context.facts(
            sent,
            path=path,
            uploads=uploads,
            budget_tokens=self._budget_tokens,
            cache_key=key,
            cached=self._kept(known) if known else None,
            # Patched by gevent: others have their turn while a long file is searched.
            pause=lambda: time.sleep(0),
        )

    def resolve(self, user_id: int, before: Sequence[Said], turn: Mapping[str, Any], question: str) -> dict[str, Any]:
        """The facts of a stored turn whose question is asked in other words (`base.Resolver`)."""
        facts = turn.get("facts") or {}
        length = str(facts.get("length") or "")
        sent = StudyInput(
            message=question,
            media=tuple(self._still_there(user_id, facts.get("media") or ())),
            max_tokens=facts.get("asked_max_tokens"),
            length=length if length in LENGTHS else USUAL_LENGTH,
        )
        # It is another question in a conversation that there is.
        return {**self.facts(user_id, sent, before), "is_new": False}

    @property
    def knows_answers(self) -> bool:
        """Whether estimates are the most that an answer costs: the built-in engine's are known before they are said."""
        return self._engine == builtin.NAME

    def estimate(self, question: str, facts: Mapping[str, Any], *, partial: str = "") -> int:
        """What a turn will probably cost, or at most (`knows_answers`): nothing if its answer is known.

        Args:
            partial: What is said already of an answer that is to go on.
        """
        if facts.get("cached"):
            return 0
        media_count = int(facts.get("media_count") or 0)
        if self.knows_answers:
            tokens = tokens_of(Turn("study", 0, "", "", question, facts, partial))
            return self._points.prices.cost(tokens, media_count)
        texts = [said["content"] for said in (*(facts.get("earlier") or ()), *(facts.get("history") or ()))]
        return self._points.prices.estimate(
            message=question,
            history=[*texts, str(facts.get("summary") or "")],
            media_count=media_count,
            pictures=len(facts.get("images") or ()),
            max_tokens=facts.get("max_tokens"),
            length=str(facts.get("length") or ""),
        )

    def check(self, session: Session, user_id: int, amount: int) -> None:
        """Refuse before anything is taken.

        Raises:
            PointsExhausted: Fewer points are left.
        """
        if amount:
            self._points.check(session, user_id, amount)

    def starts(self, session: Session, turn: Turn) -> None:
        """Hold the points of an answer that is about to begin (`base.Starts`).

        Raises:
            PointsExhausted: Fewer are left; nothing is started.
        """
        amount = self._price(turn)
        if amount:
            self._points.reserve(session, turn.user_id, turn.message_id, amount)

    def affords(self, session: Session, turn: Turn) -> None:
        """Refuse what `starts` would refuse now; holds nothing.

        Raises:
            PointsExhausted: Fewer points are left.
        """
        self.check(session, turn.user_id, self._price(turn))

    def ends(self, session: Session, settled: Settled, turn: Turn) -> Mapping[str, Any]:
        """Pay for an answer that has ended, and keep it if it is worth keeping (`base.Ends`)."""
        is_cached = bool(turn.facts.get("cached")) and not turn.partial
        cost = self._points.settle_answer(
            session,
            turn.user_id,
            turn.message_id,
            outcome=settled.outcome,
            text=settled.text,
            usage=settled.usage,
            media_count=int(turn.facts.get("media_count") or 0),
            cached=is_cached,
        )
        is_whole = settled.outcome == COMPLETED and settled.finish_reason == "stop" and not settled.fallback
        key = str(turn.facts.get("cache_key") or "")
        if key and is_whole and settled.text and not is_cached and not turn.partial:
            cache.keep(session, turn.user_id, key, turn.message_id)
        return {"points_cost": cost, "cached": is_cached}

    def _price(self, turn: Turn) -> int:
        # What goes on from a part of a known answer is not known.
        facts = {**turn.facts, "cached": None} if turn.partial else turn.facts
        return self.estimate(turn.question, facts, partial=turn.partial)

    @property
    def _shelf_there(self) -> Shelf:
        assert self._shelf is not None, "needs a shelf for what came from it"
        return self._shelf

    def _sent(self, user_id: int, refs: Sequence[MediaRef], fetched: list[str]) -> list[Upload]:
        """The files of a message; nothing is fetched for one that names an unknown file."""
        found: dict[int, Any] = {}
        for index, ref in enumerate(refs):
            media = self._kept_file(user_id, ref.id)
            if media is None and not (ref.url and self._shelf):
                wrong = {"field": ref.field, "message": _NO_FILE}
                raise NotFound(f"{ref.field} {_NO_FILE}.", extra={"errors": [wrong]})
            found[index] = media
        for index, ref in enumerate(refs):
            if found[index] is None:
                # A client's own id for a file that it says where to find.
                found[index] = self._fetched(user_id, ref, fetched)
        files = {media.id: media for media in found.values()}
        return [self._with_pages(user_id, media, is_new=True) for media in files.values()]

    def _fetched(self, user_id: int, ref: MediaRef, fetched: list[str]) -> Any:
        try:
            media, is_new = self._shelf_there.fetch_new(user_id, ref.url)
        except AppError as wrong:
            raise _at(wrong, f"{ref.field}.url") from None
        if is_new:
            fetched.append(media.id)
        return media

    def _kept_file(self, user_id: int, media_id: str) -> Any | None:
        if self._shelf is None or not media_id:
            return None
        try:
            return self._shelf.get(user_id, media_id)
        except NotFound:
            return None

    def _still_there(self, user_id: int, entries: Sequence[Mapping[str, Any]]) -> list[MediaRef]:
        """The files that came with a stored question, but for those that were deleted since."""
        return [
            MediaRef(str(entry["id"]))
            for entry in entries
            if entry.get("is_new") and self._kept_file(user_id, str(entry["id"])) is not None
        ]

    def _earlier(self, user_id: int, sent: StudyInput, path: Sequence[Said]) -> list[Upload]:
        """The conversation's files that are still there, besides those of this message."""
        if self._shelf is None:
            return []
        now = {ref.id for ref in sent.media}
        found: list[Upload] = []
        chars = 0
        for media_id in context.media_ids(path):
            if media_id in now:
                continue
            media = self._kept_file(user_id, media_id)
            if media is None:
                continue
            found.append(self._with_pages(user_id, media, is_new=False))
            chars += sum(len(page.text) for page in found[-1].pages)
            if chars > _EARLIER_CHARS:
                break
        return found

    def _with_pages(self, user_id: int, media: Any, *, is_new: bool) -> Upload:
        pages: list[Page] = []
        if media.kind != "image":
            pages = [Page(page.number, page.text) for page in self._shelf_there.pages(user_id, media.id)]
        drawn: Sequence[int] = ()
        if media.kind == "pdf" and not all(page.text.strip() for page in pages):
            drawn = self._shelf_there.drawn_pages(user_id, media.id)
        return Upload(media.id, media.name, media.kind, media.sha256, pages, is_new, drawn)

    def _can_be_looked_up(self, user_id: int, known: CachedAnswer) -> bool:
        """Whether all files that an answer cites are still there: the same may have been deleted and sent again."""
        cited = {str(one["media_id"]) for one in known.extras.get("citation") or () if one.get("media_id")}
        return all(self._kept_file(user_id, media_id) is not None for media_id in cited)

    def _key(self, sent: StudyInput, path: Sequence[Said], uploads: Sequence[Upload]) -> str:
        """The key of the question in its context; the same again right after it was answered is the same question."""
        before = path if sent.way else context.before_repeats(path, sent.message)
        return cache.key_of(
            message=sent.message,
            media=sorted({upload.sha256 for upload in uploads}),
            history=context.past(before, self._budget_tokens).shown(),
            model=self._engine,
            max_tokens=sent.limit_tokens,
            length=sent.length,
            way=sent.way,
        )

    def _kept(self, known: CachedAnswer) -> dict[str, Any]:
        extras = {name: known.extras[name] for name in ("citation", "message") if known.extras.get(name)}
        return {"text": known.text, "message_id": known.message_id, "engine": self._engine, "extras": extras}


def _at(wrong: AppError, field: str) -> AppError:
    """What was wrong with a file, told of the field that named it."""
    if isinstance(wrong, InvalidInput):
        return InvalidInput([FieldError(field, one.message) for one in wrong.errors], wrong.message)
    if "errors" in wrong.extra:
        wrong.extra["errors"] = [{**one, "field": field} for one in wrong.extra["errors"]]
    return wrong


def path_of(session: Session, user_id: int, conversation_id: str, question: str) -> list[Said]:
    """What a question in one of the user's study conversations comes after, as far as its answer depends on it.

    Raises:
        NotFound: Unknown, somebody else's, or with another assistant.
    """
    conversation = conversations.get(session, user_id, conversation_id)
    if conversation.assistant != "study":
        raise errors.NotFound("There is no such interaction.")
    return [] if conversation.head_id is None else said_before(session, conversation.head_id, question)


def said_before(session: Session, leaf_id: str, question: str) -> list[Said]:
    """A message and those before it, back to what the newest summary tells of; the caller checks whose it is."""
    rows = paths.said(session, leaf_id, _READ_FIRST, turns=_TURNS_READ)
    while rows and rows[0].parent_id is not None and not context.is_enough(rows, question):
        rows = [*paths.said(session, rows[0].parent_id, _READ_MORE), *rows]
    return rows
