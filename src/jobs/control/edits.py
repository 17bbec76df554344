"""Editing a job: its arguments, due time, expiry or priority. The row alone determines the next run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ... import audit
from ...settings import get_settings
from ...sql.clock import now
from ..core.envelopes import dumps
from ..core.errors import JobsError, NotAllowed, UnknownJob
from ..core.models import Job
from ..core.states import State
from ..core.workflow_models import StoredStep
from ..finish import ending
from ..limits import fair_queueing
from ..options.job_options import FIELDS, Place, options_at, refuse_early_expiry
from ..search import texts
from ..submit import defaults, periods, stand_ins
from . import actions

#: states in which a job can be edited
EDITABLE = (State.SCHEDULED, State.QUEUED, State.RETRYING, State.HELD)
#: fields of the options that an edit may change
_FIELDS = list(dict.fromkeys(option.field for option in options_at(Place.EDIT)))


@dataclass(frozen=True, slots=True)
class Edit:
    """Fields to change; None leaves a field unchanged. `args` and `kwargs` go together and have been validated by the caller."""

    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    priority: int | None = None


def edit(session: Session, id: str, change: Edit) -> Job:
    """Edit a waiting job; its actor's own expiry moves with its instant. If it has started meanwhile, NotAllowed is raised."""
    values = _values(change)
    if (change.due_at is not None or takes_arguments(change)) and (step := _waiting_step(session, id)) is not None:
        if change.due_at is not None:
            raise NotAllowed("the job is a step whose turn has not come: it is due when the steps before it have ended")
        if step.takes_results:
            raise NotAllowed("the job is a step whose arguments are results of the steps before it: they cannot be changed")
    if change.due_at is not None or takes_arguments(change):
        stand_ins.refuse_early_start(session, id)
    states = [*EDITABLE]
    if change.due_at is not None:
        states.remove(State.HELD)  # a held job does not wait for time
    values |= _moved_expiry(session, id, states, change)
    if change.due_at is not None and change.due_at > now():
        # A queued job returns to waiting; the copy of its message in RabbitMQ will start nothing.
        ending.postpone(session, id)
        return _required(session, id, [State.SCHEDULED, State.RETRYING], values)
    if change.priority is not None:
        # Published again, to the queue of its new priority; of the two messages the first claim wins.
        moved = _update(session, id, [State.QUEUED], publish_at=now(), **values)
        if moved is not None:
            return moved
    return _required(session, id, states, values)


def revise(session: Session, id: str, attempt: int, change: Edit) -> None:
    """Change the row of a running attempt, so that its retry starts with other values; one that has ended stays unchanged.

    Its keys stay: another job may have those of the new arguments, and the attempt could not be retried.
    """
    _update(session, id, [State.RUNNING], Job.attempt == attempt, keeps_keys=True, **_values(change))


def takes_results(session: Session, id: str) -> bool:
    """True if the job's arguments depend on results of earlier steps."""
    step = _waiting_step(session, id)
    return step is not None and step.takes_results


def takes_arguments(change: Edit) -> bool:
    """True if the edit replaces the arguments."""
    return change.args is not None or change.kwargs is not None


def _values(change: Edit) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if takes_arguments(change):
        try:
            texts = {"args": dumps(list(change.args or ())), "kwargs": dumps(dict(change.kwargs or {}))}
        except (TypeError, ValueError) as error:
            raise JobsError(f"the arguments cannot be written as JSON ({error})", field="args") from None
        values |= {name: json.loads(text) for name, text in texts.items()}
        size = sum(map(len, texts.values()))
        if size > get_settings().max_message_bytes:
            raise JobsError(f"the arguments are {size} bytes of JSON; at most {get_settings().max_message_bytes} are kept", field="args")
    for name in _FIELDS:
        value = getattr(change, name)
        if value is not None:
            values[name] = FIELDS[name].kind.check(name, value)
    if change.due_at is not None:
        values |= {"reason": None, "waits_for": None, "slot_at": None}
    if not values:
        raise JobsError(f"nothing to change: give args, {', '.join(_FIELDS[:-1])} or {_FIELDS[-1]}", field="args")
    return values


