"""Exceptions with Celery's names. Retry, Ignore and the limits are Dramatiq's, so that the worker acts on them."""

from __future__ import annotations

import builtins
from datetime import datetime, timedelta
from typing import Any

from dramatiq.errors import Retry as _Retry
from dramatiq.middleware import SkipMessage
from dramatiq.middleware.time_limit import TimeLimitExceeded as SoftTimeLimitExceeded

from ..broker.options.isolation import HardTimeLimitExceeded as TimeLimitExceeded
from ..sql.clock import now
from .base.differences import Unsupported
from .base.modules import absent
from .base.seconds import seconds

__all__ = [
    "AlreadyRegistered",
    "AlwaysEagerIgnored",
    "BackendError",
    "BackendGetMetaError",
    "BackendStoreError",
    "CDeprecationWarning",
    "CPendingDeprecationWarning",
    "CeleryError",
    "CeleryWarning",
    "ChordError",
    "DuplicateNodenameWarning",
    "DuplicateTaskNameWarning",
    "FixupWarning",
    "Ignore",
    "ImproperlyConfigured",
    "IncompleteStream",
    "InvalidTaskError",
    "MaxRetriesExceededError",
    "NotConfigured",
    "NotRegistered",
    "OperationalError",
    "QueueNotFound",
    "Reject",
    "Retry",
    "SecurityError",
    "SecurityWarning",
    "SoftTimeLimitExceeded",
    "TaskError",
    "TaskPredicate",
    "TaskRevokedError",
    "TimeLimitExceeded",
    "TimeoutError",
    "Unsupported",
    "WorkerLostError",
]


__getattr__ = absent(__name__)


class CeleryError(Exception):
    """Base of these exceptions."""


class TaskError(CeleryError):
    """Base of errors of tasks."""


class TaskPredicate(CeleryError):
    """Base of exceptions by which a task steers its own job."""


class ImproperlyConfigured(CeleryError):
    """The configuration is invalid or contradicts Callboard's settings."""


class OperationalError(CeleryError):
    """The submission could not be stored: the database is away."""


class NotRegistered(KeyError, TaskError):
    """No task of this name is registered in this process."""

    def __str__(self) -> str:
        return f"Task of kind {self.args[0]} never registered: import its module, or name it in CALLBOARD_ACTORS."


class QueueNotFound(KeyError, TaskError):
    """No worker would read the queue."""

    def __str__(self) -> str:
        return str(self.args[0])


class TimeoutError(CeleryError, builtins.TimeoutError):
    """The job has not ended in time."""


class MaxRetriesExceededError(TaskError):
    """The task called retry() more often than its max_retries allow."""

    def __init__(self, *args: Any, task_args: Any = (), task_kwargs: Any = None) -> None:
        self.task_args = task_args
        self.task_kwargs = task_kwargs or {}
        super().__init__(*args)


class AlreadyRegistered(TaskError):
    """Never raised: the second task of a name is the first one."""


class InvalidTaskError(TaskError):
    """Never raised: a message that cannot be a job is held."""


class SecurityError(CeleryError):
    """Never raised: messages are not signed."""


class CeleryWarning(UserWarning):
    """Base of warnings, which exist for filters that name them."""


class NotConfigured(CeleryWarning):
    """Never raised: an application needs no configuration."""


class AlwaysEagerIgnored(CeleryWarning):
    """Never raised."""


class DuplicateNodenameWarning(CeleryWarning):
    """Never raised."""


class DuplicateTaskNameWarning(CeleryWarning):
    """Never raised."""


class FixupWarning(CeleryWarning):
    """Never raised."""


class SecurityWarning(CeleryWarning):
    """Never raised."""


class CPendingDeprecationWarning(PendingDeprecationWarning):
    """Never raised."""


class CDeprecationWarning(DeprecationWarning):
    """Never raised."""


class BackendError(Exception):
    """Never raised: results are in the database, which raises OperationalError or errors of SQLAlchemy."""


class BackendGetMetaError(BackendError):
    """Never raised."""


class BackendStoreError(BackendError):
    """Never raised."""


class WorkerLostError(Exception):
    """Never raised: the job of a lost worker starts elsewhere, or is dead with the reason."""


class IncompleteStream(TaskError):
    """A task behind the result has not ended."""


class TaskRevokedError(TaskError):
    """The job was cancelled or has expired."""


class ChordError(TaskError):
    """A member of the chord's header ended without success."""


class Retry(TaskPredicate, _Retry):
    """Asks for another attempt. `when`: seconds from now, as countdown= of apply_async takes them, or a datetime. `call`: its arguments."""

    call: tuple[Any, Any] | None = None

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | None = None,
        when: float | str | timedelta | datetime | None = None,
        is_eager: bool = False,
        sig: Any = None,
        **_: Any,
    ) -> None:
        self.exc, self.is_eager, self.sig = exc, is_eager, sig
        self.when = when if when is None or isinstance(when, datetime) else seconds("when", when)
        self.message = message or self._words()
        if isinstance(self.when, datetime):
            self.delay: int | None = max(0, int((self.when - now()).total_seconds() * 1000))
        else:
            self.delay = None if self.when is None else int(self.when * 1000)
        Exception.__init__(self, self.message)

    @property
    def excs(self) -> str | None:
        return None if self.exc is None else repr(self.exc)

    @property
    def humanize(self) -> str:
        return f"at {self.when}" if isinstance(self.when, datetime) else f"in {self.when}s"

    def _words(self) -> str:
        return f"Retry {self.humanize}{'' if self.exc is None else f': {self.exc!r}'}"

    def __str__(self) -> str:
        return str(self.message)


class Ignore(TaskPredicate, SkipMessage):
    """Ends the job without a result: it is cancelled."""

    skipped = "ignored by the task"

    def __init__(self, *args: Any) -> None:
        self.message = " ".join(map(str, args)) or self.skipped
        Exception.__init__(self, *args)


class Replaced(Ignore):
    """Ends the job, whose place other steps have taken. `id`: that of the job whose result counts."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"replaced by {id}")


class Reject(TaskPredicate):
    """Ends the job like Ignore, or with `requeue` starts it again at once."""

    def __init__(self, reason: Any = None, requeue: bool = False) -> None:
        self.reason, self.requeue = reason, requeue
        super().__init__(reason, requeue)
