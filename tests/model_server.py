"""A scripted server that speaks OpenAI's chat completions, embeddings and moderations: the tests' model.

In a test: `with ModelServer() as server:` and `server.base_url`. As a process of its own:
`python -m tests.model_server --port 0 --script reply-40` prints its port and serves until it is killed.

What it answers is decided for each request: by the next script in line (`server.play(...)`, or POST
/__script), else by the request's model name where that names a script (`named_script`), else by the
server's own script. Names are a kind, then numbers:

    reply-N       N tokens at once            paced-N-MS    N tokens, one every MS milliseconds
    cut-after-N   closes, no finish reason    reset-after-N the same with a TCP reset
    stall-headers silent until released       stall-after-N N tokens, then silent until released
    status-S      HTTP status S               status-S-R    with Retry-After: R
    malformed-after-N, error-after-N          tools, no-usage, empty, content-filter, length, echo

Admin, for tests in another process: GET /__log (a list of calls), POST /__script ({"name": ...} or a
script's fields: the next in line), POST /__release (end all stalls), POST /__reset.
"""

import argparse
import contextlib
import json
import socket as plain_socket
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, Self

import gevent
from gevent import socket, ssl
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer

from tests.model_answers import embedded, moderated
from tests.model_scripts import NAMES, Script, named_script

MODEL_NAME = "scripted"
_MAX_HEAD_BYTES = 64 * 1024


@dataclass(slots=True)
class Call:
    """One request, as it went.

    Attributes:
        connection: Number of the connection that it came on, from 1.
        tokens_sent: Tokens written so far.
        closed: Set once the client has closed the connection before the reply was whole.
        finished: Set once the server is done with it, in whatever way.
    """

    number: int
    connection: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    started_s: float = field(default_factory=monotonic)
    tokens_sent: int = 0
    closed_s: float | None = None
    outcome: str = "open"
    closed: Event = field(default_factory=Event)
    finished: Event = field(default_factory=Event)

    def as_json(self) -> dict[str, Any]:
        """What GET /__log says of it."""
        left_out = ("closed", "finished", "headers")
        return {name: getattr(self, name) for name in self.__slots__ if name not in left_out} | {
            "now_s": monotonic(),
            "authorization": "authorization" in self.headers,
        }


class ClientGone(Exception):
    """The client closed its connection."""


