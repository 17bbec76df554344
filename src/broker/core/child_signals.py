"""Signal handlers of forked children: an actor's `multiprocessing.Pool` must not inherit those of the process that runs the actor.

Otherwise a child treats SIGTERM as a request for a graceful stop and goes on: `Pool.terminate()`, and then the whole
worker, would wait for it without limit.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from functools import cache

#: signals that were blocked in a thread before its fork
_before = threading.local()


@cache  # once in a process
def reset_in_children() -> None:
    """Reset signal handlers to Python's defaults in every child that this process forks from now on, in any thread."""
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_reset)


def _block() -> None:
    # Until its handlers are reset the child would swallow a signal: a pool terminated right after the fork would wait for it for ever.
    _before.blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _before.blocked)


def _reset() -> None:
    signal.set_wakeup_fd(-1)
    faulthandler.unregister(signal.SIGUSR2)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _unblock()
