"""Signals of forked children: an actor's `multiprocessing.Pool` must not inherit the handlers of the process that runs the actor.

With them a child takes SIGTERM for "stop soon" and goes on: `Pool.terminate()` and then the whole worker would wait for it without limit.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading

_is_registered = False
#: signals that were blocked in a thread before it forks
_before = threading.local()


def reset_in_children() -> None:
    """Give every child that this process forks from now on, in whichever thread, the signal handlers of a fresh Python."""
    global _is_registered
    if not _is_registered:
        os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_reset)
        _is_registered = True


def _block() -> None:
    # Until its handlers are reset the child would swallow a signal: a pool that is terminated at once would wait for it for ever.
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
