"""Rows that a test needs but is not about. Each takes an open `Session` first, as `Database.run` calls it."""

import hashlib
from collections.abc import Sequence
from io import BytesIO
from itertools import count
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from services.store import bases, chunks, claims, conversations, documents, media, problems, submissions, todos, users
from services.store.base import utc_now
from services.store.todo_changes import By
from services.store.todo_edits import Edit
from services.todos import drafts

_numbers = count(1)
# No password fits it: a test that signs in makes a real hash.
NO_PASSWORD = "!"


def make_user(
    s: Session, email: str | None = None, *, password_hash: str = NO_PASSWORD, admin: bool = False
) -> users.User:
    """An account; not the admin unless asked, whichever comes first."""
    return users.create(s, email or f"person{next(_numbers)}@example.org", password_hash, admin=admin)


def make_answer(s: Session, user_id: int, **changes: Any) -> conversations.Message:
    """A question and its running answer, in a new conversation unless `changes` name one; gives the answer."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "assistant": "tutor",
        "client_name": None,
        "conversation_id": None,
        "title": f"Conversation {number}",
        "question": f"Question {number}?",
        "turn": {"question": f"Question {number}?", "facts": {}, "partial": ""},
        "stream_id": f"stream{number}",
        "run_id": f"run{number}",
        "message_id": conversations.new_id(),
    }
    values.update(changes)
    conversations.begin(s, user_id=user_id, **values)
    answer = conversations.message_of_run(s, values["run_id"])
    assert answer is not None, "begin stores what message_of_run finds"
    return answer


def make_conversation(s: Session, user_id: int, **changes: Any) -> conversations.Conversation:
    """A conversation with one question and its running answer; `changes` as for `make_answer`."""
    return conversations.get(s, user_id, make_answer(s, user_id, **changes).conversation_id)


def settle(s: Session, message_id: str, text: str = "An answer.", **changes: Any) -> conversations.Ended | None:
    """Settle an answer as completed, unless `changes` say otherwise."""
    values: dict[str, Any] = {
        "outcome": "completed",
        "finish_reason": "stop",
        "engine": "built-in",
        "fallback": False,
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "estimated": True},
        "extras": {},
        "error_code": None,
    }
    values.update(changes)
    return conversations.settle(s, message_id, text=text, **values)


def make_media(s: Session, user_id: int, **changes: Any) -> media.Media:
    """A stored text of one page, unless `changes` say otherwise."""
    content = changes.pop("content", f"Notes {next(_numbers)}".encode())
    values: dict[str, Any] = {"name": "notes.txt", "kind": "text", "mime": "text/plain", "page_count": None}
    values.update(
        {"pages": [content.decode("utf-8", "replace")], "made": {"thumbnail": media.Made("image/webp", b"w")}}
    )
    values.update({"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    values["content"] = changes.pop("file", None) or BytesIO(content)
    limits = {name: changes.pop(name, 1 << 40) for name in ("max_total_bytes", "max_files")}
    values.update(changes)
    return media.add(s, user_id, media.Upload(**values), **limits)[0]


def make_problems(s: Session, user_id: int, count: int) -> None:
    """Many of a person's own problems at once: `old-0` and so on."""
    same = {"user_id": user_id, "title": "Old", "statement": "Add.", "extra": {"difficulty": "easy"}}
    now = utc_now()
    s.execute(insert(problems.Problem), [{**same, "id": f"old-{n}", "created_at": now} for n in range(count)])


def make_problem(s: Session, user_id: int, problem_id: str | None = None) -> problems.Problem:
    """A person's own problem."""
    number = next(_numbers)
    return problems.add(
        s,
        user_id,
        problem_id or f"own-problem-{number}",
        title=f"Problem {number}",
        statement="Add two numbers.",
        extra={"difficulty": "easy"},
    )


def make_submission(s: Session, user_id: int, problem_id: str = "two-sum", **changes: Any) -> str:
    """A failed submission, unless `changes` say otherwise."""
    values: dict[str, Any] = {"status": "failed", "code": "def solve(): ...", "language": "python"}
    values.update({"visible_passed": 1, "visible_total": 3, "hidden_passed": 0, "hidden_total": 5})
    values.update({"categories": ["empty input"]})
    values.update(changes)
    return submissions.add(s, user_id, problem_id, **values)


def make_base(s: Session, user_id: int, **changes: Any) -> bases.BaseView:
    """An empty base of this person's."""
    values: dict[str, Any] = {"name": f"Base {next(_numbers)}", **changes}
    return bases.create(s, user_id, **values)


def make_document(s: Session, user_id: int, base_id: str | None = None, **changes: Any) -> documents.Document:
    """A queued text, in a new base unless one is given; `content` is its bytes, or `file` has them."""
    content = changes.pop("content", f"Document {next(_numbers)}".encode())
    values: dict[str, Any] = {"name": "notes.txt", "kind": "text", "mime": "text/plain", "max_total_bytes": 1 << 40}
    values.update(
        {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "content": changes.pop("file", None)}
    )
    values["content"] = values["content"] or BytesIO(content)
    values.update(changes)
    return documents.add(s, user_id, base_id or make_base(s, user_id).id, **values)


def make_indexed(
    s: Session, user_id: int, base_id: str | None = None, *, texts: Sequence[str] = ("A text.",), **changes: Any
) -> documents.Document:
    """A document that is ready, a chunk and a page to each text.

    `vectors` are the chunks', `model` what made them (`test`), `headings` what stands over them; the other changes
    are as for `make_document`.
    """
    headings = changes.pop("headings", [""] * len(texts))
    vectors, model = changes.pop("vectors", [None] * len(texts)), changes.pop("model", "test")
    document = make_document(s, user_id, base_id, content="\f".join(texts).encode("utf-8", "replace"), **changes)
    claim = claims.claim(s, utc_now(), "a test", 60)
    assert claim is not None, "a document that was just made waits"
    assert claim.document.id == document.id, "needs a database where no other document waits"
    claims.put_pages(s, claim, [documents.Page(number, text) for number, text in enumerate(texts, start=1)])
    rows = [
        chunks.NewChunk(n, heading, n + 1, 0, len(text), text, vector)
        for n, (heading, text, vector) in enumerate(zip(headings, texts, vectors, strict=True))
    ]
    claims.progress(s, claim, total=len(rows))
    chunks.put(s, claim, rows, model=model)
    return claims.finish(s, claim)


def make_todo(s: Session, user_id: int, item: str | None = None, *, by: By | None = None, **changes: Any) -> todos.Todo:
    """An open todo without a date, unless `changes` say otherwise, by the names of `Draft`."""
    edit = Edit(s, by or By(user_id), now=utc_now())
    row = drafts.add(edit, todos.Draft(item or f"Todo {next(_numbers)}", **changes))
    edit.close("created", row.id, row.item)
    return todos.get(s, user_id, row.id)
