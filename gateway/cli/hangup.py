"""SIGHUP: asks a daemon to read its files again, and tells a program in a terminal that the terminal is gone."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable


def on_hangup(stop: asyncio.Event, *read_again: Callable[[], None]) -> None:
    """Read again on SIGHUP; where the terminal that the gateway was started in has been closed, stop instead."""
    in_terminal = sys.stdin is not None and sys.stdin.isatty()

    def hang_up() -> None:
        if in_terminal and _terminal_is_gone():
            stop.set()
        else:
            for each in read_again:
                each()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)


def _terminal_is_gone() -> bool:
    try:
        os.tcgetpgrp(sys.stdin.fileno())
    except OSError:
        return True
    return False
