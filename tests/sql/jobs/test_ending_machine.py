"""Every way out of a state, in any order: no runnable job is left waiting, and every held resource is freed.

Jobs with fair keys, slots, unique keys, groups, steps and webhooks are submitted, claimed, ended, cancelled, lost,
handed back and changed; after each of these the whole database must be consistent, without help from a relay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule, run_state_machine_as_test
from sqlalchemy import delete, func, select, text

from src.jobs import State, submit
from src.jobs.control import actions, edits, held, workflows
from src.jobs.control.edits import Edit
from src.jobs.core.claimed import Claimed
from src.jobs.core.errors import NotAllowed
from src.jobs.core.models import Job
from src.jobs.core.states import FINAL
from src.jobs.core.workflow_models import MessageGroup, OnDead, StoredEdge, StoredStep, StoredWorkflow
from src.jobs.leases import claims, workers
from src.jobs.limits import fair_queueing
from src.jobs.limits.models import Slot
from src.jobs.limits.policies import Policy
from src.jobs.relay import due_jobs
from src.jobs.submit.requests import Submission
from src.jobs.webhooks import events, webhooks
from src.jobs.webhooks.events import Deliver
from src.jobs.webhooks.models import Kind, Webhook, WebhookDelivery
from src.jobs.workflows import message_groups
from src.jobs.workflows.canvas import Workflow
from src.jobs.workflows.message_groups import GroupMember
from src.settings import get_settings
from src.sql.clock import clock, now
from src.sql.database import Database
from tests.harness.jobs import StillClock, empty, ended, hired, message, settle

pytestmark = pytest.mark.both_stores

WINDOW = 2
LIMITED = "one_at_a_time"
POLICIES = {LIMITED: Policy(concurrency=1)}
KEYS = st.sampled_from([None, None, "a", "b"])
ACTORS = st.sampled_from(["add", "add", LIMITED])
ENDS = st.sampled_from([State.SUCCEEDED, State.SUCCEEDED, State.RETRYING, State.DEAD, State.CANCELLED, State.HELD])


class Endings(RuleBasedStateMachine):
    """One database; what is remembered beside it is only what it cannot say itself."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.time = StillClock()
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(clock, "now", self.time.now)
        self._patch.setattr(fair_queueing, "LEAST_WINDOW", WINDOW)
        self._patch.setattr(fair_queueing, "WINDOW_PER_THREAD", 0)
        self._patch.setattr(events.delivery, "_part", Deliver("deliver", lambda session, ids, by: None))
        self._patch.setattr(workers, "get_settings", lambda: get_settings().model_copy(update={"max_crashes": 2}))
        with self.database.write() as session:
            webhooks.create(session, url="https://example.com/", kind=Kind.JOB, actor=None, states=sorted(FINAL), by="ada")
        self.worker = hired(self.database)
        self.states: dict[str, State] = {}
        self.times_ended: Counter[str] = Counter()
        self.members: dict[str, GroupMember] = {}
        self.groups: dict[str, list[str]] = {}

    def teardown(self) -> None:
        with self.database.write() as session:
            for table in (StoredEdge, StoredStep, StoredWorkflow, MessageGroup, Webhook, WebhookDelivery):
                session.execute(delete(table))
            if not self.database.is_sqlite:
                session.execute(text("DELETE FROM awaited"))
            events.forget(session)
        empty(self.database)
        self._patch.undo()

    jobs = Bundle("jobs")
    flows = Bundle("flows")
    running = Bundle("running")

    # Submitted

    @rule(
        target=jobs, actor=ACTORS, fair_key=KEYS, unique=KEYS, wait=st.sampled_from([0, 0, 0, 5]), expire=st.sampled_from([None, None, 3])
    )
    def submit(self, actor: str, fair_key: str | None, unique: str | None, wait: int, expire: int | None) -> str:
        with self.database.write() as session:
            receipt = submit(
                session, message(actor=actor), fair_key=fair_key, unique_key=unique,
                due_at=now() + timedelta(seconds=wait) if wait else None, expires_at=now() + timedelta(seconds=expire) if expire else None,
            )  # fmt: skip
        self._await(receipt.id)
        return receipt.id

    @rule(target=jobs, fair_key=KEYS, count=st.integers(2, 5))
    def submit_many(self, fair_key: str | None, count: int) -> Any:
        ids = []
        for _ in range(count):
            with self.database.write() as session:
                ids.append(submit(session, message(), fair_key=fair_key).id)
        return multiple(*ids)

    @rule(target=jobs, size=st.integers(1, 3))
    def submit_group(self, size: int) -> Any:
        messages = [message(actor="member") for _ in range(size)]
        group, callback = messages[0].message_id, message(actor="called_back")
        with self.database.write() as session:
            message_groups.open_group(session, group, size)
            for each in messages:
                submit(session, each)
        self.groups[group] = [each.message_id for each in messages]
        self.members |= {each.message_id: GroupMember(group, (Submission(callback),)) for each in messages}
        return multiple(*self.groups[group])

    @rule(target=flows, on_dead=st.sampled_from(list(OnDead)), fair_key=KEYS, actor=ACTORS)
    def submit_workflow(self, on_dead: OnDead, fair_key: str | None, actor: str) -> str:
        workflow = Workflow("flow", on_dead=on_dead)
        first = workflow.step(message(actor=actor), fair_key=fair_key)
        second = workflow.step(message(actor=actor), after=[first], fair_key=fair_key)
        workflow.step(message(), after=[first, second])
        workflow.step(message(), after=[first], when="error")
        with self.database.write() as session:
            receipt = workflow.submit(session)
        for id in receipt.jobs.values():
            self._await(id)
        return receipt.id

    @rule(target=jobs, id=flows, which=st.integers(0, 3))
    def step(self, id: str, which: int) -> str:
        with self.database.read() as session:
            found = workflows.find(session, id)
        assert found is not None
        return found.steps[which].job_id

    # Claimed and ended

    @rule(target=running, id=jobs)
    def deliver(self, id: str) -> Any:
        with self.database.write() as session:
            attempt = session.execute(select(Job.attempt).where(Job.id == id)).scalar_one()
            claimed = claims.claim(session, self.worker, [(id, attempt + 1)])
            started = claims.admit(session, claimed, POLICIES) if claimed else []
        return started[0] if started else multiple()

    @rule(one=consumes(running), state=ENDS)
    def report(self, one: Claimed, state: State) -> None:
        group = self.members.get(one.id) if state is State.SUCCEEDED else None
        end = ended(
            one, state, group=group, has_slots=one.has_slots, workflow_seq=one.workflow_seq, fair_queue=one.queue if one.is_fair else None,
            failures=int(state in (State.RETRYING, State.DEAD)),
        )  # fmt: skip
        settle(self.database, self.worker, end)

    @rule(one=consumes(running))
    def give_back(self, one: Claimed) -> None:
        with self.database.write() as session:
            claims.give_back(session, self.worker, [(one.seq, one.attempt)])

    @rule()
    def lose(self) -> None:
        """The worker falls silent; another one comes."""
        with self.database.write() as session:
            workers.report_death(session, workers.Death(self.worker, "was killed", frozenset(self._held(session))))
        self.worker = hired(self.database)

    def _held(self, session: Any) -> list[tuple[int, int]]:
        rows = session.execute(select(Job.seq, Job.attempt).where(Job.worker_id == self.worker, Job.state == State.RUNNING))
        return [(row[0], row[1]) for row in rows]

    # By people and time

    @rule(id=jobs, verb=st.sampled_from([actions.cancel, actions.cancel, actions.retry, actions.run_now, actions.discard, actions.release]))
    def command(self, id: str, verb: Callable[..., Any]) -> None:
        self._do(lambda session: verb(session, id))

    @rule(id=jobs)
    def postpone(self, id: str) -> None:
        self._do(lambda session: edits.edit(session, id, Edit(due_at=now() + timedelta(seconds=5))))

    @rule(id=jobs)
    def set_aside(self, id: str) -> None:
        self._do(lambda session: held.hold_unknown_actors(session, [id], "here:1"))

    @rule(id=flows, verb=st.sampled_from([workflows.cancel, workflows.retry]))
    def command_workflow(self, id: str, verb: Callable[..., Any]) -> None:
        self._do(lambda session: verb(session, id))

    @rule(seconds=st.sampled_from([1, 4, 10]))
    def wait(self, seconds: float) -> None:
        self.time.forward(seconds)
        with self.database.write() as session:
            workers.heartbeat(session, self.worker, busy=0, frontier={})
            due_jobs.release_due(session)
            due_jobs.expire(session)

    def _do(self, act: Callable[[Any], Any]) -> None:
        try:
            with self.database.write() as session:
                act(session)
        except NotAllowed:
            pass

    def _await(self, id: str) -> None:
        """A process waits for its result, as it does on PostgreSQL."""
        if not self.database.is_sqlite:
            with self.database.write() as session:
                seq = session.execute(select(Job.seq).where(Job.id == id)).scalar_one()
                session.execute(text("INSERT INTO awaited VALUES (:seq, 'here') ON CONFLICT DO NOTHING"), {"seq": seq})

    # After each step

    @invariant()
    def every_end_is_announced_once(self) -> None:
        with self.database.read() as session:
            found = {row[0]: row[1] for row in session.execute(select(Job.id, Job.state))}
            told = session.execute(select(WebhookDelivery.subject, func.count()).group_by(WebhookDelivery.subject))
            announced = Counter({row[0]: row[1] for row in told})
            awaited = () if self.database.is_sqlite else session.execute(text("SELECT job_seq FROM awaited")).scalars().all()
            deaf = session.execute(select(Job.id).where(Job.seq.in_(awaited), Job.state.in_(FINAL))).scalars().all()
        for id, state in found.items():
            if state in FINAL and self.states.get(id) not in FINAL:
                self.times_ended[id] += 1
        self.states = found
        assert announced == self.times_ended
        assert not deaf, "a process waits for the result of a job that has ended"

    @invariant()
    def whoever_waits_waits_for_something(self) -> None:
        with self.database.read() as session:
            rows = session.execute(select(Job.state, Job.waits_for, Job.due_at, Job.publish_at, Job.fair_key, Job.expires_at)).all()
        for row in rows:
            assert row.waits_for is None or row.state is State.SCHEDULED
            assert row.state is not State.SCHEDULED or row.waits_for or row.due_at
            assert row.state is not State.RETRYING or row.due_at
            assert (row.state is State.QUEUED) == (row.publish_at is not None)
        in_line = [
            row
            for row in rows
            if (row.waits_for or "").startswith(fair_queueing.FAIR) and (row.expires_at is None or row.expires_at > now())
        ]
        under_way = [row for row in rows if row.fair_key and row.state in (State.QUEUED, State.RUNNING)]
        assert not in_line or len(under_way) >= WINDOW, "fair jobs wait although the window has room"

    @invariant()
    def slots_are_held_by_running_jobs(self) -> None:
        with self.database.read() as session:
            holders = Counter(session.execute(select(Slot.job_seq)).scalars())
            running = Counter(session.execute(select(Job.seq).where(Job.actor == LIMITED, Job.state == State.RUNNING)).scalars())
        assert holders == running

    @invariant()
    def steps_wait_for_steps_that_have_not_ended(self) -> None:
        with self.database.read() as session:
            edges = session.execute(
                select(StoredEdge.after_seq, StoredEdge.outcome, Job.state).join(Job, Job.seq == StoredEdge.before_seq)
            ).all()
            waiting = session.execute(
                select(Job.seq, StoredStep.fate)
                .join(StoredStep, StoredStep.job_seq == Job.seq)
                .where(Job.state == State.SCHEDULED, StoredStep.released_at.is_(None))
            ).all()
        assert all(outcome is not None for _, outcome, state in edges if state in FINAL), "the end of a step was not noted"
        open_before = {after for after, outcome, _ in edges if outcome is None}
        for seq, fate in waiting:
            assert seq in open_before or fate is not None, "a step waits for nothing"

    @invariant()
    def groups_call_back_once(self) -> None:
        with self.database.read() as session:
            called = Counter(session.execute(select(Job.id).where(Job.actor == "called_back")).scalars())
            succeeded = set(session.execute(select(Job.id).where(Job.actor == "member", Job.state == State.SUCCEEDED)).scalars())
        due_calls = {self.members[group].callbacks[0].message.message_id for group, ids in self.groups.items() if succeeded >= set(ids)}
        assert called == Counter(due_calls)


def _run(database: Database, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        type("Machine", (Endings,), {"database": database}),
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, phases=[Phase.generate, Phase.shrink], database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.mark.long
def test_no_way_out_of_a_state_leaves_anything_behind(database: Database) -> None:
    _run(database, 6 if database.is_sqlite else 4, 40)


@pytest.mark.slow
def test_no_way_out_of_a_state_leaves_anything_behind_in_many_orders(database: Database) -> None:
    _run(database, 150 if database.is_sqlite else 50, 60)
