"""A bulk action whose worker is lost continues where it was, and counts the work done before."""

from __future__ import annotations

from typing import Any

import pytest

from src import audit
from src.actors.bulk import act_on_jobs
from src.broker import get
from src.jobs.control import actions, bulk
from src.jobs.core.states import State
from src.jobs.leases import workers
from src.sql.clock import now
from src.sql.database import Database
from tests.actors.endings import return_values as keep
from tests.harness.inline import Inline
from tests.harness.jobs import claim, look

pytestmark = pytest.mark.both_stores


def ordered(verb: Any, ids: list[str], database: Database) -> str:
    newest = max(look(database, id).seq for id in ids)
    return act_on_jobs.send(verb, "actor:return_values", newest, now().isoformat(), "ada").message_id


@pytest.mark.parametrize("verb", ["cancel", "re-run"])
def test_the_next_attempt_counts_what_was_done_before(
    inline: Inline, database: Database, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 3)
    ids = [keep.send(number).message_id for number in range(8)]
    if verb == "re-run":
        for id in ids:
            inline.run(id)
    job = ordered(verb, ids, database)
    seen: list[Any] = []
    real = bulk.act

    def lost_after_two(*args: Any) -> Any:
        if len(seen) == 2:
            raise SystemExit  # the process is gone
        seen.append(real(*args))
        return seen[-1]

    monkeypatch.setattr(bulk, "act", lost_after_two)
    one = claim(database, inline.process.lease.worker_id, job)
    assert one is not None
    with pytest.raises(SystemExit):
        _carry_out(inline, one)
    monkeypatch.setattr(bulk, "act", real)
    with database.write() as session:
        workers.report_death(session, workers.Death(inline.process.lease.worker_id, "was killed", frozenset()))
    inline.process._register()

    inline.run(job)

    assert get(job) == {"verb": verb, "query": "actor:return_values", "done": 8, "left_alone": 0}
    ended = look(database, job)
    assert (ended.progress_done, ended.progress_total) == (8, 8)


def _carry_out(inline: Inline, one: Any) -> None:
    """As the executor does, but for the process that is gone with the exception."""
    from src.broker.consume.deliveries import Arrival, Delivery
    from src.jobs.attempts.current_job import current_job

    current_job.job = inline.executor.attempts.running_job(Delivery(one, Arrival(0, 0, False, b""), None))
    try:
        act_on_jobs.fn(*look(inline.database, one.id).args)
    finally:
        current_job.job = None
        audit.end()


def test_a_job_that_cannot_be_changed_keeps_no_other_from_it(inline: Inline, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [keep.send(number).message_id for number in range(3)]
    job, real = ordered("cancel", ids, database), actions.cancel

    def broken(session: Any, id: str) -> Any:
        if id == ids[1]:
            raise KeyError("broken")
        return real(session, id)

    monkeypatch.setattr(actions, "cancel", broken)
    inline.run(job)

    assert get(job) == {"verb": "cancel", "query": "actor:return_values", "done": 2, "left_alone": 1}
    assert [look(database, id).state for id in ids] == [State.CANCELLED, State.QUEUED, State.CANCELLED]
