"""Nothing of a story is in the log, in a frame, in the database or in a line of the server's log before its check, and
what was refused never is: for the model and the built-in storyteller, by paragraphs and word by word."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gevent
import gevent.event
import pytest
from flask import Flask

from services.assistants import stories
from services.assistants.base import Turn
from services.assistants.turns import Ask, Turns
from services.llm.asking import Said
from services.llm.messages import Request, Usage
from services.store import conversations
from services.stories import safety
from services.stories.safety import Verdict
from services.stories.shelf import Wanted
from tests.blueprints.stories.tellers import Teller
from tests.clocks import PATIENCE_S
from tests.model_scripts import Script
from tests.model_server import ModelServer

# Words of a passage that stand nowhere else, and are written the same in a frame, in a page and in a log.
_RUN = re.compile(r"[A-Za-z]+(?: [A-Za-z]+){3,}")
# The text of a delta in the log, and of a frame.
_TEXT = re.compile(r'"text":"((?:[^"\\]|\\.)*)"')
_CHUNK = re.compile(r'"chunk":\s*"((?:[^"\\]|\\.)*)"')
_REFUSED = "the grey wolf counted pebbles"


def runs_of(text: str, said: str) -> list[str]:
    """Runs of four words or more by which a passage would be known, if it were anywhere but where it was said."""
    return [run for run in _RUN.findall(text) if run not in said]


@dataclass
class Watch:
    """Sees all that leaves a run: what Redis, the database and the server's log hold, and what viewers were sent.

    Attributes:
        looked: How often it looked for a passage that was just about to be checked, by so many runs of words.
        shown: What was approved so far.
    """

    site: Flask
    teller: Teller
    logged: list[logging.LogRecord]
    stream_id: str = ""
    sent: dict[str, list[bytes]] = field(default_factory=dict)
    shown: str = ""
    refused: list[str] = field(default_factory=list)
    looked: list[int] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def everything(self) -> str:
        services = self.teller.services
        # All but what is other people's: the same story may have been told to them.
        own, keys = f"{{u{self.teller.user.id}}}", services.redis.scan_iter(count=1000)
        held = [_value(services.redis, key) for key in keys if own in str(key) or "{u" not in str(key)]
        rows = services.database.run(conversations.by_stream, self.teller.user.id, self.stream_id)
        stored = [(row.content, row.extras) for row in rows]
        chapter = services.stories.chapter_of_stream(self.teller.user.id, self.stream_id)
        lines = [(record.getMessage(), record.__dict__) for record in self.logged]
        return f"{held} {self.seen()} {stored} {chapter} {lines}"

    def seen(self) -> str:
        """What viewers were sent, and the words that come one by one as the text that they make."""
        sent = [b"".join(viewer).decode() for viewer in self.sent.values()]
        return " ".join([*sent, *("".join(_CHUNK.findall(frames)) for frames in sent)])

    def look(self, text: str) -> None:
        """Look for a passage that nobody has checked yet."""
        # Whatever has left the run already gets where it was going.
        for _ in range(5):
            gevent.idle()
        runs = runs_of(text, self.shown)
        self.looked.append(len(runs))
        now = self.everything()
        self.leaks += [run for run in runs if run in now]


def _value(redis: Any, key: Any) -> Any:
    """What a key holds; of a stream also the words that come one by one, as the text that they make."""
    kind = redis.type(key)
    kind = kind.decode() if isinstance(kind, bytes) else kind
    reads = {
        "string": redis.get,
        "hash": redis.hgetall,
        "list": lambda name: redis.lrange(name, 0, -1),
        "set": redis.smembers,
        "zset": lambda name: redis.zrange(name, 0, -1, withscores=True),
        "stream": redis.xrange,
    }
    held = reads[kind](key) if kind in reads else None
    return (held, "".join(_TEXT.findall(f"{held}"))) if kind == "stream" else held


@dataclass
class Judge:
    """The rules, watched; refuses one more passage: the one with certain words, or the second.

    Attributes:
        is_last_word: Whether nobody else is asked.
    """

    watch: Watch
    words: str = ""
    is_last_word: bool = True
    calls: int = 0

    def __call__(self, text: str, *, before: str | None = None, **more: Any) -> Verdict:
        self.watch.look(text)
        is_piece = before is not None
        self.calls += is_piece
        verdict = safety.judge(text, before=before or "", **more)
        is_refused = self.words in text if self.words else is_piece and self.calls == 2
        if is_refused:
            self.watch.refused.append(text)
            return Verdict(allowed=False, score=0.0, category="frightening", rule="test")
        assert verdict.allowed, verdict
        if is_piece and self.is_last_word:
            self.watch.shown += text
        return verdict


@dataclass
class Provider:
    """A model's own check, watched; a piece that it refuses has passed the rules. `values`: to the second call."""

    watch: Watch
    values: str

    def say(self, request: Request, *, timeout_s: float) -> Said:
        asked = request.messages[-1].content
        if "You check a passage" not in asked:
            return Said(self.values, Usage(5, 5))
        passage = asked.rpartition(" passage\n")[2].partition("\nDATA ")[0]
        self.watch.look(passage)
        if "purple thunder" in passage:
            self.watch.refused.append(passage)
            return Said("UNSAFE frightening")
        self.watch.shown += passage
        return Said("SAFE")

    def moderate(self, text: str, *, timeout_s: float) -> Any:
        raise AssertionError("nobody asked for that")


