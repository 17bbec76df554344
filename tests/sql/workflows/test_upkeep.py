"""Cost of workflows for other jobs (none), their lists, and their retention."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from dramatiq.rate_limits import ConcurrentRateLimiter
from sqlalchemy import event, func, select, update

from src.actors import upkeep
from src.broker import SqlRateLimiterBackend
from src.jobs import State, submit
from src.jobs.attempts.current_job import RunningJob, current_job
from src.jobs.control import actions, workflows
from src.jobs.core.errors import JobsError
from src.jobs.core.models import Job
from src.jobs.core.workflow_models import MessageGroup, StoredEdge, StoredStep, StoredWorkflow
from src.jobs.upkeep import retention
from src.jobs.webhooks import events
from src.jobs.workflows import message_groups
from src.jobs.workflows.canvas import Workflow, result_of
from src.jobs.workflows.stored import load, store
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import claimed, ended, hired, message, settle
from tests.harness.workflows import Hand, submitted, view


def statements(database: Database, *, workflow_seq: int | None) -> list[str]:
    """The statements of one settlement."""
    events.has_subscribers(database)  # as every committer asks each other second
    worker = hired(database)
    one = claimed(database, worker)
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        settle(database, worker, ended(one, result="1", workflow_seq=workflow_seq))
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return [statement for statement in seen if "BEGIN" not in statement]


def test_a_job_outside_of_workflows_costs_no_statement_more(database: Database) -> None:
    plain = statements(database, workflow_seq=None)

    assert len(plain) == (2 if database.is_sqlite else 1)
    assert not any("workflow_" in statement for statement in plain)
    assert len(statements(database, workflow_seq=7)) > len(plain)


@pytest.mark.both_stores
def test_workflows_are_listed_newest_first(database: Database) -> None:
    hand = Hand(database)
    receipts = []
    for number in range(3):
        workflow = Workflow(f"number {number}")
        a = workflow.step(message(), name="a")
        workflow.step(message(), name="b", after=a)
        receipts.append(submitted(database, workflow))
    hand.end(receipts[2].jobs["a"], State.DEAD)
    with database.read() as session:
        first = workflows.page(session, limit=2)
        rest = workflows.page(session, after=first.next, limit=2)
        assert workflows.submitted(session, [receipts[0].jobs["a"], "nobody"]) == {receipts[0].jobs["a"]: receipts[0].id}

    assert [(one.name, one.state, one.counts) for one in first.workflows] == [
        ("number 2", "blocked", {State.SCHEDULED: 1, State.DEAD: 1}),
        ("number 1", "running", {State.SCHEDULED: 1, State.QUEUED: 1}),
    ]
    assert ([one.name for one in rest.workflows], rest.next) == (["number 0"], None)


def test_the_read_side_has_the_edges(database: Database) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    workflow.step(message(result_of(a)), name="b")
    receipt = submitted(database, workflow)
    Hand(database).end(receipt.jobs["a"])

    found = view(database, receipt)
    assert [(edge.before, edge.after, edge.outcome) for edge in found.edges] == [("a", "b", "succeeded")]
    assert (found.finished_at, found.step("b").when) == (None, "success")


@pytest.mark.both_stores
def test_a_workflow_is_kept_whole_until_the_last_of_it_is_over(database: Database) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    b = workflow.step(message(), name="b", after=a)
    workflow.step(message(), name="c", after=b)
    receipt = submitted(database, workflow)
    hand = Hand(database)
    hand.end(receipt.jobs["a"])
    hand.end(receipt.jobs["b"], State.DEAD)
    with database.write() as session:
        long_ago = now() - timedelta(days=10_000)
        session.execute(update(Job).where(Job.finished_at.is_not(None)).values(finished_at=long_ago))
        session.execute(update(StoredWorkflow).values(created_at=long_ago))
        assert retention.prune(session) == 0
        actions.cancel(session, receipt.jobs["c"])
        assert retention.prune(session) == 0
        session.execute(update(Job).values(finished_at=long_ago))
        assert [retention.prune(session, batch=2), retention.prune(session, batch=2)] == [2, 1]
        assert [session.execute(select(func.count()).select_from(t)).scalar_one() for t in (StoredWorkflow, StoredStep, StoredEdge)] == [
            0
        ] * 3


@pytest.mark.parametrize("fails", [False, True])
def test_a_limiter_in_a_transactional_actor_gives_its_place_back(database: Database, fails: bool) -> None:
    limiter = ConcurrentRateLimiter(SqlRateLimiterBackend(), "place", limit=1)
    job = RunningJob(
        seq=1, id="x", actor="add", queue="default", attempt=1, worker="here:1", scheduled_for=None, open_session=database.session
    )
    current_job.job = job
    try:
        with limiter.acquire() as acquired:
            assert acquired
            assert job.session is not None
        if fails:
            job.session.rollback()
        else:
            job.session.commit()
        job.session.close()
    finally:
        current_job.job = None

    with limiter.acquire(raise_on_failure=False) as acquired:
        assert acquired


def test_thousands_of_steps_of_one_actor_are_named_quickly() -> None:
    workflow = Workflow()
    steps = [workflow.step(message()) for _ in range(5000)]

    assert [steps[0].name, steps[1].name, steps[-1].name] == ["add", "add-2", "add-5000"]
    assert len({step.name for step in steps}) == 5000


def test_a_stored_signature_says_what_is_wrong_with_it() -> None:
    workflow = Workflow("kept")
    workflow.step(message(1), name="a", priority=9, delay=timedelta(seconds=2))
    text = json.dumps(store(workflow))
    kept = load(json.loads(text)).steps[0]

    assert (kept.submission.priority, kept.delay) == (9, timedelta(seconds=2))
    for broken, field in (
        ({}, "version"),
        ({"version": 1, "steps": 3}, "steps"),
        ({"version": 1, "steps": [{"args": []}]}, "actor"),
        ({"version": 1, "steps": [{"actor": "add", "args": {}}]}, "args"),
        ({"version": 1, "steps": [{"actor": "add", "after": ["b"]}]}, "after"),
    ):
        with pytest.raises(JobsError) as caught:
            load(broken)
        assert caught.value.field == field


@pytest.mark.both_stores
def test_the_daily_clean_up_goes_on_past_what_is_kept_and_ends_groups_without_members(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "AT_ONCE", 3)
    hand, long_ago = Hand(database), now() - timedelta(days=10_000)
    with database.write() as session:
        for group in ("lost", "under way", "followed"):
            message_groups.open_group(session, group, 2)
        in_group = {
            name: message(group_completion_uuid=name, group_completion_callbacks=[message().asdict()]) for name in ("lost", "followed")
        }
        of_followed = message(pipe_target=in_group["followed"].asdict())
        of_group = message(group_completion_uuid="under way", group_completion_callbacks=[message().asdict()])
        ids = [submit(session, each).id for each in (message(), of_group, of_followed, in_group["lost"], *(message() for _ in range(5)))]
    for id in (ids[0], *ids[3:]):
        hand.end(id, State.DEAD)
    with database.write() as session:
        session.execute(update(Job).values(created_at=long_ago))
        session.execute(update(Job).where(Job.id.in_([ids[0], *ids[3:]])).values(finished_at=long_ago))
        session.execute(update(MessageGroup).values(created_at=long_ago))
        message_groups.open_group(session, "new", 2)

    current_job.job = RunningJob(
        seq=1, id="x", actor="prune", queue="upkeep", attempt=1, worker="here:1", scheduled_for=None, open_session=database.session
    )
    try:
        deleted = upkeep.prune()
    finally:
        current_job.job = None

    assert (deleted["jobs"], deleted["message_groups"]) == (7, 1)
    with database.read() as session:
        assert {*session.execute(select(Job.id)).scalars()} == set(ids[1:3])
        assert {*session.execute(select(MessageGroup.id)).scalars()} == {"under way", "followed", "new"}


@pytest.mark.both_stores
def test_retention_keeps_a_job_until_the_time_of_its_submission(database: Database) -> None:
    hand = Hand(database)
    with database.write() as session:
        kept, over, never = (
            submit(session, message(), keep_until=at).id for at in (now() + timedelta(days=1), now() - timedelta(days=1), None)
        )
    workflow = Workflow()
    workflow.step(message(), name="a", keep_until=now() + timedelta(days=1))
    workflow.step(message(), name="b")
    receipt = submitted(database, workflow)
    for id in (kept, over, never, *receipt.jobs.values()):
        hand.end(id)
    with database.write() as session:
        long_ago = now() - timedelta(days=10_000)
        session.execute(update(Job).values(created_at=long_ago, finished_at=long_ago))
        session.execute(update(StoredWorkflow).values(created_at=long_ago))
        assert retention.prune(session) == 2
        assert {*session.execute(select(Job.id)).scalars()} == {kept, *receipt.jobs.values()}
        session.execute(update(Job).values(keep_until=now() - timedelta(days=1)))
        assert retention.prune(session) == 3
