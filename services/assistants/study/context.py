"""What a turn of the study chat is made of: the facts that are stored, chosen within a budget. Pure.

The last turns go to the model word for word, as many as the budget holds. When they no longer fit, the older
half is handed over to be summed up (`earlier`), and from then on the summary stands in its place. An answer that was
made from a summary keeps it (an event `message` of the kind `summary`): it is visible, and the next turn finds it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.assistants.study.input import StudyInput
from services.assistants.study.passages import Passage, clip, ranked, split, terms
from services.llm.tokens import CODE_POINTS_PER_TOKEN, estimate

SUMMARY: Final = "summary"
# What the passages of uploads may take, in characters for each token of the conversation's budget: three quarters.
_EXCERPT_CHARS_PER_TOKEN: Final = 3
EXCERPT_CHARS: Final = 12_000
MAX_IMAGES: Final = 8
MAX_MEDIA_IN_CONTEXT: Final = 16
_EARLIER_CHARS: Final = 2_000
# So much text is cut into passages in about a millisecond.
_PAUSE_EVERY_CHARS: Final = 50_000
_PAGE_ASKED = re.compile(r"\b(?:page|pages|p\.|seite|s\.|página|page n°)\s*(\d{1,4})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an upload's text."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a question may draw on.

    Attributes:
        pages: Empty for images.
        is_new: Whether it came with this message.
        drawn: The numbers of pages without text that can be shown as pictures.
    """

    id: str
    name: str
    kind: str
    sha256: str
    pages: Sequence[Page] = ()
    is_new: bool = True
    drawn: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Past:
    """What a question comes after: the messages to show, those to sum up, and the summary of what is older."""

    history: Sequence[Mapping[str, str]] = ()
    earlier: Sequence[Mapping[str, str]] = ()
    summary: str = ""
    upto: str = ""

    def shown(self) -> list[Mapping[str, str]]:
        """All of it, as what an answer depends on."""
        before = [{"role": SUMMARY, "content": self.summary}] if self.summary else []
        return [*before, *self.earlier, *self.history]


