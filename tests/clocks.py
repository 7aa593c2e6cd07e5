"""How long tests wait, and what they may expect of time: other work runs beside them, on machines four times slower.

A bound is far above what is right and below what is wrong: what a promise prevents takes much longer, or never ends.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

# For what must happen; only a failure takes so long.
PATIENCE_S = 20.0
# How much later than it was told to a wait may end.
LATE_S = 3.0
# How many times slower a machine may be than the one that bounds of CPU time were found on.
SLOWER = 4.0


@contextmanager
def cpu_within(seconds: float) -> Iterator[None]:
    """A block that costs this thread so much at most, on a machine like the one that the bound was found on."""
    began_s = time.thread_time()
    yield
    assert time.thread_time() - began_s < SLOWER * seconds


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """A block that is told to end in time."""
    began_s = time.monotonic()
    yield
    assert time.monotonic() - began_s < seconds + LATE_S
