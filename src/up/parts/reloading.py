"""Rolling reload of `./run up --watch`: web and scheduler together, workers one by one, so that jobs keep running."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from ...jobs.leases.workers import alive
from ...sql.clock import now
from ...sql.database import read
from .part import Part

#: seconds between reads of the workers table
LOOK_EVERY = 0.3
#: seconds for a worker to finish its jobs and restart; the others keep the old code until then
LONGEST = 600.0


class Reload:
    """One reload, until the last worker runs the new code."""

    def __init__(self, parts: Sequence[Part], changed: Sequence[str], *, report: Callable[[str], None]) -> None:
        self._changed = ", ".join(changed)
        self._report = report
        self._begun = time.monotonic()
        self._look_at = self._renewed_at = 0.0
        self._waiting = [part for part in parts if part.role == "worker"]
        self._current: Part | None = None
        self._since: datetime | None = None
        self._before = _actors() or set()
        for part in parts:
            if part.role == "web":
                part.reload()
            elif part.role == "scheduler":
                part.renew()
        report(f"Reloading {self._changed}… (one worker at a time; each finishes its jobs first)")

    def is_over(self) -> bool:
        """Reload the next worker once the previous one is ready; True when all are done or one failed. Never blocks."""
        if self._current is None:
            return self._next()
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + LOOK_EVERY
        if not self._current.renewing and self._current.running and self._serves():
            return self._next()
        if time.monotonic() - self._renewed_at > LONGEST:
            names = ", ".join(part.name for part in self._waiting)
            self._report(f"{self._current.name} did not come back within {LONGEST:.0f} s{f'; {names} keep the old code' if names else ''}")
            return True
        return False

    def _next(self) -> bool:
        if not self._waiting:
            self._report(f"Reloaded {self._changed}: {self._news()} in {time.monotonic() - self._begun:.0f} s")
            return True
        self._current = self._waiting.pop(0)
        self._since, self._renewed_at = now(), time.monotonic()
        self._current.renew()
        return False

    def _serves(self) -> bool:
        """True if a worker process of the current part has registered since its restart."""
        try:
            with read() as session:
                return any(self._since is not None and worker.started_at >= self._since for worker in alive(session))
        except SQLAlchemyError:
            return False  # checked again at the next poll

    def _news(self) -> str:
        after = _actors()
        if after is None:
            return "new code in use"
        new, gone = sorted(after - self._before), sorted(self._before - after)
        said = [
            f"{len(names)} {word} actor{'' if len(names) == 1 else 's'} ({', '.join(names)})"
            for word, names in (("new", new), ("removed", gone))
            if names
        ]
        return ", ".join(said) or "no new actors, new code in use"


def _actors() -> set[str] | None:
    """Actors of the newest worker; None: the table cannot be read."""
    try:
        with read() as session:
            found = alive(session)
    except SQLAlchemyError:
        return None
    return set(max(found, key=lambda worker: worker.started_at).actors) if found else set()
