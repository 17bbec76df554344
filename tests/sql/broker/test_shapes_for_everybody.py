"""Chunks of calls, and partial calls, of plain actors."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from src.actors.arithmetic import add, mul, xsum
from src.broker import get
from src.jobs import JobsError, Workflow, canvas
from src.jobs.core.models import Job
from tests.actors.celery_tasks import unlock
from tests.harness.inline import Inline
from tests.harness.jobs import look


def run(inline: Inline, part: Any) -> list[Job]:
    """Run a shape and return its jobs, in order."""
    with inline.database.write() as session:
        receipt = Workflow("shape", part).submit(session)
    inline.run_all()
    return [look(inline.database, id) for id in receipt.jobs.values()]


@pytest.mark.both_stores
def test_each_chunk_is_a_job_whose_result_is_the_list_of_its_elements_results(inline: Inline) -> None:
    first, second, last = run(inline, canvas.chord([canvas.chunks(add, [(1, 2), (3, 4), (5, 6)], 2, priority=7)], partial(xsum.message)))

    assert [get(first.id), get(second.id)] == [[3, 7], [11]]
    assert (first.actor, first.queue, first.priority, first.progress_total) == ("call_each", "default", 7, 2)
    assert last.args == [[[[3, 7], [11]]]]


def test_elements_that_do_not_fit_and_secrets_are_refused(inline: Inline) -> None:
    with pytest.raises(JobsError, match="give a number from 1"):
        canvas.chunks(add, [(1, 2)], 0)
    with pytest.raises(JobsError, match="which only a job of its own hides"):
        canvas.chunks(unlock.actor, ["open sesame"], 10)
    [failed] = run(inline, canvas.chunks(add, [(1,)], 1))
    assert "missing" in str(failed.error)


def test_a_partial_call_is_completed_by_the_result_before_it(inline: Inline) -> None:
    jobs = run(inline, canvas.chain(partial(add.message, 1, 1), partial(mul.message, y=3), partial(mul.message, 5)))

    assert [get(job.id) for job in jobs] == [2, 6, 30]
