"""sse-starlette over Redis streams: XADD by the producer, one blocking XREAD per viewer (redis.asyncio)."""

import asyncio
import json
import os
import time
from urllib.parse import parse_qs

import redis.asyncio as redis
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

# In its favour: the pool's default cap of 100 would refuse the 101st viewer, and the default socket timeout of 5 s
# would end an idle one.
client = redis.from_url(os.environ["BENCH_REDIS_URL"], decode_responses=True, max_connections=10_000, socket_timeout=None)
producers: set[asyncio.Task] = set()
departures: list[float] = []
gate = asyncio.Event()
names = iter(range(1_000_000_000))


def payload(rate):
    if rate:
        return json.dumps({"d": "ab", "t": time.monotonic_ns()})
    return json.dumps({"d": "ab"})


async def produce(name, events, rate, phase, opened):
    if opened is not None:
        await opened.wait()
    start = time.monotonic() + phase
    for number in range(1, events + 1):
        if rate:
            await asyncio.sleep(max(0, start + number / rate - time.monotonic()))
        await client.xadd(f"stream-{name}", {"data": payload(rate)}, id=f"0-{number}")


def begin(events, rate, phase, opened):
    name = str(next(names))
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


async def now(request):
    return JSONResponse([begin(1, 0, 0, None)])


async def follow(name, last_id):
    try:
        while True:
            for _, entries in await client.xread({f"stream-{name}": last_id}, block=15_000) or ():
                for last_id, fields in entries:
                    yield {"id": last_id, "data": fields["data"]}
    finally:
        departures.append(time.monotonic())


async def stream(request):
    return EventSourceResponse(follow(request.path_params["name"], request.headers.get("last-event-id", "0-0")))


async def departed(request):
    return JSONResponse(departures)


app = Starlette(
    routes=[
        Route("/prepare", prepare, methods=["POST"]),
        Route("/go", go, methods=["POST"]),
        Route("/now", now, methods=["POST"]),
        Route("/streams/{name}", stream),
        Route("/departures", departed),
    ]
)
