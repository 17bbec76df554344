"""Columns of the jobs list: those of the URL, else those that this browser has chosen, else the usual ones."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, NamedTuple

from ....jobs import State
from ....operations.jobs.rows import Job


class Column(NamedTuple):
    """A column of the list: its heading, and the text of a job's cell unless that is written in `jobs/_rows.html`."""

    heading: str
    text: Callable[[Job], object] | None = None
    is_number: bool = False  # or a time


#: name in the URL -> column; the state and the actor are in every list
COLUMNS = {
    "arguments": Column("Arguments"),
    "error": Column("Error"),
    "queue": Column("Queue", lambda job: job.queue),
    "attempt": Column("Attempt", lambda job: job.attempt or "", is_number=True),
    "wait": Column("Waited", is_number=True),
    "duration": Column("Duration", is_number=True),
    "priority": Column("Priority", lambda job: job.priority, is_number=True),
    "source": Column("Source", lambda job: job.source),
    "by": Column("Submitted by", lambda job: job.submitted_by or ""),
    "started": Column("Started", is_number=True),
    "finished": Column("Finished", is_number=True),
    "submitted": Column("Submitted", is_number=True),
}
USUAL = ("arguments", "queue", "attempt", "duration", "submitted")
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
