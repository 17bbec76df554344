"""current_job: the running job as its actor sees it, with progress, cancellation and session."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from math import inf
from typing import Any

from sqlalchemy.orm import Session

from ..core.errors import CancelRequested
from ..core.values import storable, text_of
from .log_lines import Lines
from .masking import Masking

#: the largest number a progress column holds
LARGEST = 2**63 - 1
#: characters of a progress message that are kept
MESSAGE_LIMIT = 1_000


class RunningJob:
    """One attempt, run by one thread. Made by the broker room; actors see it as `current_job`."""

    __slots__ = (
        "_made",
        "_open_session",
        "_session",
        "actor",
        "attempt",
        "cancel_requested",
        "id",
        "lines",
        "progress_noted",
        "progress_passed",
        "progress_seen",
        "queue",
        "scheduled_for",
        "secrets",
        "seq",
        "worker",
    )

    def __init__(
        self,
        *,
        seq: int,
        id: str,
        actor: str,
        queue: str,
        attempt: int,
        worker: str,
        scheduled_for: datetime | None,
        open_session: Callable[[], Session] | None,
    ) -> None:
        self.seq = seq
        self.id = id
        self.actor = actor
        self.queue = queue
        self.attempt = attempt
        self.worker = worker
        self.scheduled_for = scheduled_for
        self.cancel_requested = False
        self.secrets: Masking | None = None  # of its arguments, known once they have been unsealed for the call
        self.progress_seen: tuple[int, int | None, str | None] | None = None
        self.progress_passed: tuple[int, int | None, str | None] | None = None  # the last one passed on
        self.lines: Lines | None = None  # its log lines, from the first one on
        self._made: dict[str, Lines] = {}
        self.progress_noted: tuple[int, int | None, str | None] | None = None  # the last one written to SQL
        self._open_session = open_session
        self._session: Session | None = None

    def log(self) -> Lines:
        """Return its log, created at first use; two threads that race get the same one."""
        lines = self.lines
        if lines is None:
            lines = self.lines = self._made.setdefault(
                "lines", Lines(self.mask)
            )  # atomic, without a lock that an interrupt could leave held
        return lines

    def mask(self, text: str) -> str:
        """Mask the values of secret arguments: everything that an attempt outputs passes here before it is stored or shown."""
        return text if self.secrets is None else self.secrets.text(text)

    @property
    def session(self) -> Session:
        """Session that commits together with the end of this attempt; only for `transactional=True` actors."""
        if self._session is None:
            if self._open_session is None:
                raise RuntimeError(f"{self.actor} has no session: declare it with @dramatiq.actor(transactional=True)")
            self._session = self._open_session()
        return self._session

    @property
    def open_session(self) -> Session | None:
        """Return the session if the actor has used it, else None."""
        return self._session

    @property
    def is_transactional(self) -> bool:
        return self._open_session is not None

    def progress(self, done: int, total: int | None = None, message: str | None = None) -> None:
        """Report progress; also the check-point at which a requested cancel is raised.

        A message that is not text is converted. Raises TypeError if a number is not one.
        """
        said = None if message is None else storable(self.mask(text_of(message)), MESSAGE_LIMIT)
        self.progress_seen = (_storable("done", done), None if total is None else _storable("total", total), said)
        self.check()

    def check(self) -> None:
        """Raise CancelRequested if an operator has asked to cancel this job."""
        if self.cancel_requested:
            raise CancelRequested(f"cancel of job {self.id} requested")


def _storable(name: str, number: Any) -> int:
    """Clamp the number to the column's range: progress must never decide how a job ends."""
    if isinstance(number, int | float) and number in (inf, -inf):
        return LARGEST if number > 0 else -LARGEST - 1
    try:
        return max(-LARGEST - 1, min(int(number), LARGEST))
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"progress({name}=…) takes a number, not {number!r:.60}") from None


#: A context variable, not a thread-local: a coroutine runs in another thread, with the context of the one that started it.
_running: ContextVar[RunningJob | None] = ContextVar("callboard_running_job", default=None)


class _CurrentJob:
    """Proxy to the running job of this context; outside of an attempt every attribute raises a clear error."""

    __slots__ = ()  # else an attribute set by one job would be that of all later ones

    @property
    def job(self) -> RunningJob | None:
        return _running.get()

    @job.setter
    def job(self, job: RunningJob | None) -> None:
        _running.set(job)

    def __getattr__(self, name: str) -> Any:
        job = _running.get()
        if job is None:
            # A plain call of the function, as in a unit test: progress is ignored, everything else raises.
            if name == "progress":
                return _ignore_progress
            if name == "check":
                return _ignore_check
            if name == "cancel_requested":
                return False
            raise RuntimeError(f"current_job.{name} is only there while a worker runs the actor")
        return getattr(job, name)

    def __bool__(self) -> bool:
        return _running.get() is not None


def _ignore_progress(done: int, total: int | None = None, message: str | None = None) -> None:
    """Ignore progress of a plain call."""


def _ignore_check() -> None:
    """Do nothing: a plain call cannot be cancelled."""


current_job = _CurrentJob()