def _paragraph(words: str, first: int) -> str:
    numbers = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    things = " ".join(f"Mia gave apple {numbers[first + at]} to squirrel {numbers[-1 - at]} there." for at in range(6))
    return f"In the morning {words} by the old mill pond. {things} Then everybody in the green valley was glad again."


MODEL_FIRST = "\n\n".join([_paragraph("a robin sang loudly", 0), _paragraph(_REFUSED, 1), _paragraph("never told", 2)])
MODEL_SECOND = "\n\n".join([_paragraph("a hedgehog baked bread", 3), _paragraph("a purple thunder rolled", 4)])
MODEL_THIRD = _paragraph("a small owl told riddles", 5)
VALUES = '{"title": "Riddles at the Pond", "choices": ["Ask the small owl again", "Walk home along the pond"]}'


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """All that anybody logs."""
    records: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    keeper = Keeper()
    loggers = {name: logging.getLogger(name) for name in ("services", "blueprints", "app", "httpx", "openai")}
    levels = {name: logger.level for name, logger in loggers.items()}
    for logger in loggers.values():
        logger.addHandler(keeper)
        logger.setLevel(logging.DEBUG)
    yield records
    for name, logger in loggers.items():
        logger.setLevel(levels[name])
        logger.removeHandler(keeper)


def told(watch: Watch, judge: Judge, provider: Provider | None, mode: str) -> list[Any]:
    """Tell a chapter with two viewers, one of the API's frames and one of a page's; the chapter's checks."""
    services, user = watch.teller.services, watch.teller.user
    desk = services.stories_desk
    check = "model" if provider else "rules"
    teller = stories.Storyteller(services.engine, desk, provider=provider, check=check, judge=judge)
    hooks = services.turns._hooks
    turns = Turns(services.settings, services.database, services.runs, {"stories": teller}, engine="x", hooks=hooks)
    sent = stories.parse_request({"child_id": watch.teller.child["id"], "theme": "forest", "mode": mode})
    place = services.stories.place(user.id, Wanted(child_id=sent.child_id, theme=sent.theme))
    facts = desk.facts(user.id, sent, place, seed=5)
    gate = gevent.event.Event()
    teller_reply = teller.reply

    def reply(turn: Turn) -> Iterator[Any]:
        assert gate.wait(PATIENCE_S)
        yield from teller_reply(turn)

    teller.reply = reply  # type: ignore[method-assign]
    story_id = conversations.new_id()
    asked = turns.ask(
        Ask(user.id, "stories", "Once", {**facts, "story_id": story_id}, 60.0, new_conversation_id=story_id)
    )
    watch.stream_id = asked.stream_id
    viewers = [gevent.spawn(view, watch, query) for query in ("", "?view=html")]
    gevent.idle()
    gate.set()
    gevent.joinall(viewers, timeout=PATIENCE_S, raise_error=True)
    assert all(viewer.dead for viewer in viewers)
    watch.teller.settle()
    (row,) = services.database.run(conversations.by_stream, user.id, asked.stream_id)
    assert row.outcome == "completed", row.error_code
    return [row.content, row.extras]


def view(watch: Watch, query: str) -> None:
    url = f"/api/streams/{watch.stream_id}{query}"
    response = watch.teller.client.get(url, headers={"Accept": "text/event-stream"})
    sent = watch.sent.setdefault(query, [])
    for chunk in response.response:
        sent.append(chunk)
    response.close()


@pytest.mark.slow
@pytest.mark.req("R12", "Y17", "Y27", "Y34")
@pytest.mark.parametrize("mode", ["paragraph", "token"])
@pytest.mark.parametrize("by_model", [True, False], ids=["model", "built-in"])
def test_nothing_is_anywhere_before_its_check_and_what_was_refused_never_is(
    telling: Flask,
    modelled_telling: Flask,
    model: ModelServer,
    logged: list[logging.LogRecord],
    by_model: bool,
    mode: str,
) -> None:
    site = modelled_telling if by_model else telling
    watch = Watch(site, Teller(site), logged)
    judge, provider = Judge(watch, _REFUSED if by_model else "", is_last_word=not by_model), None
    if by_model:
        model.play(*(Script(text=text) for text in (MODEL_FIRST, MODEL_SECOND, MODEL_THIRD)))
        provider = Provider(watch, VALUES)

    text, extras = told(watch, judge, provider, mode)

    assert watch.leaks == []
    assert sum(1 for runs in watch.looked if runs) > 5, "it has looked for words that could be found"
    now = watch.everything()
    assert len(watch.refused) == (2 if by_model else 1)
    for refused in watch.refused:
        runs = runs_of(refused, text)
        assert runs
        assert not [run for run in runs if run in now]
    shown = _RUN.findall(text)
    assert len(shown) > 5
    assert not [run for run in shown if run not in now], "what was approved is seen by the watch"
    assert all(run in watch.seen() for run in shown)
    kept = watch.teller.services.stories.reviews(watch.teller.user.id)
    assert sorted(review.text.strip() for review in kept) == sorted(one.strip() for one in watch.refused)
    assert [data["status"] for data in extras["check"]] == ["rejected"] * len(watch.refused) + ["approved"]


@pytest.mark.slow
def test_the_watch_would_see_it(telling: Flask, logged: list[logging.LogRecord]) -> None:
    watch = Watch(telling, Teller(telling), logged)

    class Blind(Judge):
        """Looks when everything is said already."""

        def __call__(self, text: str, *, before: str | None = None, **more: Any) -> Verdict:
            return Verdict(allowed=True, score=1.0)

    text, _ = told(watch, Blind(watch), None, "paragraph")
    watch.look(text)

    assert watch.leaks == runs_of(text, "")
