"""A scripted OpenAI-compatible model server, fast enough never to be what is measured: `python -m bench.model PORT`.

Every chat completion streams the same words, one token a chunk and one send a token, after the gate was opened:
`POST /go?tokens=N&rate=R` (R tokens a second and reply; 0 is unpaced). `POST /hold` closes the gate again.
"""

import re
import socket
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

import orjson

# Prose as a tutor writes it: sentences, and a new paragraph now and then; no code, so that nothing is withheld.
_WORDS = re.findall(
    r"\S+\s*",
    """Let us think about what you have already seen when you come to a new number. Which question would you like to ask
about the numbers before it? If you could ask that question and get an answer at once, how often would you have to walk
through the list? Write down what you would need to remember for that.

Now take the smallest example and follow it with a finger. What do you know after the first step, and what after the
second? Try to say in one sentence what stays true after every step. Then look for a case where it fails: an empty list,
a single number, the same number twice.

""".replace("\n\n", "\0")
    .replace("\n", " ")
    .replace("\0", "\n\n"),
)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


def words(tokens: int) -> list[str]:
    """The reply, token by token."""
    return [_WORDS[number % len(_WORDS)] for number in range(tokens)]


def _chunk(delta: dict, *, finish: str | None = None, usage: dict | None = None) -> bytes:
    choices = [] if usage else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    body = {
        "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": "bench",
        "system_fingerprint": "bench", "choices": choices, "usage": usage,
    }  # fmt: skip
    return _http_chunk(b"data: %b\n\n" % orjson.dumps(body))


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class _Script:
    """What all replies play; replaced as a whole when the gate opens."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.rate = 0.0
        self.chunks: list[bytes] = []
        self.tokens = 0

    def open(self, tokens: int, rate: float) -> None:
        self.tokens, self.rate = tokens, rate
        self.chunks = [_chunk({"content": word}) for word in words(tokens)]
        self.gate.set()


script = _Script()


def _requests(sock: socket.socket):
    """The requests of one connection: target and body."""
    held = b""
    while True:
        while b"\r\n\r\n" not in held:
            data = sock.recv(65536)
            if not data:
                return
            held += data
        head, _, held = held.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
        while len(held) < length:
            held += sock.recv(65536)
        yield lines[0].split()[1].decode(), held[:length]
        held = held[length:]


def _serve(sock: socket.socket) -> None:
    global script
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for target, body in _requests(sock):
            url = urlsplit(target)
            if url.path.endswith("/chat/completions"):
                _reply(sock, orjson.loads(body))
            elif url.path == "/go":
                query = parse_qs(url.query)
                script.open(int(query["tokens"][0]), float(query["rate"][0]))
                sock.sendall(_EMPTY)
            else:
                script = _Script()
                sock.sendall(_EMPTY)
    except OSError:
        # The caller left; nothing here outlives its connection.
        pass
    finally:
        sock.close()


def _reply(sock: socket.socket, request: dict) -> None:
    playing = script
    playing.gate.wait()
    sock.sendall(_HEAD + _chunk({"role": "assistant", "content": ""}))
    start = time.monotonic()
    for number, chunk in enumerate(playing.chunks, 1):
        if playing.rate:
            time.sleep(max(0.0, start + number / playing.rate - time.monotonic()))
        sock.sendall(chunk)
    ending = _chunk({}, finish="stop")
    if (request.get("stream_options") or {}).get("include_usage"):
        total = playing.tokens + 100
        usage = {"prompt_tokens": 100, "completion_tokens": playing.tokens, "total_tokens": total}
        ending += _chunk({}, usage=usage)
    sock.sendall(ending + _http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=_serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