def past(path: Sequence[Any], budget_tokens: int) -> Past:
    """What of a conversation goes with the next question.

    Args:
        path: Its messages from the first to the last (`id`, `role`, `content`, `extras`).
        budget_tokens: How much may go word for word.
    """
    summary, upto = _summary_of(path)
    rest = [row for row in path if row.content]
    if upto:
        rest = rest[[row.id for row in rest].index(upto) + 1 :]
    if _tokens(rest) <= budget_tokens:
        return Past(_said(rest), (), summary, upto)
    kept = _newest(rest, budget_tokens // 2)
    older = rest[: len(rest) - len(kept)]
    limit = budget_tokens * CODE_POINTS_PER_TOKEN
    return Past(
        [{**said, "content": clip(said["content"], limit)} for said in _said(kept)],
        [{**said, "content": clip(said["content"], _EARLIER_CHARS)} for said in _said(older)],
        summary,
        older[-1].id if older else upto,
    )


def is_enough(path: Sequence[Any], question: str) -> bool:
    """Whether these last messages of a path say all that a question depends on: the older ones are summed up."""
    return all(_summary_of(rows)[1] for rows in (path, before_repeats(path, question)))


def before_repeats(path: Sequence[Any], question: str) -> Sequence[Any]:
    """The path without its last turns if they asked just this and were answered: asking again is the same question."""
    rows = list(path)
    while len(rows) >= 2 and rows[-1].role == "assistant" and rows[-2].role == "user":
        if rows[-2].content.strip() != question.strip() or rows[-1].outcome != "completed":
            break
        rows = rows[:-2]
    return rows


def topic_of(sent: StudyInput, path: Sequence[Any]) -> str:
    """What a question is about: what was asked before for `simpler` and its like, and for one without words of its own.

    A question with words of its own, however it goes on, is about these.
    """
    if not sent.way and terms(sent.message):
        return sent.message
    for row in reversed(path):
        if row.role == "assistant" and row.turn:
            facts = row.turn.get("facts") or {}
            return str(facts.get("topic") or row.turn.get("question") or sent.message)
        if row.role == "user" and terms(row.content):
            return str(row.content)
    return sent.message


def media_ids(path: Sequence[Any]) -> list[str]:
    """The uploads that a conversation has had, the newest first."""
    found: dict[str, None] = {}
    for row in reversed(path):
        for entry in ((row.turn or {}).get("facts") or {}).get("media") or ():
            found[str(entry["id"])] = None
    return list(found)[:MAX_MEDIA_IN_CONTEXT]


def facts(
    sent: StudyInput,
    *,
    path: Sequence[Any],
    uploads: Sequence[Upload],
    budget_tokens: int,
    cache_key: str = "",
    cached: Mapping[str, Any] | None = None,
    pause: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """All that a turn needs besides the question; JSON.

    Args:
        path: The messages before the question, the first of the conversation first.
        uploads: The files of this message first, then those of earlier ones.
        cached: The answer that was given to the same question before: {text, engine, extras}.
        pause: As in `passages.ranked`.
    """
    before, topic = past(path, budget_tokens), topic_of(sent, path)
    question = topic if sent.way or topic == sent.message else f"{topic} {sent.message}"
    looked_at = pictures(uploads, question)
    return {
        "is_new": not path,
        "topic": topic,
        "way": sent.way,
        "length": sent.length,
        "max_tokens": sent.limit_tokens,
        "asked_max_tokens": sent.max_tokens,
        "history": list(before.history),
        "earlier": list(before.earlier),
        "summary": before.summary,
        "upto": before.upto,
        "media": [
            {"id": it.id, "sha256": it.sha256, "name": it.name, "kind": it.kind, "is_new": it.is_new} for it in uploads
        ],
        "media_count": sum(it.is_new for it in uploads),
        "images": looked_at[:MAX_IMAGES],
        "partly": [it.name for it in uploads if it.is_new and _is_partly_seen(it, looked_at[:MAX_IMAGES])],
        "unreadable": [
            it.name for it in uploads if it.is_new and it.kind != "image" and not has_text(it) and not it.drawn
        ],
        "excerpts": excerpts(uploads, question, limit=_EXCERPT_CHARS_PER_TOKEN * budget_tokens, pause=pause),
        "cache_key": cache_key,
        "cached": dict(cached) if cached else None,
    }


def pictures(uploads: Sequence[Upload], question: str) -> list[dict[str, Any]]:
    """What of the uploads is to be looked at: pictures, then pages without text, those that a question names first."""
    asked = {int(number) for number in _PAGE_ASKED.findall(question)}
    return [
        *({"id": upload.id, "name": upload.name} for upload in uploads if upload.kind == "image"),
        *(
            {"id": upload.id, "name": f"{upload.name}, page {number}", "page": number}
            for upload in uploads
            for number in sorted(upload.drawn, key=lambda number: (number not in asked, number))
        ),
    ]


def _is_partly_seen(upload: Upload, shown: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a scan has more pages than are looked at."""
    scanned = sum(not page.text.strip() for page in upload.pages)
    return bool(upload.drawn) and scanned > sum(entry["id"] == upload.id for entry in shown)


def has_text(upload: Upload) -> bool:
    """Whether there is anything to read in it; a scan is a PDF of pictures."""
    return any(page.text.strip() for page in upload.pages)


def excerpts(
    uploads: Sequence[Upload],
    question: str,
    *,
    limit: int = EXCERPT_CHARS,
    pause: Callable[[], object] = lambda: None,
) -> list[dict[str, Any]]:
    """The passages of the uploads that fit the question, numbered in the order of the files and pages.

    All of it where it is short; else the best by the question's words, the pages that it names before all; the
    beginning where no word fits.
    """
    everything: list[Passage] = []
    chars = 0
    for upload in uploads:
        for page in upload.pages:
            everything += [Passage(text, upload.name, (upload, page.number)) for text in split(page.text)]
            chars += len(page.text)
            if chars > _PAUSE_EVERY_CHARS:
                chars = 0
                pause()
    if sum(len(passage.text) for passage in everything) <= limit:
        chosen = everything
    else:
        asked = {int(number) for number in _PAGE_ASKED.findall(question)}
        named = [passage for passage in everything if passage.source[1] in asked]
        best = [passage for _, passage in ranked(everything, question, pause=pause)]
        chosen = _within([*named, *best] or everything, limit)
    order = {id(passage): place for place, passage in enumerate(everything)}
    return [
        {
            "number": number,
            "media_id": passage.source[0].id,
            "name": passage.source[0].name,
            "page": passage.source[1] if passage.source[0].kind == "pdf" else None,
            "part": passage.source[1],
            "text": passage.text,
        }
        for number, passage in enumerate(sorted(chosen, key=lambda passage: order[id(passage)]), start=1)
    ]


def _within(passages: Iterable[Passage], limit: int) -> list[Passage]:
    chosen: dict[int, Passage] = {}
    for passage in passages:
        if id(passage) in chosen:
            continue
        limit -= len(passage.text)
        if limit < 0 and chosen:
            break
        chosen[id(passage)] = passage
    return list(chosen.values())


def _summary_of(path: Sequence[Any]) -> tuple[str, str]:
    """The newest summary on the path and the message up to which it reaches."""
    known = {row.id for row in path if row.content}
    for row in reversed(path):
        for entry in reversed((row.extras or {}).get("message") or ()):
            if entry.get("kind") == SUMMARY and entry.get("upto") in known:
                return str(entry["content"]), str(entry["upto"])
    return "", ""


def _tokens(rows: Iterable[Any]) -> int:
    return sum(estimate(len(row.content)) for row in rows)


def _newest(rows: Sequence[Any], budget_tokens: int) -> list[Any]:
    """The last messages that fit, the last question with its answer in any case; a question comes first."""
    kept: list[Any] = []
    for row in reversed(rows):
        budget_tokens -= estimate(len(row.content))
        if budget_tokens < 0 and len(kept) >= 2:
            break
        kept.insert(0, row)
    while len(kept) > 2 and kept[0].role != "user":
        kept.pop(0)
    return kept


def _said(rows: Iterable[Any]) -> list[dict[str, str]]:
    """Messages as a model has them; what continues an answer belongs to it."""
    said: list[dict[str, str]] = []
    for row in rows:
        if said and said[-1]["role"] == row.role:
            joint = "" if row.role == "assistant" else "\n\n"
            said[-1] = {"role": row.role, "content": said[-1]["content"] + joint + row.content}
        else:
            said.append({"role": row.role, "content": row.content})
    return said
