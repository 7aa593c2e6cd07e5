"""Whether an event that a viewer has was in the log before: looked up on receipt, and with a log that takes nothing."""

import signal

from bench.contenders import Contender
from bench.frames import Frame, WireError
from bench.load import Load, Target, Viewer
from services.streaming import keys
from services.streaming.events import StreamId, UserId

_STREAMS, _LOOKED_UP, _STALLED = 5, 100, 4000
# How long a stopped Valkey's last replies may still be on their way, and how long nothing may come after that.
_IN_FLIGHT_S, _SILENCE_S = 0.1, 0.4


class _Looking(Viewer):
    """Looks each event up in Valkey the moment it is received."""

    __slots__ = ("client", "log_key")

    def __init__(self, target: Target, want: int, client) -> None:
        super().__init__(target, want)
        user_id, stream_id = target.path.split("/")[-2:]
        self.log_key = keys.log(UserId(int(user_id)), StreamId(stream_id))
        self.client = client

    def take(self, frame: Frame, now: float) -> None:
        ending = b"-%d" % frame.seq
        if not any(entry_id.endswith(ending) for entry_id in self._ids()):
            raise WireError(f"{self.target.path}: event {frame.seq} was received and is not in the log")
        super().take(frame, now)

    def _ids(self) -> list[bytes]:
        # Raw, because a client that this is shared with may or may not decode.
        reply = self.client.execute_command("XRANGE", self.log_key, "-", "+")
        return [entry_id for entry_id, _ in reply]


def found_on_receipt(contender: Contender) -> int:
    """Look up every event of some streams on receipt; how many there were.

    Raises:
        WireError: One of them was not in the log.
    """
    assert contender.valkey is not None
    paths = contender.prepare(streams=_STREAMS, events=_LOOKED_UP)
    viewers = [_Looking(Target(path), _LOOKED_UP, contender.valkey.client) for path in paths]
    with Load(contender.port) as load:
        load.open(viewers)
        contender.go()
        load.run(timeout_s=30)
    return sum(viewer.events for viewer in viewers)


def silent_while_stalled(contender: Contender) -> int:
    """Stop Valkey in the middle of streams: nothing may be sent until it goes on, and then everything.

    Returns:
        The number of events received in all.

    Raises:
        WireError: Events were sent that the log cannot have accepted.
    """
    assert contender.valkey is not None
    valkey = contender.valkey.process
    paths = contender.prepare(streams=_STREAMS, events=_STALLED)
    viewers = [Viewer(Target(path), _STALLED) for path in paths]
    with Load(contender.port) as load:
        load.open(viewers)
        contender.go()
        load.watch(0.1)
        valkey.signal(signal.SIGSTOP)
        try:
            load.watch(_IN_FLIGHT_S)
            before = sum(viewer.events for viewer in viewers)
            load.watch(_SILENCE_S)
            sent = sum(viewer.events for viewer in viewers) - before
        finally:
            valkey.signal(signal.SIGCONT)
        if not 0 < before < _STREAMS * _STALLED:
            raise WireError(f"{before} events came before Valkey was stopped, so that stopping it shows nothing")
        if sent:
            raise WireError(f"{sent} events were sent while the log accepted none")
        load.run(timeout_s=30)
    return sum(viewer.events for viewer in viewers)
