"""Reload of `./run up --watch`: web and scheduler at once, workers one by one.

A worker with the new code starts beside the present one, which goes on until the new one serves. So there is never a
moment without a worker, and code that cannot serve replaces none. gunicorn replaces the processes of the front end by
itself: requests wait until the new ones have imported the code.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from ...broker.isolate import process_tree
from ...formats.quantities import counted
from ...jobs.core.models import Worker
from ...jobs.leases.workers import alive
from ...sql.clock import now
from ...sql.database import disconnect, read
from ..errors import UpError
from .apart import Apart
from .part import Part

#: seconds between reads of the workers table
LOOK_EVERY = 0.2
#: seconds in which a worker with the new code must serve
LONGEST = 120.0
#: seconds in which a process of the front end with the old code ends, unless a stream is open: it takes no request by then
STREAMS_S = 5.0


class WebReload:
    """The reload of the front end, from its request on. `ask` calls apart a function that returns when the front end responds."""

    def __init__(self, part: Part, ask: Callable[[], Apart]) -> None:
        self._master = part.record.pid
        self._before = set(process_tree.children(self._master))
        self._begun = time.monotonic()
        self._ask = ask
        self._asked: Apart | None = None
        part.reload()

    def serves(self) -> bool:
        """True when a request is answered by the new code. Never blocks. Raises OSError, and UpError if it does not come to that."""
        if self._asked is None:
            if self._before & set(process_tree.children(self._master)) and time.monotonic() - self._begun < STREAMS_S:
                return False
            self._asked = self._ask()
        if not self._asked.is_over(0):
            return False
        self._asked.result()
        return True

    @property
    def pids(self) -> set[int]:
        """The process id of the question."""
        return set() if self._asked is None else self._asked.pids

    def abandon(self) -> None:
        """Ask no longer."""
        if self._asked is not None:
            self._asked.abandon()


class Reload:
    """One reload, until the front end and the last worker run the new code."""

    def __init__(
        self,
        parts: Sequence[Part],
        changed: Sequence[str],
        *,
        since: float,
        report: Callable[[str], None],
        ask_web: Callable[[], Apart],
    ) -> None:
        self._changed = ", ".join(changed)
        self._report = report
        self._since = since
        self._look_at = self._renewed_at = 0.0
        self._waiting = [part for part in parts if part.role == "worker"]
        self._current: Part | None = None
        self._begun: datetime | None = None
        self._before = _actors() or set()
        report(f"Reloading {self._changed}… (one worker at a time; each finishes its jobs first)")
        self._at_once = [part for part in parts if part.role in ("web", "scheduler")]
        self._ask_web = ask_web
        self._web: WebReload | None = None

    def is_over(self) -> bool:
        """Begin with the next worker once the previous one serves; True when all parts do or one failed. Never blocks. Raises OSError."""
        if self._current is None:
            return self._next()
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + LOOK_EVERY
        if not self._current.is_renewing:
            return self._fail("ended before it served")
        if self._serves():
            self._current.complete_renewal()
            self._current = None
            return self._next()
        if time.monotonic() - self._renewed_at > LONGEST:
            return self._fail(f"did not serve within {LONGEST:.0f} s")
        return False

    @property
    def pids(self) -> set[int]:
        """Processes of this reload that are not parts."""
        return set() if self._web is None else self._web.pids

    def abandon(self) -> None:
        """End the worker that does not serve yet: a newer reload replaces this one."""
        if self._current is not None:
            self._current.abandon_renewal()
        if self._web is not None:
            self._web.abandon()

    def _next(self) -> bool:
        for part in list(self._at_once):
            if part.role == "web":
                self._web = WebReload(part, self._ask_web)
            else:  # two schedulers do not disturb each other
                part.begin_renewal()
                part.complete_renewal()
            self._at_once.remove(part)
        if not self._waiting:
            try:
                if self._web is not None and not self._web.serves():
                    return False
            except UpError as error:
                self._report(f"The workers run the new code; web does not: {error}")
                return True
            self._report(f"Reloaded {self._changed}: {self._news()} in {time.monotonic() - self._since:.1f} s; the new code serves")
            return True
        part = self._waiting[0]
        self._begun, self._renewed_at = now(), time.monotonic()
        part.begin_renewal()
        self._current = self._waiting.pop(0)
        return False

    def _fail(self, why: str) -> bool:
        assert self._current is not None
        self._current.abandon_renewal()
        names = ", ".join(part.name for part in (self._current, *self._waiting))
        self._report(f"{self._current.name} with the new code {why}: {names} keep{'' if self._waiting else 's'} the old code")
        return True

    def _serves(self) -> bool:
        """True if a worker process that started since this step began has sent a heartbeat: the first one when it consumes."""
        begun, found = self._begun, _alive()
        if begun is None or found is None:
            return False  # checked again at the next poll
        return any(worker.started_at >= begun and worker.heartbeat_at > worker.started_at for worker in found)

    def _news(self) -> str:
        after = _actors()
        if after is None:
            return "new code in use"
        new, gone = sorted(after - self._before), sorted(self._before - after)
        said = [
            f"{counted(len(names), f'{word} actor')} ({', '.join(names)})" for word, names in (("new", new), ("removed", gone)) if names
        ]
        return ", ".join(said) or "no new actors"


def _actors() -> set[str] | None:
    """Actors of the newest worker; None: the table cannot be read."""
    found = _alive()
    if found is None:
        return None
    return set(max(found, key=lambda worker: worker.started_at).actors) if found else set()


def _alive() -> list[Worker] | None:
    """The workers that are alive; None: the table cannot be read. Keeps no connection: forks of the supervisor must not share one."""
    try:
        with read() as session:
            return list(alive(session))
    except SQLAlchemyError:
        return None
    finally:
        disconnect()
