"""The study chat's test client (REQUIREMENTS U14): `flask --app app study-client`, against a site that runs.

It speaks HTTP as any client does, reads the stream line by line, and says of each check what it saw.
"""

import hashlib
import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import click

from blueprints import tickets
from blueprints.commands import plainly
from blueprints.extensions import services
from services.store import users

_TIMEOUT_S: Final = 120.0
_PATH: Final = "/api/stream/stream-conversation"
_NONSENSE: Final = "nonsense"
_STRANGER: Final = "00000000000000000000000000"


class Failed(Exception):
    """A check that did not see what it should."""


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
    settings = services().settings
    api = _Api(url or f"http://127.0.0.1:{settings.port}", token or _token_of(email))
    checks: dict[str, Callable[[], str]] = {
        "health": lambda: check_health(api),
        "simple streaming": lambda: check_simple(api, message),
        "full conversation": lambda: check_conversation(api, message),
        "error handling": lambda: check_errors(api),
    }
    failed = 0
    for name, check in checks.items():
        try:
            click.echo(f"ok      {name}: {check()}")
        except (Failed, OSError, http.client.HTTPException, ValueError, KeyError) as wrong:
            failed += 1
            click.echo(f"FAILED  {name}: {wrong}")
    if failed:
        raise SystemExit(1)


def check_health(api: "_Api") -> str:
    """The health endpoint says that the service is well."""
    status, body = api.call("GET", "/api/stream/health")
    found = json.loads(body)
    _expect(status == 200 and found["status"] == "healthy", f"{status} {found}")
    _expect(found["service"] == "interaction-streaming" and found["timestamp"] > 0, f"{found}")
    return f"healthy, answered by {found.get('engine', 'unknown')}"


def check_simple(api: "_Api", message: str) -> str:
    """The simple form gives tokens and one last event, and nothing else."""
    query = urlencode({"message": message})
    events = list(api.stream("GET", f"/api/stream/stream-simple?{query}"))
    kinds = [event["type"] for event in events]
    _expect(set(kinds) <= {"token", "complete"} and kinds[-1:] == ["complete"], f"events {kinds}")
    return _whole(events)


def check_conversation(api: "_Api", message: str) -> str:
    """A question and a follow-up in the same interaction."""
    first = list(api.stream("POST", _PATH, {"message": message, "max_tokens": 5000}))
    _expect(first[0]["type"] == "metadata", f"the first event is {first[0]['type']}")
    _expect(first[0]["is_new_interaction"] is True, "a first question is not a new interaction")
    interaction_id = first[0]["interaction_id"]
    follow_up = {"message": "Give me an example.", "way": "example", "interaction_id": interaction_id}
    second = list(api.stream("POST", _PATH, follow_up))
    _expect(second[0]["interaction_id"] == interaction_id, "the follow-up is in another interaction")
    _expect(second[0]["is_new_interaction"] is False, "the follow-up is a new interaction")
    return f"{_whole(first)}; then {_whole(second)}"


def check_errors(api: "_Api") -> str:
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
    for name, (status, call) in wanted.items():
        got, body = call()
        _expect(got == status, f"{name}: {got} instead of {status}")
        problem = json.loads(body)
        _expect(bool(problem.get("code") and problem.get("message")), f"{name}: {problem}")
    return ", ".join(f"{name} {status}" for name, (status, _) in wanted.items())


class _Api:
    """The API of one site, called as one person."""

    def __init__(self, url: str, token: str) -> None:
        self._parts = urlsplit(url if "://" in url else f"http://{url}")
        self._token = token

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, token: str | None = None
    ) -> tuple[int, bytes]:
        """Status and body of a response that is no stream."""
        response, connection = self._send(method, path, body, self._token if token is None else token)
        try:
            return response.status, response.read()
        finally:
            connection.close()

    def stream(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The events of a streamed response, as they come, up to `complete` or `error`."""
        response, connection = self._send(method, path, body, self._token)
        try:
            if response.status != 200:
                raise Failed(f"{response.status} {response.read().decode('utf-8', 'replace')}")
            for line in response:
                if line.startswith(b"data: "):
                    event: dict[str, Any] = json.loads(line[6:])
                    yield event
                    if event["type"] in ("complete", "error"):
                        return
            raise Failed("the stream ended without complete or error")
        finally:
            connection.close()

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, token: str
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "127.0.0.1", self._parts.port, timeout=_TIMEOUT_S)
        headers = {"Accept": "text/event-stream", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        sent = None if body is None else json.dumps(body)
        connection.request(method, self._parts.path.rstrip("/") + path, sent, headers)
        return connection.getresponse(), connection


def _whole(events: list[dict[str, Any]]) -> str:
    """Check that a streamed answer is what its end says it is."""
    end = events[-1]
    _expect(end["type"] == "complete", f"{end.get('code')} {end.get('error')}")
    text = "".join(event["content"] for event in events if event["type"] == "token")
    _expect(text == end["content"], "the tokens are not the content")
    _expect(hashlib.sha256(text.encode()).hexdigest() == end["content_sha256"], "the hash does not fit")
    return (
        f"{len(events)} events, {end['tokens_used']} tokens, {end['points_cost']} points"
        f"{', from the cache' if end.get('cached') else ''}"
    )


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)


def _token_of(email: str | None) -> str:
    """A login token for an account of this site; whoever may run this command may read its database, too."""
    if not email:
        raise click.UsageError("Give --token, or --as with the address of an account.")
    user = services().database.run(users.by_email, email)
    if user is None:
        raise click.ClickException(f"There is no account {email}.")
    return tickets.login_jwt(user)[0]
