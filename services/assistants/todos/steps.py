"""One run's steps: a tool is used, and the viewer and the engine are told what came of it, whatever it was.

Nothing that an engine asks for ends a run by itself: an unknown tool, arguments that are none, somebody else's id and
a refusal of the list's are results like others. What was done by an earlier try at the same question is not done
again: its result is given once more.
"""

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from services.assistants.todos import schema, telling
from services.assistants.todos.redact import redacted
from services.assistants.todos.schema import BadArguments
from services.assistants.todos.tools import TOOLS, Tools
from services.errors import AppError, InvalidInput, Unavailable
from services.streaming.events import Event

logger = logging.getLogger(__name__)

MAX_CALLS: Final = 50
MAX_SAME: Final = 3
# Of one result, for the engine and the log.
MAX_RESULT_CHARS: Final = 16_000
_NAME_CHARS: Final = 64
_ARGUMENTS_CHARS: Final = 20_000
# What tells one result from another of the same step done twice.
_IDS: Final = frozenset({"todo_id", "change_id"})
# Those that change nothing may be asked again after a retry.
_LOOKING: Final = frozenset({"list_todos", "search_todos", "list_tags", "ask_user"})


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was carried out, or refused; `asked` is its arguments as an engine may be told of them again."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    output: Mapping[str, Any]
    asked: str = "{}"

    @property
    def is_error(self) -> bool:
        return self.output.get("status") == "error"

    @property
    def content(self) -> str:
        """The result as an engine is given it."""
        return json.dumps(self.output, ensure_ascii=False, default=str)


@dataclass(slots=True)
class Steps:
    """See the module's text.

    Args:
        before: What earlier tries at this question have done, by the digest of each step: their results.

    Attributes:
        done: All steps of this run in order.
        is_stuck: Whether the same step gave the same result too often.
    """

    tools: Tools
    before: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)
    is_stuck: bool = False
    _seen: Counter[str] = field(default_factory=Counter)

    @property
    def is_full(self) -> bool:
        """Whether a run may do no more."""
        return len(self.done) >= MAX_CALLS

    def take(self, name: str, arguments: str | Mapping[str, Any]) -> Iterator[Event]:
        """Carry out one step; `done` has it at its end.

        Raises:
            Unavailable: The database is away: nobody could be told the truth.
        """
        name, wrong, parsed = _name(name), "", {}
        try:
            parsed = _arguments(arguments)
        except BadArguments as exc:
            wrong = str(exc)
        digest = digest_of(name, parsed)
        call_id = f"call_{len(self.done) + 1}_{digest}"
        yield telling.tool_call(call_id, name, redacted(parsed))
        output = within(redacted(_error(wrong) if wrong else self._output(call_id, digest, name, parsed)))
        self.done.append(Step(call_id, name, parsed, output, orjson.dumps(parsed).decode()))
        self._note(digest, output)
        yield telling.tool_result(call_id, name, output)
        # Patched by gevent: others have their turn.
        time.sleep(0)

    def _output(self, call_id: str, digest: str, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        if name not in TOOLS:
            return _error(f"Unknown tool: '{name}'. Known tools: {', '.join(TOOLS)}.")
        known = self.before.get(digest)
        if known and name not in _LOOKING:
            return {**known.pop(0), "already_done": True}
        try:
            return self.tools.use(call_id, name, arguments)
        except BadArguments as exc:
            return _error(str(exc))
        except Unavailable:
            raise
        except InvalidInput as exc:
            return _error(_said(exc))
        except AppError as exc:
            return _error(exc.message)

    def _note(self, digest: str, output: Mapping[str, Any]) -> None:
        told = {name: value for name, value in output.items() if name not in _IDS}
        key = f"{digest} {orjson.dumps(told, option=orjson.OPT_SORT_KEYS, default=str).decode()}"
        self._seen[key] += 1
        self.is_stuck = self.is_stuck or self._seen[key] >= MAX_SAME


def digest_of(name: str, arguments: Mapping[str, Any]) -> str:
    """What a step is known by when it is asked for again; case and spaces make no other one."""
    given = {key: _folded(value) for key, value in arguments.items() if value not in (None, "", [])}
    text = orjson.dumps([name, given], option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return hashlib.sha256(text).hexdigest()[:16]


def digest_in(call_id: str) -> str:
    """The digest of a step that a change was made by; empty if there is none in it."""
    return call_id.rsplit("_", 1)[-1] if call_id.startswith("call_") else ""


def within(output: Mapping[str, Any]) -> dict[str, Any]:
    """A result that is not too long to be told: the last entries of its lists are left out."""
    told = dict(output)
    while len(json.dumps(told, ensure_ascii=False, default=str)) > MAX_RESULT_CHARS:
        lists = [name for name, value in told.items() if isinstance(value, list) and value]
        if not lists:
            return {"status": told.get("status", "error"), "error": "The result is too long to be told."}
        longest = max(lists, key=lambda name: len(str(told[name])))
        told[longest] = told[longest][: len(told[longest]) * 3 // 4]
        told |= {"more": True} | ({"count": len(told[longest])} if "count" in told else {})
    return told


def _arguments(arguments: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(arguments, str):
        return dict(arguments)
    if len(arguments) > _ARGUMENTS_CHARS:
        raise BadArguments(f"The arguments are too long: at most {_ARGUMENTS_CHARS:,} characters.")
    return schema.parsed(arguments)


def _name(name: str) -> str:
    return "".join(sign for sign in name if sign.isascii() and (sign.isalnum() or sign in "_-"))[:_NAME_CHARS] or "tool"


def _error(message: str) -> dict[str, Any]:
    return {"status": "error", "error": message}


def _said(wrong: InvalidInput) -> str:
    if wrong.message != InvalidInput.default_message or not wrong.errors:
        return wrong.message
    return "; ".join(f"{one.field} {one.message}" for one in wrong.errors)


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.split()).casefold()
    if isinstance(value, Mapping):
        return {str(key): _folded(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_folded(item) for item in value]
    return value
