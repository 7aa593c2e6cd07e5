"""From the model server to the viewer: what a token costs through the tutor's API, and by the plain way.

The model (bench/model.py) speaks the same words to all, unpaced; it starts once every viewer is connected, so that
nothing is saved by viewers who come late. Its CPU is not counted.
"""

import hashlib
import http.client
import os
import subprocess
import time

import orjson

from bench.contenders import GUNICORN, Contender, Rill, Uvicorn
from bench.frames import Frame, WireError
from bench.load import Load, Target, Viewer
from bench.measures import quantile
from bench.model import words
from bench.processes import ROOT, Process, free_port, listens, python, wait_until

STREAMS, TOKENS = 20, 1000
_ACCOUNT, _PASSWORD = "bench@example.org", "a password for the bench"


class AnswerViewer(Viewer):
    """Puts an answer together from deltas and compares it with what the model said."""

    contiguous = False
    __slots__ = ("parts",)

    def __init__(self, target: Target) -> None:
        super().__init__(target, -1)
        self.done = False
        self.parts: list[str] = []

    def take(self, frame: Frame, now: float) -> None:
        if frame.name in (None, b"message.delta"):
            data = orjson.loads(frame.data)
            self.parts.append(data["d"] if "d" in data else data["content"])
            self.events += 1
            self.first_at = self.first_at or now
        elif frame.name in (b"done", b"message.end"):
            self.done, self.done_at = True, now
            _compare_digest(self, frame.data)
        elif frame.name == b"error":
            raise WireError(f"{self.target.path}: {frame.data!r}")


def _compare_digest(viewer: AnswerViewer, end: bytes) -> None:
    digest = orjson.loads(end).get("content_sha256")
    if digest and digest != hashlib.sha256("".join(viewer.parts).encode()).hexdigest():
        raise WireError(f"{viewer.target.path}: the answer is not what its end says")


