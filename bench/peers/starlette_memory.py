"""sse-starlette over asyncio queues in memory: one queue per viewer, nothing persisted."""

import asyncio
import json
import time
from urllib.parse import parse_qs

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

queues: dict[str, list[asyncio.Queue]] = {}
producers: set[asyncio.Task] = set()
departures: list[float] = []
gate = asyncio.Event()
names = iter(range(1_000_000_000))


def payload(rate):
    if rate:
        return json.dumps({"d": "ab", "t": time.monotonic_ns()})
    return json.dumps({"d": "ab"})


async def produce(name, events, rate, phase, opened):
    await opened.wait()
    start = time.monotonic() + phase
    for number in range(1, events + 1):
        if rate:
            await asyncio.sleep(max(0, start + number / rate - time.monotonic()))
        event = {"id": f"0-{number}", "data": payload(rate)}
        for queue in queues[name]:
            queue.put_nowait(event)
        if not rate:
            # A queue put never waits, so give the viewers their turn.
            await asyncio.sleep(0)


def begin(events, rate, phase, opened):
    name = str(next(names))
    queues[name] = []
    task = asyncio.create_task(produce(name, events, rate, phase, opened))
    producers.add(task)
    task.add_done_callback(producers.discard)
    return f"/streams/{name}"


async def prepare(request):
    query = {key: values[0] for key, values in parse_qs(request.url.query).items()}
    count, events, rate = int(query["streams"]), int(query["events"]), float(query["rate"])
    return JSONResponse([begin(events, rate, index / count / (rate or 1), gate) for index in range(count)])


async def go(request):
    global gate
    gate.set()
    gate = asyncio.Event()
    return JSONResponse([])


async def follow(name):
    queue = asyncio.Queue()
    queues[name].append(queue)
    try:
        while True:
            yield await queue.get()
    finally:
        departures.append(time.monotonic())
        queues[name].remove(queue)


async def stream(request):
    return EventSourceResponse(follow(request.path_params["name"]))


async def departed(request):
    return JSONResponse(departures)


app = Starlette(
    routes=[
        Route("/prepare", prepare, methods=["POST"]),
        Route("/go", go, methods=["POST"]),
        Route("/streams/{name}", stream),
        Route("/departures", departed),
    ]
)
