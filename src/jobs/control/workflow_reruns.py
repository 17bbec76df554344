"""Re-run from a step: submit the step and all that follow it as a new workflow; results of other steps are filled in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from dramatiq import Message
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from ..core import placeholders
from ..core.errors import JobsError, NotAllowed
from ..core.models import Job
from ..core.states import State
from ..core.workflow_models import Fate, StoredEdge, StoredStep, StoredWorkflow, When
from ..options.job_options import lasting
from ..submit.requests import Submission
from ..submit.reruns import OWN_OPTIONS
from ..submit.submission import new_id
from ..workflows import release
from ..workflows.canvas import Workflow
from ..workflows.submission import WorkflowReceipt
from .workflows import locked


class _Member(NamedTuple):
    """A step with its job, and the names of the steps before it."""

    step: StoredStep
    job: Job
    before: tuple[str, ...]


def rerun(session: Session, id: str, name: str, *, by: str | None = None, key: str | None = None) -> WorkflowReceipt:
    """Submit a new workflow of this step and those that follow it; both workflows and their jobs remain. `key`: an idempotency key.

    Raises NotAllowed if one of them has not ended, or if a result that they need is missing.
    """
    seq = locked(session, id)
    stored = session.execute(select(StoredWorkflow).where(StoredWorkflow.seq == seq)).scalar_one()
    members = _members(session, seq)
    if name not in members:
        raise JobsError(f"There is no step {name!r} in this workflow.", field="step")
    chosen = _following(name, members)
    _require_ended(members, chosen)
    workflow = Workflow(stored.name, on_dead=stored.on_dead)
    earlier = {each: member.job.id for each, member in members.items() if each in chosen}
    for each in earlier:
        is_first = each == name
        member = members[each]
        inside = tuple(before for before in member.before if before in chosen)
        workflow.step(
            _submission(session, member, chosen, by),
            name=each,
            after=inside,
            when=When.SUCCESS if is_first else _condition(each, members, chosen),
            delay=None,
        )
    receipt = workflow.submit(session, submitted_by=by, idempotency_key=key)
    if receipt.created:
        linking = update(Job).where(Job.id == bindparam("new")).values(rerun_of=bindparam("old"))
        rows = [{"new": job, "old": earlier[step]} for step, job in receipt.jobs.items()]
        session.connection().execute(linking, rows)
    return receipt


def _members(session: Session, workflow_seq: int) -> dict[str, _Member]:
    """Return the steps by name, in the order in which they were built."""
    statement = select(StoredStep, Job).join(Job, Job.seq == StoredStep.job_seq).where(StoredStep.workflow_seq == workflow_seq)
    rows = session.execute(statement.order_by(StoredStep.job_seq).execution_options(populate_existing=True)).all()
    names = {step.job_seq: step.name for step, _ in rows}
    edges = select(StoredEdge.before_seq, StoredEdge.after_seq).join(StoredStep, StoredStep.job_seq == StoredEdge.after_seq)
    before: dict[int, list[str]] = {}
    for first, second in session.execute(edges.where(StoredStep.workflow_seq == workflow_seq).order_by(StoredEdge.before_seq)):
        if first not in names:
            raise NotAllowed(f"a step before {names.get(second, 'it')} has been deleted: its result is gone")
        before.setdefault(second, []).append(names[first])
    return {step.name: _Member(step, job, tuple(before.get(step.job_seq, ()))) for step, job in rows}


def _following(name: str, members: Mapping[str, _Member]) -> set[str]:
    """Return this step and all that follow it. Steps come after those before them, so one pass suffices."""
    chosen = {name}
    for each, member in members.items():
        if chosen.intersection(member.before):
            chosen.add(each)
    return chosen


def _require_ended(members: Mapping[str, _Member], chosen: Collection[str]) -> None:
    for each, (step, job, before) in members.items():
        if each not in chosen:
            continue
        if not job.state.is_final and step.fate is not Fate.BLOCKED:
            raise NotAllowed(f"step {each} is {job.state}: cancel the workflow, or wait until the step has ended")
        for other in before:
            if other not in chosen and not members[other].job.state.is_final:
                raise NotAllowed(f"step {other}, which comes before {each}, is {members[other].job.state}: it has to end first")


def _condition(name: str, members: Mapping[str, _Member], chosen: Collection[str]) -> When:
    """Return the condition of a step on the chosen ones before it, given how the others ended."""
    step, _, before = members[name]
    failed = [other for other in before if other not in chosen and members[other].job.state is not State.SUCCEEDED]
    if step.runs_on is When.SUCCESS and failed:
        raise NotAllowed(f"step {name} also waits for {failed[0]}, which is {members[failed[0]].job.state}: retry that one first")
    return When.ALWAYS if step.runs_on is When.ERROR and failed else step.runs_on


def _submission(session: Session, member: _Member, chosen: Collection[str], by: str | None) -> Submission:
    step, job, before = member
    outside = [other for other in before if other not in chosen]
    args, kwargs = _arguments(step, job)
    if step.takes_results and outside:
        known = {name: each for name, each in release.outcomes(session, [step.job_seq])[step.job_seq].items() if name in outside}
        args, kwargs = _filled(step.name, [args, kwargs], known)
    options = {name: value for name, value in (job.options or {}).items() if name not in OWN_OPTIONS}
    message: Message[Any] = Message(job.queue, job.actor or "", tuple(args), dict(kwargs), options, message_id=new_id())
    return Submission(message, submitted_by=by, **lasting(job))


def _arguments(step: StoredStep, job: Job) -> Sequence[Any]:
    """Return the arguments with placeholders, as they were submitted."""
    if job.actor is None or job.body is not None:
        raise NotAllowed(f"step {step.name} is not a valid message")
    if not step.takes_results or step.released_at is None:
        return job.args, job.kwargs
    if step.template is None:
        raise NotAllowed(f"step {step.name} was submitted by an earlier release, which did not keep its arguments: re-run its job instead")
    args, kwargs = step.template
    return args, kwargs


def _filled(name: str, arguments: list[Any], known: Mapping[str, Mapping[str, Any]]) -> Sequence[Any]:
    """Return the arguments with the results of the steps that are not run again."""
    for other in set(placeholders.names(arguments)) & known.keys():
        result = known[other]["result"]
        if isinstance(result, release.Unusable):
            raise NotAllowed(f"step {name} cannot be run again: {result.why}")
        if placeholders.occur(result):
            raise NotAllowed(f"step {name} cannot be run again: the result of {other} looks like a placeholder")
    args, kwargs = placeholders.resolve_some(arguments, known)
    return args, kwargs
