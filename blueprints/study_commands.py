"""The study chat's test client (REQUIREMENTS U14): `flask --app app study-client`, against a site that runs.

It speaks HTTP as any client does, reads the stream line by line, and says of each check what it saw.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import click

from blueprints import trying
from blueprints.commands import plainly
from blueprints.trying import Api, Failed, expect

_PATH: Final = "/api/stream/stream-conversation"
_NONSENSE: Final = "nonsense"
_STRANGER: Final = "00000000000000000000000000"


@click.command("study-client")
@click.option("--url", default=None, help="The site's address. Default: this site's own.")
@click.option("--token", default=None, envvar="STUDY_TOKEN", help="A login JWT or a personal token.")
@click.option("--as", "email", default=None, help="Instead of a token: an account of this site, by its address.")
@click.option("--message", default="What is photosynthesis?", show_default=True, help="What to ask.")
@plainly
def study_client(url: str | None, token: str | None, email: str | None, message: str) -> None:
    """Try the study chat's API: health, simple streaming, a full conversation, error handling.

    Asks three questions, which cost points as any do. Exits 1 if a check fails.
    """
    api = trying.api(url, token, email)
    trying.run(
        {
            "health": lambda: check_health(api),
            "simple streaming": lambda: check_simple(api, message),
            "full conversation": lambda: check_conversation(api, message),
            "error handling": lambda: check_errors(api),
        }
    )


def check_health(api: Api) -> str:
    """The health endpoint says that the service is well."""
    status, body = api.call("GET", "/api/stream/health")
    found = json.loads(body)
    expect(status == 200 and found["status"] == "healthy", f"{status} {found}")
    expect(found["service"] == "interaction-streaming" and found["timestamp"] > 0, f"{found}")
    return f"healthy, answered by {found.get('engine', 'unknown')}"


def check_simple(api: Api, message: str) -> str:
    """The simple form gives tokens and one last event, and nothing else."""
    query = urlencode({"message": message})
    events = list(_events(api, "GET", f"/api/stream/stream-simple?{query}"))
    kinds = [event["type"] for event in events]
    expect(set(kinds) <= {"token", "complete"} and kinds[-1:] == ["complete"], f"events {kinds}")
    return _whole(events)


def check_conversation(api: Api, message: str) -> str:
    """A question and a follow-up in the same interaction."""
    first = list(_events(api, "POST", _PATH, {"message": message, "max_tokens": 5000}))
    expect(first[0]["type"] == "metadata", f"the first event is {first[0]['type']}")
    expect(first[0]["is_new_interaction"] is True, "a first question is not a new interaction")
    interaction_id = first[0]["interaction_id"]
    follow_up = {"message": "Give me an example.", "way": "example", "interaction_id": interaction_id}
    second = list(_events(api, "POST", _PATH, follow_up))
    expect(second[0]["interaction_id"] == interaction_id, "the follow-up is in another interaction")
    expect(second[0]["is_new_interaction"] is False, "the follow-up is a new interaction")
    return f"{_whole(first)}; then {_whole(second)}"


def check_errors(api: Api) -> str:
    """Refusals come as JSON with their status, before any stream."""
    wanted: dict[str, tuple[int, Callable[[], tuple[int, bytes]]]] = {
        "no token": (401, lambda: api.call("POST", _PATH, {"message": "Hello"}, token="")),
        "a bad token": (401, lambda: api.call("POST", _PATH, {"message": "Hello"}, token=_NONSENSE)),
        "no message": (400, lambda: api.call("POST", _PATH, {"message": "  "})),
        "a bad max_tokens": (400, lambda: api.call("POST", _PATH, {"message": "Hello", "max_tokens": -1})),
        "an unknown interaction": (
            404,
            lambda: api.call("POST", _PATH, {"message": "Hello", "interaction_id": _STRANGER}),
        ),
    }
    return trying.refusals(wanted)


def _events(api: Api, method: str, path: str, body: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """The events of an answer, as they come, up to `complete` or `error`."""
    for _, event in api.stream(method, path, body):
        yield event
        if event["type"] in ("complete", "error"):
            return
    raise Failed("the stream ended without complete or error")


def _whole(events: list[dict[str, Any]]) -> str:
    """Check that a streamed answer is what its end says it is."""
    end = events[-1]
    expect(end["type"] == "complete", f"{end.get('code')} {end.get('error')}")
    text = "".join(event["content"] for event in events if event["type"] == "token")
    expect(text == end["content"], "the tokens are not the content")
    expect(hashlib.sha256(text.encode()).hexdigest() == end["content_sha256"], "the hash does not fit")
    return (
        f"{len(events)} events, {end['tokens_used']} tokens, {end['points_cost']} points"
        f"{', from the cache' if end.get('cached') else ''}"
    )
