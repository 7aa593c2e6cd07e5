"""Flask-SSE (pub/sub, nothing persisted) under gunicorn's gevent worker."""

import os
import time

import gevent
from flask import Flask, jsonify, request
from flask_sse import Message, ServerSentEventsBlueprint
from gevent.event import Event
from redis import StrictRedis


class CachedPublisher(ServerSentEventsBlueprint):
    """In its favour: as published, Flask-SSE makes a new Redis client, and so a new connection, for every event."""

    client = None

    def publish(self, data, type=None, id=None, retry=None, channel="sse"):
        if self.client is None:
            CachedPublisher.client = StrictRedis.from_url(app.config["REDIS_URL"], max_connections=10_000)
        message = Message(data, type=type, id=id, retry=retry)
        return self.client.publish(channel=channel, message=app.json.dumps(message.to_dict()))


app = Flask(__name__)
# In its favour: redis-py's default socket timeout of 5 s would end an idle viewer.
app.config["REDIS_URL"] = os.environ["BENCH_REDIS_URL"] + "?socket_timeout=600"
sse = CachedPublisher("sse", __name__)
sse.add_url_rule(rule="", endpoint="stream", view_func=sse.stream)
app.register_blueprint(sse, url_prefix="/stream")
gate = Event()
departures = []
names = iter(range(1_000_000_000))


def produce(channel, events, rate, phase, opened):
    opened.wait()
    start = time.monotonic() + phase
    with app.app_context():
        for number in range(1, events + 1):
            data = {"d": "ab"}
            if rate:
                gevent.sleep(max(0, start + number / rate - time.monotonic()))
                data["t"] = time.monotonic_ns()
            sse.publish(data, id=f"0-{number}", channel=channel)


@app.post("/prepare")
def prepare():
    query = request.args
    count, events, rate = int(query["streams"]), int(query["events"]), float(query["rate"])
    paths = []
    for index in range(count):
        channel = f"stream-{next(names)}"
        gevent.spawn(produce, channel, events, rate, index / count / (rate or 1), gate)
        paths.append(f"/stream?channel={channel}")
    return jsonify(paths)


@app.post("/go")
def go():
    global gate
    gate.set()
    gate = Event()
    return jsonify([])


@app.after_request
def note_departure(response):
    if request.path == "/stream":
        response.call_on_close(lambda: departures.append(time.monotonic()))
    return response


@app.get("/departures")
def departed():
    return jsonify(departures)
