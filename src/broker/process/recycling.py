"""Recycling: end a worker process that has run enough jobs or has grown too large, after its replacement serves.

As Celery's `worker_max_tasks_per_child` and `worker_max_memory_per_child`, for leaks of libraries and actors.
"""

from __future__ import annotations

from ...formats.quantities import counted
from ...logs import get_logger
from ...settings import get_settings
from .memory import resident_bytes
from .prefork import Link, fork_worker

log = get_logger(__name__)

#: begins the `wished_by` of a worker that stops by itself
BY = "recycling: "


class MemoryLimitTooLow(Exception):
    """CALLBOARD_MAX_MEMORY is less than a worker needs before its first job."""


class Recycling:
    """The limits of this process. `link`: to its prefork parent; without one, its supervisor starts the replacement after its end."""

    def __init__(self, link: Link | None = None) -> None:
        self._link = link
        self._reason = ""
        self.inherited = link.reason if link is not None else ""

    def due(self, *, memory_bytes: int | None, jobs: int) -> str:
        """Return why this process must finish its jobs and end; "": it goes on, also while its replacement does not serve yet."""
        if not self._reason:
            self._reason = _exceeded(memory_bytes or 0, jobs)
            if self._reason:
                log.info("worker_recycles", reason=self._reason)
        if not self._reason or self._link is None:
            return self._reason
        if self._link.is_replaced:
            return self._reason
        self._link.ask(self._reason)
        return ""


def prepare() -> Link | None:
    """Fork this process if its worker may be recycled. Raises MemoryLimitTooLow."""
    settings = get_settings()
    needed = resident_bytes() or 0
    if 0 < settings.max_memory <= needed:
        raise MemoryLimitTooLow(
            f"CALLBOARD_MAX_MEMORY is {_megabytes(settings.max_memory)}, but a worker has {_megabytes(needed)} before its first job:"
            f" set at least {_megabytes(2 * needed)}, or 0 for no limit."
        )
    return fork_worker() if settings.max_memory or settings.max_jobs else None


def _exceeded(memory_bytes: int, jobs: int) -> str:
    settings = get_settings()
    if settings.max_jobs and jobs >= settings.max_jobs:
        return f"{counted(jobs, 'job', separator='')} (CALLBOARD_MAX_JOBS is {settings.max_jobs})"
    if 0 < settings.max_memory < memory_bytes and jobs:  # one that has grown without a job would be replaced for ever
        return f"{_megabytes(memory_bytes)} of memory (CALLBOARD_MAX_MEMORY is {_megabytes(settings.max_memory)})"
    return ""


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:.0f} MB"
