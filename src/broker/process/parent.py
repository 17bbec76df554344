"""Watch over Dramatiq's main process: a worker that has lost it shuts down gracefully, and ends in any case.

Otherwise it would never stop, and no process would read its output. The kernel's parent-death signal is unsuitable: it
comes once for each thread that the parent had, and Dramatiq treats the second signal as "kill".
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from ...logs import get_logger
from ...settings import get_settings

log = get_logger(__name__)

#: seconds between two checks
CHECK_S = 1.0
#: seconds within which the main thread must have begun to stop after the signal
BEGIN_WITHIN_S = 5.0
#: seconds that running jobs get: as many as Dramatiq gives them after a signal
END_WITHIN_S = 600.0


def watch(stops: threading.Event, stop: Callable[[float], None], started_by: int | None) -> None:
    """Watch this process's parent from here on; it may be gone already. `started_by`: its process id.

    `stops` is set when the worker begins to stop. `stop(seconds)` stops it from here if its main thread cannot: it may
    be waiting for the dead parent to acknowledge its boot. Call it in the main thread, after Dramatiq has installed its
    handlers.
    """
    request = _StopRequest(started_by)
    threading.Thread(target=_watch, args=(started_by, request, stops, stop), name="parent", daemon=True).start()


class _StopRequest:
    """Handles SIGTERM before Dramatiq does, which treats a second one as "kill".

    An orphan gets two: one from the supervisor of its process group, and its own.
    """

    def __init__(self, started_by: int | None) -> None:
        self.is_made = False
        self._started_by = started_by
        self._handle: Any = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.is_made and os.getppid() != self._started_by:
            return
        self.is_made = True
        if callable(self._handle):
            self._handle(number, frame)


def _watch(started_by: int | None, request: _StopRequest, stops: threading.Event, stop: Callable[[float], None]) -> None:
    while os.getppid() == started_by:
        time.sleep(CHECK_S)
    _discard_output()
    if not request.is_made:
        os.kill(os.getpid(), signal.SIGTERM)
    if stops.wait(BEGIN_WITHIN_S):
        time.sleep(END_WITHIN_S)  # usually the process has ended long before
    else:
        stop(get_settings().shutdown_timeout)
    os._exit(1)  # jobs that still run are lost with this worker, and run again


def _discard_output() -> None:
    """Redirect output from the pipe to the dead main process to /dev/null.

    This process holds the reading end, too: the pipe never breaks, but fills, and then every writer blocks.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in {id(stream): stream for stream in map(_pipe, (sys.stdout, sys.stderr)) if stream is not None}.values():
        os.dup2(nowhere, stream.fileno())
    log.warning("main_process_gone")  # for other listeners of this log


def _pipe(stream: Any) -> Any:
    """Return Dramatiq's pipe under the wrappers of the stream (src/broker/execute/capture.py)."""
    while hasattr(stream, "stream"):
        stream = stream.stream
    return getattr(stream, "pipe", None)