class ModelServer:
    """The server; a context manager that listens on 127.0.0.1.

    Args:
        script: For requests that neither a line of scripts nor their model name decides.
        port: 0 for any that is free.
        certificate: A PEM file with key and certificate; with one it speaks TLS.
    """

    def __init__(self, script: Script | None = None, *, port: int = 0, certificate: Path | None = None) -> None:
        self.script = script or Script()
        self.calls: list[Call] = []
        self.connections = 0
        self._line: list[Script] = []
        self._release = Event()
        self._arrival = Event()
        # A pool, so that stopping the server ends its open connections too.
        self._server = StreamServer(("127.0.0.1", port), self._serve, spawn=Pool())
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._tls:
            self._tls.load_cert_chain(certificate)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.stop(timeout=0)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_port)

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL is to be."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    def play(self, *scripts: Script | str) -> None:
        """Answer the next requests with these, in this order."""
        for script in scripts:
            found = named_script(script) if isinstance(script, str) else script
            assert found, f"there is no script {script!r}"
            self._line.append(found)

    def release(self) -> None:
        """End all stalls, those of later requests too (until `reset`)."""
        self._release.set()

    def reset(self) -> None:
        """Forget all calls and scripts in line; stalls stall again."""
        self.calls.clear()
        self._line.clear()
        self._release.clear()

    def wait_for_call(self, number: int = 1, *, timeout_s: float = 5.0) -> Call:
        """The `number`th request since the start or the last reset, once it is here."""
        until_s = monotonic() + timeout_s
        while len(self.calls) < number:
            self._arrival.clear()
            assert self._arrival.wait(until_s - monotonic()), f"request {number} did not come"
        return self.calls[number - 1]

    def _serve(self, connection: Any, _address: object) -> None:
        self.connections += 1
        number = self.connections
        connection.setsockopt(plain_socket.IPPROTO_TCP, plain_socket.TCP_NODELAY, 1)
        if self._tls:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:  # the client does not trust the certificate
                return
        reader = connection.makefile("rb")
        try:
            with contextlib.suppress(OSError, ClientGone):
                while request := _read_request(reader):
                    if not self._answer(connection, number, *request):
                        return
        finally:
            reader.close()
            connection.close()

    def _answer(self, connection: Any, number: int, method: str, path: str, head: dict[str, str], body: bytes) -> bool:
        """Answer one request; whether another one may follow on the same connection."""
        if path.startswith("/__"):
            try:
                return _send_json(connection, 200, self._administer(path, body))
            except (AssertionError, TypeError, ValueError) as exc:
                return _send_json(connection, 400, {"error": str(exc)})
        if method == "GET" and path.endswith("/models"):
            return _send_json(connection, 200, {"object": "list", "data": [{"id": MODEL_NAME, "object": "model"}]})
        if method != "POST" or not path.endswith(("/chat/completions", "/embeddings", "/moderations")):
            return _send_json(connection, 404, {"error": {"message": f"no such path {path}", "code": "not_found"}})
        call = Call(len(self.calls) + 1, number, path, head, json.loads(body))
        self.calls.append(call)
        self._arrival.set()
        script = self._line.pop(0) if self._line else named_script(str(call.body.get("model"))) or self.script
        if path.endswith("/embeddings") and script.stall_after != -1:
            call.finished.set()
            return _send_json(connection, *embedded(script, call.body))
        if path.endswith("/moderations") and script.stall_after != -1:
            call.finished.set()
            return _send_json(connection, *moderated(script, call.body))
        if script.echo:
            script = replace(script, text=json.dumps(call.body["messages"], ensure_ascii=False))
        return _Reply(connection, call, script, self._release).send()

    def _administer(self, path: str, body: bytes) -> Any:
        if path == "/__log":
            return [call.as_json() for call in self.calls]
        if path == "/__script":
            asked = json.loads(body)
            self.play(asked["name"] if "name" in asked else Script(**asked))
        elif path == "/__release":
            self.release()
        elif path == "/__reset":
            self.reset()
        else:
            raise ValueError(f"no such path {path}")
        return {"ok": True}


