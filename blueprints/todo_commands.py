"""The todo agent's test client: `flask --app app todos-client`, against a site that runs.

It checks the protocol (REQUIREMENTS A3): the order of events, the framings, coming back, sessions, refusals.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable
from typing import Any, Final

import click

from blueprints import trying
from blueprints.commands import plainly
from blueprints.trying import Api, Failed, expect

_PATH: Final = "/api/todos/agent-create/stream"
_SESSIONS: Final = "/api/todos/sessions"
_NONSENSE: Final = "nonsense"
_REFUSED: Final = "refused"
_ONCE: Final = ("session_initialized", "completed", "history")

Event = tuple[str, Any]
Body = dict[str, Any]


@click.command("todos-client")
@click.option("--url", default=None, help="The site's address. Default: this site's own.")
@click.option("--token", default=None, envvar="TODOS_TOKEN", help="A login JWT or a personal token.")
@click.option("--as", "email", default=None, help="Instead of a token: an account of this site, by its address.")
@click.option("--message", default="What is due today?", show_default=True, help="What to say.")
@plainly
def todos_client(url: str | None, token: str | None, email: str | None, message: str) -> None:
    """Try the todo agent's API: a stream, its other framings, coming back, sessions, error handling.

    Asks five times, which count for the month, in a session of its own, which is deleted in the end. Exits 1 if a
    check fails.
    """
    api, body = trying.api(url, token, email), _body(message, f"try-{secrets.token_hex(4)}")
    trying.run(
        {
            "streaming": lambda: check_stream(api, body),
            "envelopes and batches": lambda: check_framings(api, body),
            "coming back": lambda: check_cursor(api, body),
            "sessions": lambda: check_sessions(api, body),
            "error handling": lambda: check_errors(api),
        }
    )


def check_stream(api: Api, body: Body) -> str:
    """The session first, `completed` and the history last, and the text is what they say."""
    return _told(_asked(api, body))


def check_framings(api: Api, body: Body) -> str:
    """The same events in the JSON of unnamed frames, and several in one."""
    for query in ("?frame=envelope", "?batch=1"):
        frames = list(api.stream("POST", _PATH + query, body))
        names = {name for name, _ in frames}
        expect(names == {"batch" if "batch" in query else "message"}, f"{query}: frames named {sorted(names)}")
        _told([(event["event"], event["data"]) for event in _opened(frames)])
    return "both tell the same events"


def check_cursor(api: Api, body: Body) -> str:
    """The stream tells the same once more, to whoever asks for it."""
    first = _asked(api, body)
    again = list(api.stream("GET", first[0][1]["stream_url"]))
    expect(again[-1] == first[-1], "the history is another one")
    expect(_text(again) == _text(first), "the text is another one")
    return f"{len(first)} events, then {len(again)}"


def check_sessions(api: Api, body: Body) -> str:
    """A session is listed, renamed, read and deleted."""
    name, history = body["session_id"], _asked(api, body)[-1][1]
    status, sent = api.call("GET", f"{_SESSIONS}/{name}/history")
    expect(status == 200 and json.loads(sent) == history, f"{status} {sent!r}")
    status, sent = api.call("PATCH", f"{_SESSIONS}/{name}", {"title": name})
    expect(status == 200 and json.loads(sent)["title"] == name, f"{status} {sent!r}")
    rows = json.loads(api.call("GET", _SESSIONS)[1])["sessions"]
    expect(any(row["name"] == name for row in rows), "it is not listed")
    statuses = [api.call(method, f"{_SESSIONS}/{name}")[0] for method in ("DELETE", "GET")]
    expect(statuses == [204, 404], f"deleted: {statuses}")
    return f"{name}: {len(history)} messages"


def check_errors(api: Api) -> str:
    """Refusals are told in the stream, and by their status to those who want JSON."""
    wanted: dict[str, Body] = {
        "No messages provided": {"messages": []},
        "Invalid message content": {"messages": [{"role": "user", "content": 5}]},
        "Message content too long": _body("x" * 10_001, _REFUSED),
        "Too many messages in conversation": {"messages": [{"role": "user", "content": "x"}] * 51},
        "Invalid session ID format": _body("Hello", "no spaces"),
        "Access denied: Invalid session": _body("Hello", "user_0_theirs"),
    }
    for text, body in wanted.items():
        events = list(api.stream("POST", _PATH, body))
        expect([name for name, _ in events] == ["error"], f"{text}: {[name for name, _ in events]}")
        expect(events[0][1]["message"] == text, f"{text}: {events[0][1]}")
    status, _ = api.call("POST", _PATH, _body("Hello", _REFUSED), token=_NONSENSE)
    expect(status == 401, f"a bad token: {status}")
    return f"{len(wanted)} refusals in the stream, a bad token 401"


def _body(message: str, session_id: str) -> Body:
    return {"messages": [{"role": "user", "content": message}], "session_id": session_id}


def _asked(api: Api, body: Body) -> list[Event]:
    events: list[Event] = list(api.stream("POST", _PATH, body))
    if not events or events[-1][0] != "history":
        raise Failed(str(events[-1:]))
    return events


def _opened(frames: Iterable[Event]) -> list[dict[str, Any]]:
    return [event for _, data in frames for event in (data if isinstance(data, list) else [data])]


def _text(events: list[Event]) -> str:
    return "".join(data["content"] for name, data in events if name == "message_delta")


def _told(events: list[Event]) -> str:
    """Check that an answer has its events in order, and that its sums fit."""
    names = [name for name, _ in events]
    expect(names[:1] == ["session_initialized"], f"the first event is {names[:1]}: {events[:1]}")
    expect(names[-2:] == ["completed", "history"], f"the last events are {names[-2:]}: {events[-1:]}")
    expect(all(names.count(name) == 1 for name in _ONCE), f"events {names}")
    text, completed, history = _text(events), events[-2][1], events[-1][1]
    expect(completed["final_message"] == text, "the deltas are not the message")
    expect(hashlib.sha256(text.encode()).hexdigest() == completed["content_sha256"], "the hash does not fit")
    expect(history[-1] == {"role": "assistant", "content": text}, "the history does not end with the answer")
    steps = names.count("tool_call")
    expect(steps == names.count("tool_result"), f"{steps} calls, {names.count('tool_result')} results")
    return f"{len(events)} events, {steps} steps, {len(text)} characters, answered by {completed['engine']}"
