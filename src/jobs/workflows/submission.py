"""Submission of a workflow: every step is a job's row from the start; those with dependencies wait as rows."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ...sql.upsert import upsert
from ..core.envelopes import dumps
from ..core.errors import IdempotencyConflict, JobsError
from ..core.models import Job
from ..core.workflow_models import OnDead, StoredEdge, StoredStep, StoredWorkflow, When
from ..submit import defaults
from ..submit.requests import Submission
from ..submit.row import NAME
from ..submit.submission import new_id, submit_many
from .steps import WAITS_FOR

#: names of earlier steps listed in a step's waiting reason
NAMED = 3


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One job with its dependencies. `after` names steps that precede it in the plan."""

    name: str
    submission: Submission
    after: tuple[str, ...] = ()
    when: When = When.SUCCESS
    delay: timedelta | None = None  # once its turn has come


@dataclass(frozen=True, slots=True)
class WorkflowReceipt:
    """Answer to a submitted workflow: its id, and each step's job id."""

    id: str
    jobs: dict[str, str] = field(default_factory=dict)
    created: bool = True  # False: its idempotency key matched an earlier one, whose id this is


def submit_plan(
    session: Session, name: str, steps: Sequence[PlannedStep], *, on_dead: OnDead = OnDead.WAIT, submitted_by: str | None = None,
    idempotency_key: str | None = None, may_be_empty: bool = False,
) -> WorkflowReceipt:  # fmt: skip
    """Insert all rows of a workflow in the caller's transaction; steps without dependencies are published when it commits.

    `may_be_empty`: a workflow of empty groups has no steps, and has succeeded.

    The same idempotency key again changes nothing and returns the first one; raises IdempotencyConflict for a different
    request.
    """
    if not steps and not may_be_empty:
        raise JobsError("a workflow needs at least one step", field="steps")
    if not NAME.fullmatch(name):
        raise JobsError(f"a workflow's name must be a text of 1 to 255 characters, not {name!r:.60}", field="name")
    id = new_id()
    fingerprint = None if idempotency_key is None else _fingerprint(name, steps, on_dead)
    insert_workflow = upsert(session, StoredWorkflow).values(
        id=id, name=name, on_dead=on_dead, submitted_by=submitted_by, created_at=now(), idempotency_key=idempotency_key, fingerprint=fingerprint
    )  # fmt: skip
    seq = session.execute(insert_workflow.on_conflict_do_nothing().returning(StoredWorkflow.seq)).scalar()
    if seq is None:
        return _earlier(session, idempotency_key, fingerprint)
    insert_steps(session, seq, id, steps, submitted_by=submitted_by)
    audit.about("workflow", id, name=name)
    return WorkflowReceipt(id, {step.name: step.submission.message.message_id for step in steps})


def insert_steps(session: Session, seq: int, id: str, steps: Sequence[PlannedStep], *, submitted_by: str | None = None) -> dict[str, int]:
    """Insert steps of the workflow `seq` with the id `id`; return the seqs of their jobs by name."""
    receipts = submit_many(session, [_as_submission(step, seq, f"{WAITS_FOR}{id}", submitted_by) for step in steps])
    for step, receipt in zip(steps, receipts, strict=True):
        if not receipt.created:
            raise JobsError(
                f"step {step.name} was submitted before, or its unique key is taken, as job {receipt.id}: build new messages", field="steps"
            )
    seqs = {found.id: found.seq for found in session.execute(select(Job.id, Job.seq).where(Job.workflow_seq == seq))}
    of_name = {step.name: seqs[step.submission.message.message_id] for step in steps}
    if steps:
        session.execute(insert(StoredStep), [_stored(step, seq, of_name[step.name]) for step in steps])
    edges = [{"after_seq": of_name[step.name], "before_seq": of_name[before], "outcome": None} for step in steps for before in step.after]
    if edges:
        session.execute(insert(StoredEdge), edges)
    return of_name


def _earlier(session: Session, idempotency_key: str | None, fingerprint: str | None) -> WorkflowReceipt:
    found = session.execute(select(StoredWorkflow).where(StoredWorkflow.idempotency_key == idempotency_key)).scalar_one()
    if found.fingerprint != fingerprint:
        raise IdempotencyConflict(
            f"this idempotency key was used before for workflow {found.id}, which is another: use a new key for a new workflow",
            field="Idempotency-Key",
        )
    steps = select(StoredStep.name, Job.id).join(Job, Job.seq == StoredStep.job_seq).where(StoredStep.workflow_seq == found.seq)
    jobs = dict(session.execute(steps.order_by(StoredStep.job_seq)).all())
    return WorkflowReceipt(found.id, jobs, created=False)


def _fingerprint(name: str, steps: Sequence[PlannedStep], on_dead: OnDead) -> str:
    """Hash a request: all its content, but no ids and no times relative to now."""
    asked = [
        (
            step.name, step.submission.message.actor_name, step.submission.message.queue_name, step.submission.message.args,
            step.submission.message.kwargs, step.after, step.when.value, None if step.delay is None else step.delay.total_seconds(),
        )
        for step in steps
    ]  # fmt: skip
    return hashlib.sha256(dumps([name, on_dead.value, asked]).encode()).hexdigest()


def _as_submission(step: PlannedStep, workflow_seq: int, waits_for: str, submitted_by: str | None) -> Submission:
    given = step.submission
    due_at = given.due_at
    if due_at is None and step.delay is not None and not step.after:
        due_at = now() + step.delay
    return dataclasses.replace(
        given,
        due_at=due_at,
        workflow_seq=workflow_seq,
        waits_for=waits_for if step.after else None,
        reason=_waits_text(step.after),
        submitted_by=given.submitted_by or submitted_by,
    )


def _stored(step: PlannedStep, workflow_seq: int, job_seq: int) -> dict[str, object]:
    given = step.submission
    expires_after = None if given.expires_at is not None else defaults.of(given.message.actor_name).expires_after
    return {
        "job_seq": job_seq,
        "workflow_seq": workflow_seq,
        "name": step.name,
        "runs_on": step.when,
        "takes_results": given.takes_results,
        "waits_text": _waits_text(step.after),
        "delay_ms": None if step.delay is None else step.delay // timedelta(milliseconds=1),
        "not_before": given.due_at,
        "expires_ms": None if expires_after is None or not step.after else expires_after // timedelta(milliseconds=1),
        "released_at": None if step.after else now(),
        "fate": None,
        "template": _template(given),
    }


def _template(given: Submission) -> list[Any] | None:
    """Return the arguments that a re-run starts from: the release of the step replaces them in its job."""
    if not given.takes_results:
        return None
    message = defaults.sealed(given.message)
    return [list(message.args), message.kwargs]


def _waits_text(after: Sequence[str]) -> str | None:
    if not after:
        return None
    listed = ", ".join(after[:NAMED])
    more = f" and {len(after) - NAMED} more" if len(after) > NAMED else ""
    return f"waits for step {listed}" if len(after) == 1 else f"waits for steps {listed}{more}"
