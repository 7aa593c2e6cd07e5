"""What was typed into the search, taken apart: the question, and what its signs ask for. Pure.

`+word` must be there, `-word` must not, `"a phrase"` must be there word for word (and not, as `-"a phrase"`; a mark
that nothing closes, or after a number as in 5", is no quotation), `file:name` (`file:"a name"`) keeps to documents with
that in their name, `dt>=2024-01-01`, `dt<2024-02` and `dt=2024` to the days when they came in (UTC). A sign that makes
no sense is an ordinary word or is left out, and said so: a search never fails by its own signs. Nothing here knows of
FTS5's or PostgreSQL's own syntax: what comes out is words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

# Longer questions are cut: whoever takes them in refuses them first, at the field.
MAX_CHARS: Final = 4_000
MAX_TERMS: Final = 48
_WORD: Final = re.compile(r"[^\W_]+(?:_[^\W_]+|_)*", re.UNICODE)
_PIECE: Final = re.compile(
    r"""
    (?<![^\W_]) (?P<sign>[+-]?)(?P<open>["“„])(?P<phrase>[^"”“„]*)["”“]
    | (?:^|(?<=\s)) file: (?: ["“](?P<quoted>[^"”“]*)["”“] | (?P<name>[^\s"“”]+) )
    | (?:^|(?<=\s)) dt(?P<op>>=|<=|>|<|=)(?P<date>\S+)
    | (?:^|(?<=\s)) \+(?P<must>[^\W_][^\s"“”]*)
    | (?:^|(?<=\s)) -(?P<without>[^\W_][^\s"“”]{2,})
    """,
    re.VERBOSE | re.UNICODE | re.IGNORECASE,
)
_DATE: Final = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Query:
    """A question and its conditions.

    Attributes:
        text: The question as plain words, for embedding and for showing; conditions are not in it, their words are.
        words: Its words in order, casefolded, each once; those of `must` and `phrases` among them.
        must: Words that a passage must have.
        must_not: Words, or phrases with blanks between their words, that it must not have.
        phrases: Phrases that it must have, each of one word or more.
        files: Parts of documents' names, casefolded: one of them must be in the name.
        after: The document came in at this time or later; UTC.
        before: It came in before this time; UTC.
        notes: What was left out and why, for the person who asked.
    """

    text: str
    words: tuple[str, ...] = ()
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    after: datetime | None = None
    before: datetime | None = None
    notes: tuple[str, ...] = ()


def words(text: str) -> list[str]:
    """The words of a text, casefolded, in order, repeated as they are; `pg_dump` is one word."""
    return [found.group().casefold().rstrip("_") for found in _WORD.finditer(text)]


def parse(typed: str) -> Query:
    """Take apart what was typed; never raises, and takes time linear in its length."""
    parts = _Parts()
    plain: list[str] = []
    at = 0
    notes = ["Only the beginning of the question was used: it is very long."] if len(typed) > MAX_CHARS else []
    # Half of a character, as JSON can hold one, is none.
    typed = typed[:MAX_CHARS].encode(errors="replace").decode()
    for found in _PIECE.finditer(typed):
        plain.append(typed[at : found.start()])
        plain.append(parts.take(found))
        at = found.end()
    plain.append(typed[at:])
    text = " ".join("".join(plain).split())
    return Query(
        text,
        tuple(_each(words(text))),
        tuple(_each(parts.must)),
        tuple(_each(parts.must_not)),
        tuple(_each(parts.phrases)),
        tuple(_each(parts.files)),
        parts.after,
        parts.before,
        (*notes, *parts.notes),
    )


class _Parts:
    """The conditions, as they are found one by one."""

    def __init__(self) -> None:
        self.must: list[str] = []
        self.must_not: list[str] = []
        self.phrases: list[str] = []
        self.files: list[str] = []
        self.after: datetime | None = None
        self.before: datetime | None = None
        self.notes: list[str] = []

    def take(self, found: "re.Match[str]") -> str:
        """Note one condition; what of it belongs to the question is returned."""
        group = found.group
        if group("open"):
            return self._phrase(group("sign"), group("phrase"))
        if group("quoted") is not None or group("name"):
            name = " ".join((group("quoted") or group("name") or "").casefold().split())
            self.files += [name] if name else []
            return " "
        if group("op"):
            self._date(group("op"), group("date"))
            return " "
        if group("must"):
            # `+a-b` is two words, both of which must be there.
            self.must += words(group("must"))
            return f" {group('must')} "
        self.must_not += [" ".join(words(group("without")))]
        return " "

    def _phrase(self, sign: str, phrase: str) -> str:
        plain = " ".join(words(phrase))
        if not plain:
            return " "
        if sign == "-":
            self.must_not.append(plain)
            return " "
        self.phrases.append(plain)
        return f" {phrase} "

    def _date(self, op: str, text: str) -> None:
        span = _span(text)
        if span is None:
            self.notes.append(f"“{text[:40]}” is not a date such as 2024-01-31, so dt was left out.")
            return
        first, following = span
        if op in (">=", "=", ">"):
            since = following if op == ">" else first
            self.after = max(self.after or since, since)
        if op in ("<=", "=", "<"):
            until = first if op == "<" else following
            self.before = min(self.before or until, until)


def _span(text: str) -> tuple[datetime, datetime] | None:
    """The day, month or year that a text names: its first moment, and the first after it."""
    found = _DATE.match(text.rstrip(".,;?!"))
    if found is None:
        return None
    year, month, day = (int(number) if number else None for number in found.groups())
    try:
        first = datetime(year or 0, month or 1, day or 1, tzinfo=UTC)
    except ValueError:
        return None
    try:
        if day:
            return first, first + timedelta(days=1)
        if month:
            return first, first.replace(year=first.year + month // 12, month=month % 12 + 1)
        return first, first.replace(year=first.year + 1)
    except (ValueError, OverflowError):
        # The last of all days, as one writes "for ever".
        return first, datetime.max.replace(tzinfo=UTC)


def _each(found: list[str]) -> Iterator[str]:
    """Each once, in order, and not too many."""
    return (word for word in list(dict.fromkeys(found))[:MAX_TERMS] if word)
