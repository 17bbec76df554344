"""Earlier jobs: the receipt of a submission whose id, idempotency key or unique key another job has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from ..attempts.current_job import current_job
from ..core.errors import IdempotencyConflict
from ..core.models import NOT_ENDED, Job
from ..core.states import Source, State
from ..core.values import dumps
from ..options import message_options
from . import defaults, periods
from .requests import Receipt, Submission
from .row import row_of

#: idempotency keys that one statement looks up
AT_ONCE = 500


def known(
    session: Session, part: Sequence[tuple[Submission, dict[str, Any]]], present: datetime
) -> tuple[dict[str, Receipt], dict[str, str]]:
    """Take the keys that are unique for a period; return job id -> the receipt of an earlier job, and job id -> the key that it took."""
    earlier = _repeated(session, [row for _, row in part if None not in (row["unique_key"], row["idempotency_key"])], present)
    taken: dict[str, str] = {}
    for submission, row in part:
        id, key = row["id"], row["unique_key"]
        if key is None or id in earlier:
            continue
        period = submission.unique_for or defaults.of(submission.message.actor_name).options.unique_for
        if period is None:
            continue
        holder = periods.take(session, key, id, present=present, until=present + period)
        if holder is None:
            taken[id] = key
        else:
            earlier[id] = _stands_for(session, row, holder.job_id, present, until=holder.until)
        row["unique_key"] = None  # the period decides, not the job's state
    return earlier, taken


def met(session: Session, submission: Submission, row: dict[str, Any], present: datetime) -> Receipt | None:
    """Return the receipt of the job that has the id or a key of a submission; None: it has freed the key since.

    Raises IdempotencyConflict if the job of its id is not the same work.
    """
    same = [Job.id == row["id"]]
    if row["idempotency_key"] is not None:
        same.append(Job.idempotency_key == row["idempotency_key"])
    found = session.execute(select(Job).where(or_(*same)).order_by(Job.seq)).scalars().first()
    if found is not None:
        receipt = _same(found, row)
        if found.id == row["id"] and not _is_repetition(found, submission, row, present):
            raise IdempotencyConflict(
                f"job {found.id} of {found.actor} has this message's id already, which is that of one job: build a new message",
                field="message_id",
            )
        return receipt
    unique = select(Job.id).where(Job.unique_key == row["unique_key"], text(f"jobs.{NOT_ENDED}"))
    id = None if row["unique_key"] is None else session.execute(unique).scalar()
    return None if id is None else _stands_for(session, row, id, present)


def call_of_key(session: Session, key: str) -> tuple[str | None, Any, Any] | None:
    """Return the actor, args and kwargs of the job that has an idempotency key."""
    found = session.execute(select(Job.actor, Job.args, Job.kwargs).where(Job.idempotency_key == key)).first()
    return None if found is None else (found.actor, found.args, found.kwargs)


def _repeated(session: Session, rows: Sequence[dict[str, Any]], present: datetime) -> dict[str, Receipt]:
    """Return job id -> the receipt of a request that came before, by its idempotency key: its job, or the one of its unique key that it met."""
    found: dict[str, Receipt] = {}
    for start in range(0, len(rows), AT_ONCE):
        of_key = {row["idempotency_key"]: row for row in rows[start : start + AT_ONCE]}
        for job in session.execute(select(Job).where(Job.idempotency_key.in_(of_key))).scalars():
            row = of_key.pop(job.idempotency_key)
            found[row["id"]] = _same(job, row)
        for id, (other, is_same) in periods.remembered(session, of_key.values(), present=present).items():
            if not is_same:
                raise _conflict(other)
            found[id] = _receipt(session, other)
    return found


def _stands_for(session: Session, row: dict[str, Any], id: str, present: datetime, *, until: datetime | None = None) -> Receipt:
    """Return the receipt of a submission for which the job of its unique key stands."""
    if row["idempotency_key"] is not None:
        periods.remember(session, row, id, present=present)
    return replace(_receipt(session, id), unique_key=row["unique_key"], until=until)


def _receipt(session: Session, id: str) -> Receipt:
    state = session.execute(select(Job.state).where(Job.id == id)).scalar()
    return Receipt(id, state or State.SUCCEEDED, False)


def _same(found: Job, row: dict[str, Any]) -> Receipt:
    differs = [found.actor, dumps(found.args), dumps(found.kwargs)] != [row["actor"], row["args"], row["kwargs"]]
    if differs and row["idempotency_key"] is not None and found.idempotency_key == row["idempotency_key"]:
        raise _conflict(found.id)
    return Receipt(found.id, found.state, False)


def _is_repetition(found: Job, submission: Submission, row: dict[str, Any], present: datetime) -> bool:
    """False if a caller has sent the message of a job again for other work, or from that job: it would be lost silently."""
    if submission.source != Source.SEND or submission.workflow_seq is not None:
        return True  # a follow-up of a job that has run again, or a step, which has an error of its own
    if current_job.job is not None and current_job.job.id == found.id:
        return False
    if row["unique_key"] is not None and row["unique_key"] == found.unique_key and not found.state.is_final:
        return True  # the broker has given the message the id of that job
    stored = {name: dumps(getattr(found, name)) for name in ("args", "kwargs")}
    if _work(found.actor, found.queue, **stored, options=found.options) == _work_of(row):
        return True
    return _work_of(row_of(submission, present)) != _work_of(row)  # generated defaults, which differ each time


def _work_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return _work(row["actor"], row["queue"], args=row["args"], kwargs=row["kwargs"], options=json.loads(row["options"]))


def _work(*names: str | None, args: str, kwargs: str, options: dict[str, Any] | None) -> tuple[Any, ...]:
    return *names, args, kwargs, message_options.lasting(options or {})


def _conflict(id: str) -> IdempotencyConflict:
    return IdempotencyConflict(
        f"this idempotency key was used before for job {id} with other arguments: use a new key for a new job", field="Idempotency-Key"
    )