class _Reply:
    """The reply to one request, and the watch over its client."""

    def __init__(self, connection: Any, call: Call, script: Script, release: Event) -> None:
        self._connection = connection
        self._call = call
        self._script = script
        self._release = release

    def send(self) -> bool:
        watch = gevent.spawn(self._watch, gevent.getcurrent())
        try:
            self._call.outcome = "whole" if self._send() else "cut"
        except (OSError, ClientGone):
            self._note_closed()
        finally:
            watch.kill()
            self._call.finished.set()
        return self._call.outcome == "whole" and self._script.chunked

    def _watch(self, sender: Any) -> None:
        """The client sends nothing while it reads a reply: readable means that it has gone."""
        with contextlib.suppress(OSError):
            socket.wait_read(self._connection.fileno())
            # The plain socket's method: a TLS socket cannot peek.
            if socket.socket.recv(self._connection, 1, plain_socket.MSG_PEEK):
                return
        self._note_closed()
        gevent.spawn(sender.throw, ClientGone)

    def _note_closed(self) -> None:
        if self._call.closed_s is None:
            self._call.closed_s = monotonic()
            self._call.outcome = "closed by client"
            self._call.closed.set()

    def _send(self) -> bool:
        script = self._script
        if script.stall_after == -1:
            self._stall()
        if script.status != 200:
            body = script.body or {"error": {"message": "sk-secret detail of the provider", "code": None}}
            extra = {"Retry-After": script.retry_after} if script.retry_after is not None else {}
            return _send_json(self._connection, script.status, body, extra)
        self._start()
        for data in script.raw:
            self._event(data)
        if not script.raw and not self._speak():
            return False
        gevent.sleep(script.hold_open_s)
        if script.chunked:
            self._connection.sendall(b"0\r\n\r\n")
        return True

    def _start(self) -> None:
        framing = "Transfer-Encoding: chunked" if self._script.chunked else "Connection: close"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n{framing}\r\n\r\n"
        self._connection.sendall(head.encode())

    def _speak(self) -> bool:
        """Send the answer; False if it is cut."""
        script = self._script
        self._chunk({"role": "assistant", "content": None})
        for number in range(script.reasoning):
            self._chunk({"reasoning_content": f"thought{number} "})
        words = script.words()
        for number in range(len(words) + 1):
            if number == script.stall_after:
                self._stall()
            if number == script.malformed_after:
                self._event('{"choices": [{"del')
            if number == script.error_after:
                self._event('{"error": {"message": "sk-secret overloaded", "code": 503}}')
            if number == script.cut_after:
                return self._cut()
            if number < len(words):
                self._chunk({"content": words[number]})
                self._call.tokens_sent += 1
                if script.pace_s:
                    gevent.sleep(script.pace_s)
        self._finish(len(words))
        return True

    def _finish(self, tokens: int) -> None:
        script = self._script
        for delta in _tool_deltas(script.tool_calls):
            self._chunk({"tool_calls": [delta]})
        if script.finish is not None:
            self._chunk({}, finish=script.finish)
        if script.usage:
            usage = {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}
            self._event(json.dumps({"id": "c", "choices": [], "usage": usage}))
        self._event("[DONE]")

    def _cut(self) -> bool:
        if self._script.ending == "done":
            self._event("[DONE]")
            return True
        if self._script.ending == "reset":
            linger = struct.pack("ii", 1, 0)
            self._connection.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_LINGER, linger)
        return False

    def _stall(self) -> None:
        every_s = self._script.comment_every_s
        while not self._release.wait(every_s or None):
            self._write(b": still here\n\n")
            self._chunk({"content": ""})

    def _chunk(self, delta: dict[str, Any], *, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self._event(json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}, ensure_ascii=False))

    def _event(self, data: str) -> None:
        newline = self._script.newline
        self._write(f"data: {data}{newline}{newline}".encode())

    def _write(self, text: bytes) -> None:
        size = self._script.frame_bytes or len(text)
        for start in range(0, len(text), size):
            piece = text[start : start + size]
            self._connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if self._script.chunked else piece)


def _tool_deltas(calls: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Each call in pieces: its id and name first, then its arguments bit by bit."""
    for index, (name, arguments) in enumerate(calls):
        yield {"index": index, "id": f"call-{index}", "type": "function", "function": {"name": name, "arguments": ""}}
        for start in range(0, len(arguments), 3):
            yield {"index": index, "function": {"arguments": arguments[start : start + 3]}}


def _read_request(reader: Any) -> tuple[str, str, dict[str, str], bytes] | None:
    first = reader.readline(_MAX_HEAD_BYTES)
    if not first.strip():
        return None
    method, path, _ = first.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := reader.readline(_MAX_HEAD_BYTES).decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return method, path, headers, reader.read(int(headers.get("content-length", "0")))


def _send_json(connection: Any, status: int, body: Any, extra: dict[str, str] | None = None) -> bool:
    text = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(text)), **(extra or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + text)
    return True


def refused_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: Sequence[str]) -> None:
    """Serve until killed; the first line printed is the port."""
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible server.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", default="reply-20", help="for requests whose model names no script")
    options = parser.parse_args(arguments)
    script = named_script(options.script)
    if script is None:
        parser.error(f"there is no script {options.script!r}; known: {', '.join(NAMES)}")
    with ModelServer(script, port=options.port) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