def _moved_expiry(session: Session, id: str, states: Sequence[State], change: Edit) -> dict[str, Any]:
    """Return the actor's own expiry, counted from the edited instant, if the job, locked now, has it.

    Raises JobsError if the job would expire before it can start.
    """
    if change.due_at is None and change.expires_at is None:
        return {}
    columns = (Job.actor, Job.state, Job.created_at, Job.due_at, Job.expires_at, Job.waits_for)
    job = session.execute(select(*columns).where(Job.id == id, Job.state.in_(states)).with_for_update()).first()
    if job is None:  # the update refuses it
        return {}
    due_at = change.due_at
    if due_at is None and job.waits_for is None and job.state in (State.SCHEDULED, State.RETRYING):
        due_at = job.due_at
    period = defaults.of(job.actor or "").expires_after
    if (
        change.expires_at is None
        and period is not None
        and job.expires_at in (job.created_at + period, (job.due_at or job.created_at) + period)
    ):
        return {"expires_at": max(due_at or now(), now()) + period}
    refuse_early_expiry(due_at, change.expires_at or job.expires_at)
    return {}


def _waiting_step(session: Session, id: str) -> StoredStep | None:
    """Return the job's step if its turn has not come."""
    statement = select(StoredStep).join(Job, Job.seq == StoredStep.job_seq).where(Job.id == id, StoredStep.released_at.is_(None))
    return session.execute(statement).scalars().first()


def _required(session: Session, id: str, states: Sequence[State], values: dict[str, Any]) -> Job:
    job = _update(session, id, states, **values)
    if job is not None:
        return job
    found = session.execute(select(Job.state).where(Job.id == id)).scalar()
    if found is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    raise NotAllowed(f"the job is {found}: only one that waits can be changed")


def _new_keys(session: Session, which: Sequence[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that the actor computes from new arguments, where the job, locked now, has those of the old ones.

    Its old key would keep out jobs that do other work. Raises NotAllowed if another job has its new key for a period.
    """
    columns = (Job.id, Job.actor, Job.queue, Job.args, Job.kwargs, Job.unique_key, Job.fair_key, Job.waits_for)
    job = session.execute(select(*columns).where(*which).with_for_update()).first()
    if job is None or job.actor is None:
        return {}
    try:
        old = defaults.keys(job.actor, job.queue, job.args, job.kwargs)
    except JobsError:  # arguments that do not fit have no key
        return {}
    new = defaults.keys(job.actor, job.queue, values["args"], values["kwargs"])
    found: dict[str, Any] = {name: new.get(name) for name in old | new if getattr(job, name) == old.get(name)}
    fair = found.get("fair_key")
    if fair is not None and "fair_key" in old and job.waits_for == fair_queueing.waits_for(job.queue, old["fair_key"]):
        turn = {"waits_for": fair_queueing.waits_for(job.queue, fair), "reason": fair_queueing.reason(fair)}
        found |= {name: value for name, value in turn.items() if name not in values}
    if job.unique_key is None:
        # Its key is unique for a period, which begins with a submission, or has been freed.
        if defaults.of(job.actor).options.unique_for is not None:
            found.pop("unique_key", None)
        if "unique_key" in old and "unique_key" in new:
            periods.exchange(session, job.id, old["unique_key"], new["unique_key"])
        elif "unique_key" in old:
            periods.give_back(session, old["unique_key"], job.id)
    return found


def _update(session: Session, id: str, states: Sequence[State], *conditions: Any, keeps_keys: bool = False, **values: Any) -> Job | None:
    which = (Job.id == id, Job.state.in_(states), *conditions)
    if "args" in values and not keeps_keys:
        values |= _new_keys(session, which, values)
    statement = update(Job).where(*which).values(**values).returning(Job)
    try:
        with session.begin_nested():
            job = session.execute(statement.execution_options(synchronize_session=False, populate_existing=True)).scalars().first()
    except IntegrityError:
        raise actions.key_taken(session, values.get("unique_key")) from None
    if job is not None:
        if not {"args", "kwargs"}.isdisjoint(values):
            texts.rewrite(session, [job.seq])
        audit.about("job", job.id, actor=job.actor, changed=sorted({"args", "kwargs", *_FIELDS} & values.keys()))
    return job
