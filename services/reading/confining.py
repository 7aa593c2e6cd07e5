"""Taking away from a child what reading a file does not need."""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def confine(*, memory_bytes: int, cpu_s: int, life_s: int, result_bytes: int, nice: int) -> None:
    """Limit this process for good.

    Args:
        life_s: How long it may live in all, for a child that its owner forgot; 0: as long as its owner.
        result_bytes: The largest file that it may write.
        nice: How far it steps back behind other processes.
    """
    limits = {
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: result_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_AS: memory_bytes,
    }
    for which, most in limits.items():
        # Not every system knows every limit.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(which, (most, most))
    signal.alarm(life_s)
    # Streams go first on this machine.
    os.nice(nice)
    end_with_parent()


def end_with_parent() -> None:
    """Be killed as soon as the process that started this one ends, where the system can do so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
