"""Columns of the jobs list: those of the URL, else those that this browser has chosen, else the usual ones."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from ....jobs import State
from ....operations.jobs.rows import Job

#: name in the URL -> heading; the state and the actor are in every list
COLUMNS = {
    "arguments": "Arguments", "error": "Error", "queue": "Queue", "attempt": "Attempt", "wait": "Waited", "duration": "Duration", "priority": "Priority",
    "source": "Source", "by": "Submitted by", "started": "Started", "finished": "Finished", "submitted": "Submitted",
}  # fmt: skip
USUAL = ("arguments", "queue", "attempt", "duration", "submitted")
#: columns of numbers and times
NUMBERS = frozenset({"attempt", "wait", "duration", "priority", "started", "finished", "submitted"})
#: key of the signed cookie
_KEY = "columns"


def chosen(asked: Sequence[str], cookie: MutableMapping[str, Any], jobs: Sequence[Job]) -> list[str]:
    """The columns to show, in their order. The choice in the URL is remembered; an empty choice returns to the usual columns."""
    if asked:
        names = [name for name in COLUMNS if name in {part for text in asked for part in text.split(",")}]
        if names:
            cookie[_KEY] = names
        else:
            cookie.pop(_KEY, None)
    kept = cookie.get(_KEY)
    if isinstance(kept, list):
        return [name for name in COLUMNS if name in kept]
    return [name for name in COLUMNS if name in USUAL or (name == "error" and any(_is_failure(job) for job in jobs))]


def _is_failure(job: Job) -> bool:
    return job.error is not None and job.state in (State.DEAD, State.RETRYING)
