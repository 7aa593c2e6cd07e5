"""The search's test client: `flask --app app search-client`, against a site that runs.

It checks the protocol (REQUIREMENTS Q18): the order of events, that streams and JSON agree, coming back, refusals.
"""

import hashlib
import json
from typing import Any, Final

import click

from blueprints import trying
from blueprints.commands import plainly
from blueprints.trying import Api, Failed, expect

_PATH: Final = "/api/v1/search"
_ORDER: Final = ("token", "citation", "done")
_NONSENSE: Final = "nonsense"
_STRANGER: Final = "00000000000000000000000000"


@click.command("search-client")
@click.option("--url", default=None, help="The site's address. Default: this site's own.")
@click.option("--token", default=None, envvar="SEARCH_TOKEN", help="A login JWT or a personal token.")
@click.option("--as", "email", default=None, help="Instead of a token: an account of this site, by its address.")
@click.option("--query", default="What is this about?", show_default=True, help="What to ask.")
@plainly
def search_client(url: str | None, token: str | None, email: str | None, query: str) -> None:
    """Try the search's API: a stream, the whole answer, a follow-up, coming back, error handling.

    Asks four questions, which stand in that person's history. Exits 1 if a check fails.
    """
    api = trying.api(url, token, email)
    trying.run(
        {
            "streaming": lambda: check_stream(api, query),
            "whole answer, read again as a stream": lambda: check_whole(api, query),
            "follow-up in the thread": lambda: check_follow_up(api, query),
            "error handling": lambda: check_errors(api, query),
        }
    )


def check_stream(api: Api, query: str) -> str:
    """Tokens, then citations, then one `done`, which says what the text is."""
    return _told(_answer(list(api.stream("POST", _PATH, {"query": query, "kb_ids": []}))))


def check_whole(api: Api, query: str) -> str:
    """The JSON answer, and the same once more from its stream."""
    whole = _json(api, {"query": query})
    for name in ("answer", "citations", "confidence_score", "results"):
        expect(name in whole, f"no {name}: {sorted(whole)}")
    text, citations, _ = _answer(list(api.stream("GET", f"/api/streams/{whole['stream_id']}")))
    expect(text == whole["answer"], "the stream tells another answer")
    expect([one["number"] for one in citations] == [one["number"] for one in whole["citations"]], "other citations")
    return f"{len(text)} characters, {len(whole['citations'])} citations of {len(whole['results'])} passages"


def check_follow_up(api: Api, query: str) -> str:
    """A second question in the same thread."""
    first = _json(api, {"query": query})
    second = _json(api, {"query": "And what else?", "conversation_id": first["conversation_id"]})
    expect(second["conversation_id"] == first["conversation_id"], "the follow-up is in another thread")
    return f"confidence {first['confidence_score']}, then {second['confidence_score']}"


def check_errors(api: Api, query: str) -> str:
    """Refusals come as JSON with their status, before any stream."""
    return trying.refusals(
        {
            "no token": (401, lambda: api.call("POST", _PATH, {"query": query}, token="")),
            "a bad token": (401, lambda: api.call("POST", _PATH, {"query": query}, token=_NONSENSE)),
            "no query": (400, lambda: api.call("POST", _PATH, {"query": "  "})),
            "a query of 100 kB": (400, lambda: api.call("POST", _PATH, {"query": "word " * 20_000})),
            "an unknown base": (404, lambda: api.call("POST", _PATH, {"query": query, "kb_ids": [_STRANGER]})),
            "an unknown thread": (404, lambda: api.call("POST", _PATH, {"query": query, "conversation_id": _STRANGER})),
        }
    )


def _json(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    status, sent = api.call("POST", _PATH, body, accept="application/json")
    if status != 200:
        raise Failed(f"{status} {sent.decode('utf-8', 'replace')}")
    found: dict[str, Any] = json.loads(sent)
    return found


def _answer(events: list[tuple[str, dict[str, Any]]]) -> tuple[str, list[dict[str, Any]], dict[str, Any]]:
    """The text, the citations and `done` of a whole stream, whose order and sums are checked."""
    names = [name for name, _ in events]
    expect(names[-1:] == ["done"], f"the last event is {names[-1:]}: {events[-1:]}")
    expect(set(names) <= set(_ORDER), f"events {sorted(set(names))}")
    expect(names == sorted(names, key=_ORDER.index), "events out of order")
    text = "".join(data["text"] for name, data in events if name == "token")
    citations, done = [data for name, data in events if name == "citation"], events[-1][1]
    expect(hashlib.sha256(text.encode()).hexdigest() == done["content_sha256"], "the hash does not fit")
    expect(0 <= done["confidence_score"] <= 100, f"confidence {done['confidence_score']}")
    missing = [one["number"] for one in citations if f"[{one['number']}]" not in text]
    expect(not missing, f"cited and not in the text: {missing}")
    return text, citations, done


def _told(answer: tuple[str, list[dict[str, Any]], dict[str, Any]]) -> str:
    text, citations, done = answer
    return (
        f"{len(text)} characters, {len(citations)} citations, confidence {done['confidence_score']}, "
        f"answered by {done['engine']}"
    )
