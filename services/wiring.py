"""The one place where the site's objects meet."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
from redis import Redis

from services import errors
from services.assistants import registry, search
from services.assistants import stories as story_assistant
from services.assistants import todos as todo_agent
from services.assistants.base import Assistant
from services.assistants.study import Desk
from services.assistants.turns import Turns
from services.cards import Cards
from services.knowledge.bases import Library
from services.knowledge.ingest import Ingest
from services.knowledge.retrieve import Retriever
from services.knowledge.watching import News as BaseNews
from services.knowledge.watching import watches as base_watches
from services.llm.door import Door
from services.llm.embed import Embedder
from services.media import Shelf
from services.points import Points
from services.settings import Settings
from services.store import quotas
from services.store.database import Database
from services.stories.shelf import Stories
from services.streaming import connections
from services.streaming.answers import Settled
from services.streaming.embedded_valkey import redis_url
from services.streaming.hub import Hub
from services.streaming.log import EventLog
from services.streaming.metrics import Metrics
from services.streaming.runs import Runs
from services.streaming.slots import SiteSlots
from services.todos.actions import Todos
from services.todos.watching import News as TodoNews
from services.todos.watching import watches as todo_watches
from services.watching import Watches

logger = logging.getLogger(__name__)

# Below the worker's pool of greenlets (gunicorn.conf.py), so that stops and health checks get through.
MAX_VIEWERS_PER_WORKER = 5500
SWEEP_POINTS_S = 60.0


@dataclass(frozen=True, slots=True)
class Services:
    """All that the edge needs. `start` opens the worker's connections, `close` ends them."""

    settings: Settings
    database: Database
    redis: Redis
    log: EventLog
    hub: Hub
    runs: Runs
    engine: Door
    assistants: Mapping[str, Assistant]
    turns: Turns
    metrics: Metrics
    points: Points
    cards: Cards
    desk: Desk
    shelf: Shelf
    library: Library
    watches: Watches[BaseNews]
    embedder: Embedder
    retriever: Retriever
    ingest: Ingest
    search_desk: search.Desk
    todos: Todos
    todos_desk: todo_agent.Desk
    todo_watches: Watches[TodoNews]
    stories: Stories
    stories_desk: story_assistant.Desk
    _greenlets: list[Any] = field(default_factory=list)

    def start(self) -> None:
        """Begin to work: called when a worker starts, never in a request."""
        self.runs.start_worker()
        self.embedder.start()
        story_assistant.prepare()
        self._greenlets.append(gevent.spawn(self.turns.sweep_for_ever))
        self._greenlets.append(gevent.spawn(self.ingest.run_for_ever))
        self._greenlets.append(gevent.spawn(self._observe))
        self._greenlets.append(gevent.spawn(self._sweep_points))

    def close(self) -> None:
        """End what `start` began."""
        self.ingest.leave()
        gevent.killall(self._greenlets)
        self.watches.close()
        self.todo_watches.close()
        self.runs.close()
        self.engine.close()
        self.embedder.close()
        self.redis.close()
        self.database.close()

    def _observe(self) -> None:
        while True:
            self.metrics.observe(runs=self.runs.active, viewers=self.hub.viewers)
            gevent.sleep(1)

    def _sweep_points(self) -> None:
        while True:
            gevent.sleep(SWEEP_POINTS_S)
            try:
                self.points.sweep()
                self.database.run(quotas.sweep)
            except errors.AppError:
                logger.warning("sweep of points and quotas must wait")
            except Exception:  # the top of a greenlet: the next sweep may go better
                logger.exception("sweep of points and quotas failed")


def build(settings: Settings) -> Services:
    """Wire everything; connects to nothing yet."""
    redis = connections.client(url := redis_url(settings))
    log, metrics, database = EventLog(redis), Metrics(), Database(settings.database)
    hub = _hub(settings, url, redis, log)
    engine = Door(settings, pace_s=settings.builtin_pace_ms / 1000)
    points, shelf, desk = _study(settings, database, engine)
    embedder, retriever, search_desk = _search(settings, database)
    todos, todos_desk = Todos(database), todo_agent.Desk(database, quota=settings.todos_monthly_quota)
    stories, stories_desk, storyteller = _stories(settings, database, engine, metrics)
    assistants = registry.build(engine, shelf, points.prices, retriever, search_desk, todos, todos_desk, storyteller)
    hooks = registry.hooks(desk, search_desk, todos_desk, stories_desk)
    runs = _runs(settings, redis, log, hub, metrics, lambda settled: turns.settle(settled))
    turns = Turns(settings, database, runs, assistants, engine=engine.name, hooks=hooks)
    ingest, library, watches = _documents(settings, database, embedder, hub, metrics)
    return Services(
        settings,
        database,
        redis,
        log,
        hub,
        runs,
        engine,
        assistants,
        turns,
        metrics,
        points,
        Cards(settings, database, engine, points),
        desk,
        shelf,
        library,
        watches,
        embedder,
        retriever,
        ingest,
        search_desk,
        todos,
        todos_desk,
        todo_watches(todos.revision, is_leaving=lambda: hub.draining),
        stories,
        stories_desk,
    )


def _study(settings: Settings, database: Database, engine: Door) -> tuple[Points, Shelf, Desk]:
    points, shelf = Points(settings, database), Shelf(settings, database)
    budget = settings.study_context_tokens
    return points, shelf, Desk(database, shelf, points, budget_tokens=budget, engine=engine.name)


def _search(settings: Settings, database: Database) -> tuple[Embedder, Retriever, search.Desk]:
    embedder = Embedder(settings)
    return embedder, Retriever(database, embedder), search.Desk(database)


def _stories(
    settings: Settings, database: Database, engine: Door, metrics: Metrics
) -> tuple[Stories, story_assistant.Desk, story_assistant.Storyteller]:
    stories = Stories(database)
    desk = story_assistant.Desk(stories, chunk_words=settings.streaming_chunk_size_words)
    check = story_assistant.check_of(
        settings.stories_check, has_model=settings.model_configured, is_hosted=engine.is_hosted
    )
    provider = engine if settings.model_configured else None
    teller = story_assistant.Storyteller(engine, desk, provider=provider, check=check, metrics=metrics)
    return stories, desk, teller


def _documents(
    settings: Settings, database: Database, embedder: Embedder, hub: Hub, metrics: Metrics
) -> tuple[Ingest, Library, Watches[BaseNews]]:
    def is_leaving() -> bool:
        return hub.draining

    ingest = Ingest(settings, database, embedder, is_leaving=is_leaving, ingested=metrics.ingested)
    library = Library(settings, database, wake=ingest.wake)
    return ingest, library, base_watches(library.pulse, library.readers, is_leaving=is_leaving)


def _hub(settings: Settings, url: str, redis: Redis, log: EventLog) -> Hub:
    return Hub(
        redis,
        log,
        lambda timeout_s: connections.connection(url, timeout_s=timeout_s),
        heartbeat_s=settings.stream_heartbeat_s,
        max_viewers=MAX_VIEWERS_PER_WORKER,
    )


def _runs(
    settings: Settings, redis: Redis, log: EventLog, hub: Hub, metrics: Metrics, on_settled: Callable[[Settled], None]
) -> Runs:
    return Runs(
        redis,
        log,
        SiteSlots(redis, limit=settings.max_streaming_connections),
        hub,
        metrics,
        grace_s=settings.stream_disconnect_grace_s,
        on_settled=on_settled,
    )
