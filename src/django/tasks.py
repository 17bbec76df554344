"""Backend of Django's tasks: TASKS = {"default": {"BACKEND": "callboard.django.tasks.CallboardBackend"}}.

Each task is an actor with the name of its path. OPTIONS are options of the actors, and `using`, the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any

import dramatiq
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone
from django.utils.module_loading import import_string
from dramatiq import Message

from ..jobs.core.models import Job
from ..jobs.core.session_handover import handed_over
from ..jobs.options.job_options import NORMAL_PRIORITY
from ..jobs.read.queries import find
from ..jobs.submit.submission import new_id
from ..sql.clock import now
from ..sql.database import read
from . import results, transactions
from .execution import function_of
from .frameworks import BaseTaskBackend, Task, TaskResult, TaskResultDoesNotExist, TaskResultStatus, task_enqueued


class CallboardBackend(BaseTaskBackend):  # type: ignore[misc, unused-ignore]
    """Tasks as jobs, in the caller's transaction."""

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        # No retries, because tasks of other backends have none, and may not be safe to repeat.
        self._actor_options = {"max_retries": 0, **self.options}
        self._using = self._actor_options.pop("using", DEFAULT_DB_ALIAS)
        for queue in sorted(self.queues):  # workers consume also those that only using(queue_name=…) names
            dramatiq.get_broker().declare_queue(queue)

    def validate_task(self, task: Task) -> None:
        """Check the task, and declare its actor when the task itself is declared."""
        super().validate_task(task)
        if task.module_path not in dramatiq.get_broker().actors:
            actor = dramatiq.actor(
                actor_name=task.module_path, queue_name=task.queue_name, broker_priority=priority_of(task), **self._actor_options
            )
            actor(function_of(task))

    def enqueue(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskResult:
        """Submit the job in Django's transaction. Raises TypeError if an argument is not JSON."""
        self.validate_task(task)
        message: Message[Any] = Message(task.queue_name, task.module_path, tuple(args), dict(kwargs), {}, new_id())
        result = TaskResult(
            task=task, id=message.message_id, status=TaskResultStatus.READY, enqueued_at=now(), started_at=None, finished_at=None,
            last_attempted_at=None, args=list(args), kwargs=dict(kwargs), backend=self.alias, errors=[], worker_ids=[],
        )  # fmt: skip
        receipt = transactions.submit(message, using=self._using, priority=priority_of(task), due_at=_aware(task.run_after))
        results.set_value(result, id=receipt.id)  # that of an earlier job, if the actor's options make it unique
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> TaskResult:
        """Return the result of a task's job. Raises TaskResultDoesNotExist."""
        with read() as session:
            if (job := find(session, result_id)) is not None:
                return self._result(session, job, result_id)
        if not connections[self._using].in_atomic_block:
            raise TaskResultDoesNotExist(result_id)
        with transactions.session(self._using) as own, handed_over(own) as session:  # enqueued in this transaction
            return self._result(session, find(session, result_id), result_id)

    def _result(self, session: Any, job: Job | None, id: str) -> TaskResult:
        task = None if job is None or job.id != id else _task(job.actor)
        if task is None:
            raise TaskResultDoesNotExist(id)
        return results.result_of(session, job, task, self.alias)  # type: ignore[arg-type]


def priority_of(task: Task) -> int:
    """Return a job's priority, 0 to 9, for Django's -100 to 100."""
    steps = 9 - NORMAL_PRIORITY if task.priority > 0 else NORMAL_PRIORITY
    return NORMAL_PRIORITY + (1 if task.priority > 0 else -1) * ceil(abs(int(task.priority)) * steps / 100)


def _aware(instant: datetime | None) -> datetime | None:
    return timezone.make_aware(instant) if instant is not None and timezone.is_naive(instant) else instant


def _task(path: str | None) -> Task | None:
    try:
        found = import_string(path or "")
    except ImportError:
        return None
    return found if isinstance(found, Task) else None
