"""What the test clients of the assistants share: a site's API over HTTP, as any program would speak it, and checks."""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import click

from blueprints import tickets
from blueprints.extensions import services
from services.store import users

_TIMEOUT_S: Final = 120.0
_SSE: Final = "text/event-stream"


class Failed(Exception):
    """A check that did not see what it should."""


class Api:
    """The API of one site, called as one person."""

    def __init__(self, url: str, token: str) -> None:
        self._parts = urlsplit(url if "://" in url else f"http://{url}")
        self._token = token

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        accept: str = _SSE,
    ) -> tuple[int, bytes]:
        """Status and body of a response that is no stream."""
        response, connection = self._send(method, path, body, self._token if token is None else token, accept)
        try:
            return response.status, response.read()
        finally:
            connection.close()

    def stream(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events of a streamed response as they come, each with its name (or `message`), until it ends.

        Raises:
            Failed: It is refused.
        """
        response, connection = self._send(method, path, body, self._token, _SSE)
        try:
            if response.status != 200:
                raise Failed(f"{response.status} {response.read().decode('utf-8', 'replace')}")
            name = "message"
            for line in response:
                if line.startswith(b"event: "):
                    name = line[7:].decode().rstrip("\n")
                elif line.startswith(b"data: "):
                    yield name, json.loads(line[6:])
                    name = "message"
        finally:
            connection.close()

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, token: str, accept: str
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "127.0.0.1", self._parts.port, timeout=_TIMEOUT_S)
        headers = {"Accept": accept, "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        sent = None if body is None else json.dumps(body)
        connection.request(method, self._parts.path.rstrip("/") + path, sent, headers)
        return connection.getresponse(), connection


def api(url: str | None, token: str | None, email: str | None) -> Api:
    """The API that a command's options name: this site's own unless they say otherwise.

    Args:
        email: Of an account of this site, instead of a token; whoever may run a command may read its database, too.
    """
    if not token:
        token = _token_of(email)
    return Api(url or f"http://127.0.0.1:{services().settings.port}", token)


def run(checks: Mapping[str, Callable[[], str]]) -> None:
    """Do all checks, and say of each what it saw; exit status 1 if one fails."""
    failed = 0
    for name, check in checks.items():
        try:
            click.echo(f"ok      {name}: {check()}")
        except (Failed, OSError, http.client.HTTPException, ValueError, KeyError) as wrong:
            failed += 1
            click.echo(f"FAILED  {name}: {wrong}")
    if failed:
        raise SystemExit(1)


def refusals(wanted: Mapping[str, tuple[int, Callable[[], tuple[int, bytes]]]]) -> str:
    """Check that calls are refused, each by its status and a problem document; what was seen."""
    for name, (status, call) in wanted.items():
        got, body = call()
        expect(got == status, f"{name}: {got} instead of {status}")
        problem = json.loads(body)
        expect(bool(problem.get("code") and problem.get("message")), f"{name}: {problem}")
    return ", ".join(f"{name} {status}" for name, (status, _) in wanted.items())


def expect(holds: bool, otherwise: str) -> None:
    """Fail the check unless this holds."""
    if not holds:
        raise Failed(otherwise)


def _token_of(email: str | None) -> str:
    if not email:
        raise click.UsageError("Give --token, or --as with the address of an account.")
    user = services().database.run(users.by_email, email)
    if user is None:
        raise click.ClickException(f"There is no account {email}.")
    return tickets.login_jwt(user)[0]
