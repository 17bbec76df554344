"""State and result of a job's row in Celery's terms."""

from __future__ import annotations

import json
import re
from typing import Any

from ...jobs.core.models import Job
from ...jobs.core.states import State
from ...jobs.files import result_files
from .. import states
from ..base import values
from ..core import registry, request
from . import failures

#: tag of the result of a task that was replaced
REPLACED = "replaced"
#: a custom state and its meta in a job's progress message: a word as it is, any other text quoted, so that its end is known
_CUSTOM = re.compile(r'([^\W\d]\w*|"(?:[^"\\]|\\.)*") (.+)', re.DOTALL)


def custom(state: str, meta: str) -> str:
    """Return the progress message of a custom state; `meta` is JSON."""
    quoted = json.dumps(state, ensure_ascii=False)
    return f"{quoted[1:-1] if quoted[1:-1].isidentifier() else quoted} {meta}"


def state_of(job: Job) -> str:
    """Return the state; while the job runs, the task's own, STARTED with track_started, or PENDING."""
    custom = _custom(job)
    if custom is not None:
        return custom[0]
    if failures.is_behind_failure(job):
        return states.FAILURE
    if job.state is State.RUNNING and not _is_tracked(job):
        return states.PENDING
    return states.OF_JOBS[job.state]


def _is_tracked(job: Job) -> bool:
    """True if a running job of this task is STARTED: track_started of the task, or the configuration's."""
    known = registry.find(str(job.actor))
    return bool(registry.app().conf["task_track_started"] if known is None else known.is_tracked)


def is_ignored(job: Job | None) -> bool:
    """True if its call asked to ignore the result: the row has it for later steps, AsyncResult returns None."""
    return job is not None and bool((job.options.get(request.OPTION) or {}).get("ignore_result"))


def info_of(job: Job) -> Any:
    """Return the result, the exception, or the meta of a custom state."""
    if job.state is State.SUCCEEDED and is_ignored(job):
        return None
    if job.state is State.SUCCEEDED:
        return values.decode(job.result if job.result_file is None else json.loads(result_files.read(job.result_file)))
    if job.state in (State.DEAD, State.RETRYING, State.CANCELLED, State.EXPIRED):
        return failures.of(job)
    custom = _custom(job)
    return None if custom is None else custom[1]


def _custom(job: Job) -> tuple[str, Any] | None:
    """Return the state and meta that a running task has set."""
    if job.state is not State.RUNNING or not job.progress_message:
        return None
    found = _CUSTOM.fullmatch(job.progress_message)
    try:
        name, meta = found.groups() if found else ("", "")
        return json.loads(name) if name.startswith('"') else name, values.decode(json.loads(meta))
    except ValueError:
        return None  # a message of current_job.progress()


def replacement_of(result: Any) -> str | None:
    """Return the id of the job whose result counts, if this is the result of a task that was replaced."""
    return str(result["__value__"]) if isinstance(result, dict) and result.get("__type__") == REPLACED else None
