"""Full-text search over a person's conversations: their titles and all their messages, on every path.

One entry per title and per message, with the words of `words.py`: in FTS5 on SQLite, in a tsvector on
PostgreSQL. A conversation is found if it has every word of the query. First come those whose title has them all, then
those with one message that has, then those that have them here and there; within each, the one used last first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Integer,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.orm import Session

from services import errors
from services.store.base import clean
from services.store.threads import Conversation, Message
from services.store.words import MAX_INDEXED_CHARS, indexed, is_prefix, snippet, wanted

# An answer is told twice if its settling was undone by hand; the index must never keep it from being settled.
_ADD: Final = (
    "INSERT INTO search_entries (conversation_id, message_id, words) VALUES (:conversation_id, :message_id, {})"
    " ON CONFLICT (message_id) DO UPDATE SET words = excluded.words"
)
_WORDS: Final = {"sqlite": ":words", "postgresql": "array_to_tsvector(string_to_array(:words, ' '))"}
_ADD_ON: Final = {name: text(_ADD.format(words)) for name, words in _WORDS.items()}
_ENTRIES: Final = table("search_entries", column("id", Integer), column("message_id", Text))
_FORGET_TITLE: Final = text("DELETE FROM search_entries WHERE conversation_id = :its AND message_id IS NULL")
# Where the entries that match a query come from, on either database.
_FROM: Final = {
    "sqlite": text("search_index JOIN search_entries AS e ON e.id = search_index.rowid"),
    "postgresql": text("search_entries AS e"),
}
_MATCHES: Final = {"sqlite": "search_index MATCH :{}", "postgresql": "e.words @@ CAST(:{} AS tsquery)"}
_ITS: Final = literal_column("e.conversation_id", Text).label("its")
_MESSAGE: Final = literal_column("e.message_id", Text).label("message_id")
_ENTRY: Final = literal_column("e.id", Integer)
_BEFORE: Final = bindparam("before", type_=Text)
_MAX_TITLE_CHARS: Final = 200
# How well a conversation matches: all words in the title, all in one message, here and there.
_IN_TITLE, _IN_MESSAGE, _APART = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation, and the words in it that were looked for.

    Attributes:
        snippet: A piece of one message, or of the title, each word that matches between \\x02 and \\x03.
        message_id: The message that it is a piece of; None: of the title.
    """

    conversation: Conversation
    snippet: str
    message_id: str | None = None


def add(s: Session, user_id: int, conversation_id: str, texts: Mapping[str | None, str]) -> None:
    """Let a conversation be found by these texts: message id -> content, None -> title."""
    entries = [
        {"conversation_id": conversation_id, "message_id": message_id, "words": " ".join(words)}
        for message_id, content in texts.items()
        if (words := indexed(user_id, clean(content)))
    ]
    if entries:
        s.execute(_ADD_ON[_dialect(s)], entries)


def retitle(s: Session, user_id: int, conversation_id: str, title: str) -> None:
    """Let a conversation be found by its new title, and not by its old one."""
    s.execute(_FORGET_TITLE, {"its": conversation_id})
    add(s, user_id, conversation_id, {None: title})


def find(
    s: Session, user_id: int, q: str, *, assistant: str | None = None, before: str | None = None, limit: int = 50
) -> list[Found]:
    """The person's conversations that have every word of `q`, each word also as the beginning of a longer one.

    A query without letters and digits is looked for in titles, as it is.

    Args:
        s: An open session.
        user_id: Whose.
        q: What was typed.
        assistant: Only those with this assistant.
        before: The id of a conversation: only those that come after it in this order (the next page).
        limit: How many at most.

    Raises:
        NotFound: `before` is unknown, or somebody else's.
    """
    if before is not None and not _is_theirs(s, user_id, before):
        raise errors.NotFound("There is no such conversation.")
    # The longest first: it is probably the least frequent, and the others are then asked of few.
    looked_for = sorted(wanted(q), key=len, reverse=True)
    if not looked_for:
        return [Found(row, row.title) for row in _by_title(s, user_id, q, assistant, before, limit)]
    values = {"user_id": user_id, "assistant": assistant, "before": before, "limit": limit}
    values |= _queries(user_id, looked_for, _dialect(s))
    kinds = {"one_assistant": assistant is not None, "goes_on": before is not None}
    rows = list(s.execute(_together(_dialect(s), **kinds), values))
    if len(looked_for) > 1 and len(rows) < limit:
        # Dear, if the words are frequent, and seldom needed: those with all words in one place come first.
        apart = _apart(_dialect(s), len(looked_for), **kinds)
        rows += s.execute(apart, {**values, "limit": limit - len(rows)})
    return _shown(s, rows, looked_for)


@lru_cache(maxsize=16)
def _together(dialect: str, *, one_assistant: bool, goes_on: bool) -> Select[Any]:
    """Those that have all words in one place, and the newest entry that has them."""
    hits = _hits(dialect)
    found = _theirs(hits.c.its, hits.c.entry, one_assistant=one_assistant).order_by(hits.c.tier)
    if goes_on:
        tier = _tier_of_last(hits)
        found = found.where(or_(hits.c.tier > tier, and_(hits.c.tier == tier, after(_BEFORE))))
    return _page(found)


