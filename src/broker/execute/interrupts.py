"""Interrupts: exceptions raised in the thread of a running actor, and never in any other code.

A call is opened and closed under the lock that raising takes, and an exception still pending when the call ends is
withdrawn. The soft time limit, a cancel and the shutdown notice all use this.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from dramatiq.middleware.threading import Interrupt, raise_thread_exception
from dramatiq.middleware.time_limit import TimeLimitExceeded

from ...logs import get_logger
from ...settings import get_settings
from ..core.encoding import UnstorableResult
from ..core.supervision import Progress, Supervised

log = get_logger(__name__)

#: seconds between two checks of the deadlines
INTERVAL_S = 0.25
#: seconds between two interrupts of one call: the first must have been raised before another may follow
APART_S = 1.0

Deliver = Callable[[int, type[Interrupt]], None]


def _recall(ident: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), None)


class Interrupts:
    """The open calls of one process, each with its thread, owner and deadline."""

    def __init__(self) -> None:
        self._deliver: Deliver = raise_thread_exception
        self._recall: Callable[[int], None] = _recall
        self._open: dict[int, tuple[object, float]] = {}
        self._raised: dict[int, float] = {}  # thread -> last interrupt of its open call
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._progress = Progress()
        self._called = threading.Event()
        self._is_idle = False  # the thread waits for a call to be opened

    def deliver_by(self, deliver: Deliver, recall: Callable[[int], None]) -> None:
        """Use another way to interrupt the thread (the signal of a child process)."""
        self._deliver, self._recall = deliver, recall

    def call(self, owner: object, limit_ms: float, check: Callable[[], None], function: Any, args: Any, kwargs: Any) -> Any:
        """Call the function, which may be interrupted on behalf of `owner`, and will be after `limit_ms`.

        `check` is called first: it raises an interrupt requested before the call could be interrupted. Afterwards no
        interrupt reaches the thread. The work of a generator belongs to the call.
        """
        try:
            try:
                self.open(owner, limit_ms)
                check()
                result = function(*args, **kwargs)
                return _values(result) if hasattr(type(result), "__next__") else result
            finally:
                self.close()
        except Interrupt:
            self.close()  # an interrupt may have come exactly during the first close; the next is a second away
            raise

    def threads(self) -> list[Supervised]:
        """Return the threads that this process cannot do without, once a call had a time limit."""
        return [] if self._thread is None else [Supervised("interrupts", self._thread, self._progress)]

    def open(self, owner: object, limit_ms: float) -> None:
        """Open a call: the calling thread may be interrupted."""
        with self._lock:
            self._open[threading.get_ident()] = (owner, time.monotonic() + limit_ms / 1000)
            if self._thread is None:
                self._start()
            elif self._is_idle:
                self._is_idle = False
                self._called.set()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="interrupts", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            log.warning("no_thread_for_time_limits", detail=str(error))  # no thread is available; the next call tries again
            return
        self._thread = thread

    def close(self) -> None:
        """Close the call: the calling thread may no longer be interrupted."""
        ident = threading.get_ident()
        with self._lock:
            self._open.pop(ident, None)
            if self._raised.pop(ident, None) is not None:
                self._recall(ident)

    def raise_in(self, ident: int, owner: object, kind: type[Interrupt]) -> bool:
        """Raise `kind` in that thread if it runs the call of `owner`; False: it does not, or it has just been interrupted."""
        with self._lock:
            found = self._open.get(ident)
            return found is not None and found[0] is owner and self._raise(ident, kind)

    def _raise(self, ident: int, kind: type[Interrupt]) -> bool:
        present = time.monotonic()
        if present - self._raised.get(ident, float("-inf")) < APART_S:
            return False
        self._raised[ident] = present
        self._deliver(ident, kind)
        return True

    def _run(self) -> None:
        while True:
            self._wait_for_calls()
            time.sleep(INTERVAL_S)
            self._progress.step()
            present = time.monotonic()
            late = [(ident, owner) for ident, (owner, deadline) in list(self._open.items()) if present >= deadline]
            for ident, owner in late:
                try:
                    is_up = self._time_is_up(ident, owner)
                except Exception:
                    log.exception("interrupt_failed", thread=ident)  # the others have their time limits, too
                    continue
                if is_up:
                    log.warning("time_limit_exceeded", thread=ident, job_id=getattr(getattr(owner, "job", None), "id", None))

    def _wait_for_calls(self) -> None:
        with self._lock:
            self._is_idle = not self._open
            self._called.clear()
            is_idle = self._is_idle
        if is_idle:
            self._progress.waits()
            self._called.wait()

    def _time_is_up(self, ident: int, owner: object) -> bool:
        with self._lock:
            found = self._open.get(ident)
            if found is None or found[0] is not owner or not self._raise(ident, TimeLimitExceeded):
                return False
            self._open[ident] = (owner, float("inf"))  # once; a cancel may still follow
            return True


#: this process's calls
interrupts = Interrupts()


def _values(generator: Iterator[Any]) -> list[Any]:
    most = get_settings().max_result_bytes // 2  # each value takes a digit and a comma
    # Not list(): no interrupt reaches a loop in C.
    values = [each for each in islice(generator, most + 1)]  # noqa: C416
    if len(values) > most:
        raise UnstorableResult(f"its result has more than {most} values, more than CALLBOARD_MAX_RESULT_BYTES can hold")
    return values