class Chat(Contender):
    """A contender with a model behind it."""

    def _start(self) -> None:
        self.model_port = free_port()
        model = Process(python("-m", "bench.model", str(self.model_port)))
        self._started.callback(model.stop)
        wait_until(lambda: listens(self.model_port), model, "the model server")
        super()._start()

    def env(self) -> dict[str, str]:
        model = {"OPENAI_BASE_URL": f"http://127.0.0.1:{self.model_port}/v1", "OPENAI_API_KEY": "none"}
        return {**super().env(), **model}

    def speak(self, *, tokens: int, rate: float) -> None:
        """Let the model answer all that have asked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.model_port, timeout=30)
        connection.request("POST", f"/go?tokens={tokens}&rate={rate}")
        connection.getresponse().read()
        connection.close()

    def ask(self, count: int) -> list[Target]:
        """Ask so many questions; where their answers stream."""
        return [Target("/chat") for _ in range(count)]


class RillTutor(Chat, Rill):
    """Ours: the whole site, through the tutor's API."""

    name = "rill, tutor API"
    scale = 1.0
    application = "app:create_app()"

    def _start(self) -> None:
        super()._start()
        self.token = str(self._api("POST", "/api/auth/token", email=_ACCOUNT, password=_PASSWORD)["access_token"])
        problems = self._api("GET", "/v1/tutor/problems")
        self.problem_id = (problems if isinstance(problems, list) else problems["problems"])[0]["id"]

    def env(self) -> dict[str, str]:
        # No limit and no fallback may stand in the way of the figures.
        limits = {"TUTOR_MAX_STREAMS": "1000", "USER_MAX_STREAMS": "1000", "TUTOR_RATE_LIMIT": "100000/minute"}
        return {**super().env(), **limits, "MODEL_FALLBACK": "off"}

    def argv(self) -> list[str]:
        self._flask("db", "migrate")
        self._flask("users", "create", _ACCOUNT, "--password-stdin", stdin=_PASSWORD + "\n")
        return super().argv()

    def _flask(self, *arguments: str, stdin: str = "") -> None:
        command = python("-m", "flask", "--app", "app", *arguments)
        subprocess.run(
            command, cwd=ROOT, env={**os.environ, **self.env()}, input=stdin, text=True, check=True, capture_output=True
        )

    def _api(self, method: str, path: str, **body: object) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        if hasattr(self, "token"):
            headers["Authorization"] = f"Bearer {self.token}"
        connection.request(method, path, orjson.dumps(body) if body else None, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status >= 300:
            raise WireError(f"{method} {path}: {response.status} {answer[:300]!r}")
        return orjson.loads(answer)

    def ask(self, count: int) -> list[Target]:
        targets = []
        for number in range(count):
            started = self._api(
                "POST", "/v1/tutor/messages",
                session_id=f"bench-{time.monotonic_ns()}-{number}", problem_id=self.problem_id,
                message="Where do I begin?",
            )  # fmt: skip
            targets.append(Target(started["stream_url"], (("Authorization", f"Bearer {self.token}"),)))
        return targets


class FlaskOpenAI(Chat):
    name = "Flask generator, SDK iterator"
    uses_valkey = False
    head_early = False

    def argv(self) -> list[str]:
        bind = f"127.0.0.1:{self.port}"
        return python(*GUNICORN, "-k", "gevent", "-b", bind, "flask_openai:app")


class StarletteOpenAI(Chat, Uvicorn):
    name = "sse-starlette, AsyncOpenAI"
    module = "starlette_openai"
    uses_valkey = False


CHATS: tuple[type[Chat], ...] = (RillTutor, FlaskOpenAI, StarletteOpenAI)


def unpaced_answers(chat: Chat, *, size: float) -> dict[str, float]:
    """20 answers at once, as fast as the model's words can be taken."""
    return _answers(chat, tokens=max(50, int(TOKENS * size)), rate=0.0)


def paced_answers(chat: Chat, *, size: float) -> dict[str, float]:
    """20 answers at once at 40 tokens a second each, where little can be merged."""
    return _answers(chat, tokens=max(40, int(200 * size)), rate=40.0)


def first_delta(chat: Chat, *, size: float) -> dict[str, float]:
    """POST, GET, until the first words are in; 200 in sequence, with a model that speaks at once."""
    chat.speak(tokens=20, rate=0.0)
    times = []
    for _ in range(int(220 * size)):
        start = time.monotonic()
        viewers = [AnswerViewer(target) for target in chat.ask(1)]
        with Load(chat.port) as load:
            load.open(viewers, wait_for_head=False)
            load.run(timeout_s=30)
        times.append(viewers[0].first_at - start)
    steady = times[20:]
    return {"p50_ms": quantile(steady, 0.5) * 1e3, "p99_ms": quantile(steady, 0.99) * 1e3}


def _answers(chat: Chat, *, tokens: int, rate: float) -> dict[str, float]:
    _one(chat)  # imports, connections and caches are not counted
    expected = "".join(words(tokens))
    cpu_before, valkey_before = chat.cpu_s()
    asked_at = time.monotonic()
    viewers = [AnswerViewer(target) for target in chat.ask(STREAMS)]
    with Load(chat.port) as load:
        load.open(viewers, wait_for_head=chat.head_early)
        cpu_asked, _ = chat.cpu_s()
        start = time.monotonic()
        chat.speak(tokens=tokens, rate=rate)
        load.run(timeout_s=120)
        elapsed = max(viewer.done_at for viewer in viewers) - start
    cpu, of_valkey = chat.cpu_s()
    for viewer in viewers:
        if "".join(viewer.parts).strip() != expected.strip():
            raise WireError(f"{viewer.target.path}: the answer is not what the model said")
    made = STREAMS * tokens
    return {
        "token_us": (cpu - cpu_before) * 1e6 / made,
        "valkey_us": (of_valkey - valkey_before) * 1e6 / made,
        "asking_ms": (cpu_asked - cpu_before) * 1e3 / STREAMS,
        "merged": made / sum(viewer.events for viewer in viewers),
        "per_s": made / elapsed,
        "load_busy": load.cpu_s / elapsed,
        "asked_s": start - asked_at,
    }


def _one(chat: Chat) -> None:
    [target] = chat.ask(1)
    with Load(chat.port) as load:
        load.open([AnswerViewer(target)], wait_for_head=False)
        chat.speak(tokens=20, rate=0.0)
        load.run(timeout_s=60)
    connection = http.client.HTTPConnection("127.0.0.1", chat.model_port, timeout=30)
    connection.request("POST", "/hold")
    connection.getresponse().read()
    connection.close()
