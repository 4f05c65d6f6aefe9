"""The guarantee that no child survives its parent, for the store's server and for worker processes."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def bound_to_parent(sig: signal.Signals) -> Callable[[], None]:
    """Make a `preexec_fn` that has the kernel send `sig` to the child when its parent dies, by kill -9 too.

    Call it in the process that starts the child. The kernel watches the *thread* that forks, so start the child
    from the main thread, or from one that lives as long as the process. Linux only; elsewhere it does nothing.
    Raises OSError in the child if the kernel refuses, which the start of a subprocess reports in the parent.
    """
    if sys.platform != "linux":
        return lambda: None
    # Loaded here: between fork and exec the loader's locks may be held by a thread that no longer exists.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def bind() -> None:
        if prctl(_PR_SET_PDEATHSIG, int(sig), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:  # it died before the call above, so no signal will come
            os._exit(1)

    return bind
