"""Release of a step: fill its arguments with results and queue its job, in one commit."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from ...settings import get_settings
from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.statements import Batch
from ..core import placeholders
from ..core.envelopes import announce, dumps, encode
from ..core.states import State, require
from ..core.workflow_models import StoredStep
from ..files import result_files
from ..search import texts


def release(session: Session, seqs: Collection[int]) -> list[tuple[int, str]]:
    """Queue these waiting steps, or set their due time; return (seq, reason) of those whose arguments cannot be stored."""
    if not seqs:
        return []
    present_us = to_microseconds(now())
    rows: list[tuple[Any, ...]] = []
    unstartable: list[tuple[int, str]] = []
    steps = _READY.named(session, [(seq,) for seq in sorted(seqs)])
    found = outcomes(session, [step.seq for step in steps if step.takes_results])
    for step in steps:
        filled: tuple[str | None, str | None] = (None, None)
        if step.takes_results:
            try:
                filled = _filled(step.args, step.kwargs, found[step.seq])
            except (ValueError, KeyError) as error:
                unstartable.append((step.seq, f"its arguments cannot be kept: {error}"))
                continue
        due_us = max(present_us + (step.delay_ms or 0) * 1000, step.not_before_us or 0)
        expires_us = None if step.expires_ms is None else due_us + step.expires_ms * 1000
        rows.append((step.seq, *filled, due_us if due_us > present_us else None, expires_us))
    if rows:
        grace = timedelta(seconds=get_settings().publish_grace)
        queued = _RELEASE.named(session, rows, publish_at=to_microseconds(now() + grace))
        seqs_released = [seq for seq, *_ in queued]
        session.execute(
            update(StoredStep)
            .where(StoredStep.job_seq.in_(seqs_released))
            .values(released_at=now(), fate=None)
            .execution_options(synchronize_session=False)
        )
        texts.rewrite(session, [seq for seq, args, *_ in rows if args is not None])
        announce(session, [_envelope(row) for row in sorted(queued) if row.state == State.QUEUED])
    return unstartable


def outcomes(session: Session, seqs: Collection[int]) -> dict[int, dict[str, dict[str, Any]]]:
    """Map each step to the outcomes of the steps before it, by name."""
    found: dict[int, dict[str, dict[str, Any]]] = {seq: {} for seq in seqs}
    if seqs:
        for row in _BEFORE.named(session, [(seq,) for seq in seqs]):
            found[row.after_seq][row.name] = {
                "step": row.name,
                "id": row.id,
                "actor": row.actor,
                "state": row.state,
                "result": _result(row),
                "error": row.error,
                "reason": row.reason,
            }
    return found


class Unusable:
    """Placeholder for a result that is unavailable, so that only a step that uses it is rejected; `why` gives the reason."""

    def __init__(self, why: str) -> None:
        self.why = why


def _result(row: Any) -> Any:
    if row.result_file is None:
        return None if row.result is None else json.loads(row.result)
    limit = get_settings().max_message_bytes
    if row.result_bytes > limit:
        return Unusable(f"the result of step {row.name} is {row.result_bytes} bytes of JSON, more than {limit}: return ids or paths")
    try:
        return json.loads(result_files.read(row.result_file))
    except result_files.ResultNotHere as error:
        return Unusable(str(error))


def _filled(args: str, kwargs: str, outcomes: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """Return the arguments' JSON with results in place of placeholders; raises ValueError if they cannot be stored."""
    try:
        filled = dumps(placeholders.resolve(json.loads(args), outcomes)), dumps(placeholders.resolve(json.loads(kwargs), outcomes))
    except TypeError:  # all usable values came from JSON
        raise ValueError("; ".join(each["result"].why for each in outcomes.values() if isinstance(each["result"], Unusable))) from None
    size, limit = len(filled[0]) + len(filled[1]), get_settings().max_message_bytes
    if size > limit:
        raise ValueError(f"with the results of the steps before it they are {size} bytes of JSON, more than {limit}: return ids or paths")
    return filled


def _envelope(row: Any) -> Any:
    return encode(
        seq=row.seq, id=row.id, attempt=row.attempt + 1, queue=row.queue, actor=row.actor, priority=row.priority, args=row.args, kwargs=row.kwargs,
        options=row.options, created_at_ms=row.created_us // 1000,
    )  # fmt: skip


_READY = Batch(
    {"seq": "bigint"},
    """
    SELECT d.seq AS seq, s.takes_results, s.delay_ms, #(s.not_before) AS not_before_us, s.expires_ms,
        CASE WHEN s.takes_results THEN j.args END AS args, CASE WHEN s.takes_results THEN j.kwargs END AS kwargs
    FROM {rows} JOIN workflow_steps s ON s.job_seq = d.seq JOIN jobs j ON j.seq = d.seq ORDER BY d.seq
    """,
)
_BEFORE = Batch(
    {"seq": "bigint"},
    """
    SELECT e.after_seq, s.name, j.id, j.actor, j.state, j.result, j.result_file, j.result_bytes, j.error, j.reason
    FROM {rows} JOIN workflow_edges e ON e.after_seq = d.seq
    JOIN workflow_steps s ON s.job_seq = e.before_seq JOIN jobs j ON j.seq = e.before_seq
    """,
)

require(State.SCHEDULED, State.QUEUED)

_RELEASE = Batch(
    {"seq": "bigint", "args": "text", "kwargs": "text", "due_us": "bigint", "expires_us": "bigint"},
    f"""
    UPDATE jobs SET state = CASE WHEN d.due_us IS NULL THEN '{State.QUEUED}' ELSE '{State.SCHEDULED}' END, reason = NULL, waits_for = NULL,
        args = coalesce(d.args, jobs.args), kwargs = coalesce(d.kwargs, jobs.kwargs), due_at = @(d.due_us),
        expires_at = coalesce(jobs.expires_at, @(d.expires_us)), published_at = NULL,
        publish_at = CASE WHEN d.due_us IS NULL THEN @(:publish_at) END
    FROM {{rows}} WHERE jobs.seq = d.seq AND jobs.state = '{State.SCHEDULED}'
    RETURNING jobs.seq, jobs.id, jobs.attempt, jobs.queue, jobs.actor, jobs.priority, jobs.args, jobs.kwargs, jobs.options,
        #(jobs.created_at) AS created_us, jobs.state
    """,
)
