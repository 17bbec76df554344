"""Steps of a workflow: decide in the commit that ends a step which waiting steps continue; called by src/jobs/finish/ending.py.

Callers must hold the `lock` of the workflows, taken before any job row is written. So of two concurrent ends the later
one sees the earlier one, and they cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...sql.statements import Batch, is_sqlite
from ..core.models import Job
from ..core.states import FINAL, State, listed, require
from ..core.workflow_models import End, Fate, OnDead, StoredStep, StoredWorkflow, When
from .release import release

#: prefix of the `waits_for` of a waiting step, followed by the workflow's id
WAITS_FOR = "workflow:"


def lock(session: Session, workflows: Collection[int]) -> None:
    """Lock these workflows (seqs), so that one transaction at a time moves their steps; SQLite has a single writer anyway."""
    if workflows and not is_sqlite(session):
        statement = select(StoredWorkflow.seq).where(StoredWorkflow.seq.in_(workflows))
        session.execute(statement.order_by(StoredWorkflow.seq).with_for_update()).all()


def lock_of(session: Session, seqs: Collection[int]) -> None:
    """`lock` the workflows that these jobs are steps of, if any."""
    if seqs and not is_sqlite(session):
        of_jobs = select(Job.workflow_seq).where(Job.seq.in_(seqs), Job.workflow_seq.is_not(None))
        statement = select(StoredWorkflow.seq).where(StoredWorkflow.seq.in_(of_jobs))
        session.execute(statement.order_by(StoredWorkflow.seq).with_for_update()).all()


def lock_step(session: Session, id: str) -> int | None:
    """`lock` the workflow of a job before its row is written; return the job's seq if it is a step of one."""
    found = session.execute(select(Job.seq, Job.workflow_seq).where(Job.id == id)).first()
    if found is None or found.workflow_seq is None:
        return None
    lock(session, [found.workflow_seq])
    return int(found.seq)


def ends_of(session: Session, seqs: Collection[int]) -> list[tuple[int, End]]:
    """Return the outcomes of these steps, for those that have ended."""
    if not seqs:
        return []
    statement = select(Job.seq, Job.state).where(Job.seq.in_(seqs), Job.workflow_seq.is_not(None), Job.state.in_(FINAL))
    return [(seq, End.SUCCEEDED if state is State.SUCCEEDED else End.FAILED) for seq, state in session.execute(statement)]


def mark(session: Session, ends: Sequence[tuple[int, End]]) -> set[int]:
    """Write outcomes on the edges; return the steps behind them. Idempotent."""
    return _seqs(_MARK.execute(session, [(seq, end.value) for seq, end in sorted(ends)]))


def reopen(session: Session, seqs: Collection[int]) -> set[int]:
    """Undo the failure of these steps; return the steps that wait again because of it."""
    behind: set[int] = set()
    reopened = _seqs(_REOPEN.execute(session, _rows(seqs)))
    while reopened:
        behind |= reopened
        restored = _seqs(_RESTORE.execute(session, _rows(reopened)))
        _FORGET_FATE.execute(session, _rows(restored))
        reopened = _seqs(_REOPEN.execute(session, _rows(restored))) if restored else set()
    return behind


def bring_back(session: Session, seq: int) -> bool:
    """Let a step wait again that was cancelled or expired before its turn came; False: its turn had come."""
    if not _seqs(_BRING_BACK.execute(session, [(seq,)])):
        return False
    _FORGET_FATE.execute(session, [(seq,)])
    return True


def is_unreleased(session: Session, seq: int) -> bool:
    """True for a step whose turn has not come yet."""
    statement = select(StoredStep.job_seq).where(StoredStep.job_seq == seq, StoredStep.released_at.is_(None))
    return session.execute(statement).first() is not None


class _Waiting(NamedTuple):
    """A step whose turn has not come, and the states of the steps before it."""

    seq: int
    runs_on: When
    on_dead: OnDead
    fate: Fate | None
    has_open: bool
    has_failed: bool
    has_not_needed: bool
    culprit: int | None  # the first step before it that failed or is blocked

    @property
    def turn(self) -> Fate | State | None:
        """QUEUED: its turn has come. A fate: it will not come. None: it keeps waiting."""
        if self.runs_on is When.SUCCESS and self.has_not_needed:
            return Fate.NOT_NEEDED
        if self.runs_on is When.SUCCESS and self.has_failed:
            return Fate.BLOCKED if self.on_dead is OnDead.WAIT else Fate.CANCELLED
        if self.has_open:
            return None
        if self.runs_on is When.ERROR and not self.has_failed:
            return Fate.NOT_NEEDED
        return State.QUEUED


class Stop(NamedTuple):
    """A step that will not run as things stand: why, and the outcome that the steps behind it see."""

    seq: int
    fate: Fate | None  # None: it could not be started
    reason: str
    means: End

    @property
    def is_final(self) -> bool:
        """True if it is cancelled, not only blocked."""
        return self.fate is not Fate.BLOCKED


def advance(session: Session, seqs: Collection[int]) -> list[Stop]:
    """Release the steps among these that may start; return those that will not run."""
    if not seqs:
        return []
    waiting = [_as_waiting(row) for row in _WAITING.execute(session, _rows(seqs))]
    unstartable = release(session, [one.seq for one in waiting if one.turn is State.QUEUED])
    fates = [(one, turn) for one in waiting if isinstance(turn := one.turn, Fate) and turn is not one.fate]
    why = _reasons(session, [one.culprit for one, _ in fates if one.culprit is not None])
    texts = {
        Fate.BLOCKED: "blocked: {}",
        Fate.CANCELLED: "cancelled: {}",
        Fate.NOT_NEEDED: "not needed: the steps before it have ended otherwise",
    }
    means = {Fate.BLOCKED: End.BLOCKED, Fate.CANCELLED: End.FAILED, Fate.NOT_NEEDED: End.NOT_NEEDED}
    return [
        *(Stop(one.seq, fate, texts[fate].format(why.get(one.culprit or 0)), means[fate]) for one, fate in fates),
        *(Stop(seq, None, reason, End.FAILED) for seq, reason in unstartable),
    ]


