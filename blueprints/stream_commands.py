"""The operator's commands on streams: `flask --app app streams list|tail|reap`."""

import time
from typing import Final

import click
from flask.cli import AppGroup

from blueprints.commands import plainly
from blueprints.extensions import services
from services.errors import NotFound
from services.streaming import census
from services.streaming.events import CLOSE, StreamId, UserId

group = AppGroup("streams", help="Streams and their runs, on all workers.")

_POLL_S: Final = 0.5


@group.command("list")
@plainly
def list_streams() -> None:
    """One line a stream: id, owner, assistant, status, outcome."""
    for user_id, stream_id in census.streams(services().redis):
        state = services().log.state(user_id, stream_id)
        if state is not None:
            facts = f"user={user_id} assistant={state.assistant} status={state.status} outcome={state.outcome or '-'}"
            click.echo(f"{stream_id} {facts}")


@group.command("tail")
@click.argument("stream_id")
@plainly
def tail(stream_id: str) -> None:
    """Show a stream's events by name and size, without their text, until it is closed."""
    user_id = _owner(stream_id)
    seen = 0
    while True:
        entries = services().log.read(user_id, StreamId(stream_id), after=seen)
        for entry in entries:
            seen = entry.seq
            size = sum(len(value) for value in entry.event.data.values() if isinstance(value, str))
            click.echo(f"{entry.fence}-{entry.seq} {entry.event.name} {size}")
        state = services().log.state(user_id, StreamId(stream_id))
        if state is None or state.status == "closed" or (entries and entries[-1].event.name == CLOSE):
            return
        time.sleep(_POLL_S)


@group.command("reap")
@plainly
def reap() -> None:
    """End runs whose worker died, close streams that have idled, store answers that were not."""
    for user_id, stream_id in census.streams(services().redis):
        services().runs.close_orphan(user_id, stream_id)
        services().log.close_idle(user_id, stream_id)
    click.echo(f"{services().turns.sweep()} answers settled.")


def _owner(stream_id: str) -> UserId:
    for user_id, known in census.streams(services().redis):
        if known == stream_id:
            return user_id
    raise NotFound("There is no such stream.")
