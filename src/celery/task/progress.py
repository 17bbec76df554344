"""update_state(): the state and meta that a task sets, stored as the job's progress."""

from __future__ import annotations

from typing import Any

from ...jobs.attempts.current_job import MESSAGE_LIMIT, current_job
from ...jobs.core.values import dumps_rich
from .. import states
from ..base import values
from ..base.differences import unsupported
from ..core.request import Context
from ..result.rows import custom

#: keys of a meta that say how much is done
_DONE = ("current", "done", "progress")


def update(request: Context, task_id: str | None, state: str | None, meta: Any) -> None:
    """Store state and meta. Raises ValueError if they are too long, Unsupported for another task."""
    if task_id is not None and task_id != request.id:
        raise unsupported("update_state(task_id=)")
    text = custom(state or states.STARTED, dumps_rich(values.encode(meta)))
    if len(text) > MESSAGE_LIMIT:
        raise ValueError(f"state and meta are {len(text)} characters of JSON, at most {MESSAGE_LIMIT} are kept: pass ids and numbers.")
    if not current_job or request.is_eager or request.called_directly:
        return
    given = meta if isinstance(meta, dict) else {}
    done = next((given[name] for name in _DONE if _is_number(given.get(name))), 0)
    total = int(given["total"]) if _is_number(given.get("total")) else None
    current_job.progress(int(done), total, text)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