def set_fates(session: Session, stops: Sequence[Stop]) -> None:
    """Record why these steps will not run."""
    rows = [(stop.seq, stop.fate.value) for stop in stops if stop.fate is not None]
    if rows:
        _SET_FATE.execute(session, rows)


def _as_waiting(row: Sequence[Any]) -> _Waiting:
    seq, runs_on, on_dead, fate, *flags, culprit = row
    has_open, has_failed, has_not_needed = map(bool, flags)
    return _Waiting(
        seq, When(runs_on), OnDead(on_dead), None if fate is None else Fate(fate), has_open, has_failed, has_not_needed, culprit
    )


def _reasons(session: Session, culprits: Collection[int]) -> dict[int, str]:
    """Return why the steps behind these are blocked; the reason always names the step that failed first."""
    if not culprits:
        return {}
    statement = select(Job.seq, Job.state, Job.reason, StoredStep.name, StoredStep.fate).join(StoredStep, StoredStep.job_seq == Job.seq)
    return {
        row.seq: (row.reason or "").partition(": ")[2] if row.fate in (Fate.BLOCKED, Fate.CANCELLED) else f"step {row.name} is {row.state}"
        for row in session.execute(statement.where(Job.seq.in_(culprits)))
    }


def _rows(seqs: Collection[int]) -> list[tuple[int]]:
    return [(seq,) for seq in sorted(seqs)]


def _seqs(rows: Sequence[Any]) -> set[int]:
    return {seq for (seq,) in rows}


#: outcomes that a retry of the step may still change
_UNMET = listed(End.FAILED, End.BLOCKED)

_MARK = Batch(
    {"seq": "bigint", "outcome": "text"},
    """
    UPDATE workflow_edges SET outcome = d.outcome FROM {rows}
    WHERE workflow_edges.before_seq = d.seq AND workflow_edges.outcome IS NULL RETURNING workflow_edges.after_seq
    """,
)
_REOPEN = Batch(
    {"seq": "bigint"},
    f"""
    UPDATE workflow_edges SET outcome = NULL FROM {{rows}}
    WHERE workflow_edges.before_seq = d.seq AND workflow_edges.outcome IN {_UNMET} RETURNING workflow_edges.after_seq
    """,
)


def _any(outcome: str) -> str:
    return f"EXISTS (SELECT 1 FROM workflow_edges e WHERE e.after_seq = d.seq AND e.outcome {outcome})"


_WAITING = Batch(
    {"seq": "bigint"},
    f"""
    SELECT d.seq, s.runs_on, w.on_dead, s.fate, {_any("IS NULL")}, {_any(f"IN {_UNMET}")}, {_any(f"= '{End.NOT_NEEDED}'")},
        (SELECT min(e.before_seq) FROM workflow_edges e WHERE e.after_seq = d.seq AND e.outcome IN {_UNMET})
    FROM {{rows}} JOIN workflow_steps s ON s.job_seq = d.seq JOIN workflows w ON w.seq = s.workflow_seq JOIN jobs j ON j.seq = d.seq
    WHERE s.released_at IS NULL AND j.state = '{State.SCHEDULED}' ORDER BY d.seq
    """,
)

_SET_FATE = Batch(
    {"seq": "bigint", "fate": "text"},
    "UPDATE workflow_steps SET fate = d.fate FROM {rows} WHERE workflow_steps.job_seq = d.seq RETURNING workflow_steps.job_seq",
)
_FORGET_FATE = Batch(
    {"seq": "bigint"},
    "UPDATE workflow_steps SET fate = NULL FROM {rows} WHERE workflow_steps.job_seq = d.seq RETURNING workflow_steps.job_seq",
)

require(State.CANCELLED, State.SCHEDULED)
require(State.EXPIRED, State.SCHEDULED)

_WAITING_AGAIN = f"""
    UPDATE jobs SET state = '{State.SCHEDULED}', reason = s.waits_text, finished_at = NULL, cancel_requested = false,
        waits_for = (SELECT '{WAITS_FOR}' || w.id FROM workflows w WHERE w.seq = s.workflow_seq)
"""
_RESTORE = Batch(
    {"seq": "bigint"},
    f"""
    {_WAITING_AGAIN} FROM {{rows}} JOIN workflow_steps s ON s.job_seq = d.seq
    WHERE jobs.seq = d.seq AND s.released_at IS NULL
      AND ((s.fate = '{Fate.BLOCKED}' AND jobs.state = '{State.SCHEDULED}') OR (s.fate = '{Fate.CANCELLED}' AND jobs.state = '{State.CANCELLED}'))
    RETURNING jobs.seq
    """,
)
_BRING_BACK = Batch(
    {"seq": "bigint"},
    f"""
    {_WAITING_AGAIN}, expires_at = NULL FROM {{rows}} JOIN workflow_steps s ON s.job_seq = d.seq
    WHERE jobs.seq = d.seq AND s.released_at IS NULL AND jobs.state IN {listed(State.CANCELLED, State.EXPIRED)} RETURNING jobs.seq
    """,
)