@lru_cache(maxsize=128)
def _apart(dialect: str, words: int, *, one_assistant: bool, goes_on: bool) -> Select[Any]:
    """Those that have the words here and there, and the newest entry that has the first."""
    hits = _hits(dialect)
    first = _matching(dialect, "word0", _ITS, func.max(_ENTRY).label("entry")).group_by(_ITS.element)
    for n in range(1, words):
        first = first.where(_ITS.element.in_(_matching(dialect, f"word{n}", _ITS)))
    one = first.where(_ITS.element.not_in(select(hits.c.its))).subquery("one")
    found = _theirs(one.c.its, one.c.entry, one_assistant=one_assistant)
    if goes_on:
        found = found.where(or_(_tier_of_last(hits) < _APART, after(_BEFORE)))
    return _page(found)


def _hits(dialect: str) -> CTE:
    tier = func.min(case((_MESSAGE.element.is_(None), _IN_TITLE), else_=_IN_MESSAGE)).label("tier")
    entry = func.max(_ENTRY).label("entry")
    return _matching(dialect, "all", _ITS, tier, entry).group_by(_ITS.element).cte("together")


def _tier_of_last(hits: CTE) -> ColumnElement[int]:
    # One that does not match any more, or not in one place, is as good as one of the last.
    return func.coalesce(select(hits.c.tier).where(hits.c.its == _BEFORE).scalar_subquery(), _APART)


def _matching(dialect: str, name: str, *columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).select_from(_FROM[dialect]).where(text(_MATCHES[dialect].format(name)))


def _theirs(its: ColumnElement[str], entry: ColumnElement[int], *, one_assistant: bool) -> Select[Any]:
    columns: list[ColumnElement[Any]] = [Conversation.id.expression, entry]
    found = select(*columns).where(Conversation.id == its, Conversation.user_id == bindparam("user_id"))
    return found.where(Conversation.assistant == bindparam("assistant")) if one_assistant else found


def _page(found: Select[Any]) -> Select[Any]:
    newest_first = (Conversation.updated_at.desc(), Conversation.id.desc())
    return found.order_by(*newest_first).limit(bindparam("limit", type_=Integer))


def _queries(user_id: int, looked_for: Sequence[str], dialect: str) -> dict[str, str]:
    """The words as each database asks for them. They hold letters, digits and signs of scripts only."""
    if dialect == "postgresql":
        terms = [f"'{user_id}:{word}'" + (":*" if is_prefix(word) else "") for word in looked_for]
        together = " & ".join(terms)
    else:
        terms = [f'"{user_id}:{word}"' + (" *" if is_prefix(word) else "") for word in looked_for]
        together = " AND ".join(terms)
    return {"all": together} | ({f"word{n}": term for n, term in enumerate(terms)} if len(terms) > 1 else {})


def _shown(s: Session, rows: Sequence[Row[str, int]], looked_for: Sequence[str]) -> list[Found]:
    """The conversations with their snippets: of the message that matches, or else of the title."""
    conversations = {row.id: row for row in s.scalars(select(Conversation).where(Conversation.id.in_(_nth(rows, 0))))}
    beginning = func.substr(Message.content, 1, MAX_INDEXED_CHARS)
    messages = select(_ENTRIES.c.id, Message.id, beginning).join(Message, Message.id == _ENTRIES.c.message_id)
    known = {row[0]: (row[1], row[2]) for row in s.execute(messages.where(_ENTRIES.c.id.in_(_nth(rows, 1))))}
    found = []
    for conversation_id, entry in rows:
        conversation = conversations[conversation_id]
        message_id, content = known.get(entry) or (None, conversation.title)
        found.append(Found(conversation, snippet(content, looked_for), message_id))
    return found


def _nth(rows: Iterable[Row[str, int]], place: int) -> list[Any]:
    return [row[place] for row in rows]


def _by_title(
    s: Session, user_id: int, q: str, assistant: str | None, before: str | None, limit: int
) -> list[Conversation]:
    has_it = Conversation.title.icontains(clean(q).strip()[:_MAX_TITLE_CHARS], autoescape=True)
    asked = select(Conversation).where(Conversation.user_id == user_id, has_it)
    if assistant is not None:
        asked = asked.where(Conversation.assistant == assistant)
    if before is not None:
        asked = asked.where(after(before))
    return list(s.scalars(asked.order_by(Conversation.updated_at.desc(), Conversation.id.desc()).limit(limit)))


def after(before: str | BindParameter[str]) -> ColumnElement[bool]:
    """The condition of those that were used before another one was."""
    last = select(Conversation.updated_at).where(Conversation.id == before).scalar_subquery()
    return (Conversation.updated_at < last) | ((Conversation.updated_at == last) & (Conversation.id < before))


def _is_theirs(s: Session, user_id: int, conversation_id: str) -> bool:
    its = select(Conversation.id).where(Conversation.id == conversation_id, Conversation.user_id == user_id)
    return s.scalar(its) is not None


def _dialect(s: Session) -> str:
    return s.get_bind().dialect.name
