"""A reload of `./run up --watch`: web and scheduler at once, the workers one after another, so that jobs are taken all the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from ...jobs.leases.workers import alive
from ...sql.clock import now
from ...sql.database import read
from .part import Part

#: seconds between two looks at the workers' table
LOOK_EVERY = 0.3
#: seconds that a worker gets to finish its jobs and come back; the others go on with the code from before until then
LONGEST = 600.0


class Reload:
    """One reload, from the save to the last worker that runs the new code."""

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
        """Go on with the next worker once the one before serves; True when all do, or one does not come back. Never waits."""
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
        """True if a worker process of the current part has registered since it was renewed."""
        try:
            with read() as session:
                return any(self._since is not None and worker.started_at >= self._since for worker in alive(session))
        except SQLAlchemyError:
            return False  # the next look finds out

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
    """The actors of the newest worker; None: the table cannot be read."""
    try:
        with read() as session:
            found = alive(session)
    except SQLAlchemyError:
        return None
    return set(max(found, key=lambda worker: worker.started_at).actors) if found else set()
