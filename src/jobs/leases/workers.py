"""Worker processes and their leases: register, heartbeat, and take over the jobs of a silent worker."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from ...settings import get_settings
from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.direct import Direct
from ...sql.statements import Batch, Single, plain, run
from ..core.fingerprints import of_lost_worker
from ..core.models import Job, Worker
from ..core.states import Outcome, State
from ..finish import ending
from ..read.queries import NOT_SUCCEEDED

#: how long rows of ended processes are kept
KEEP = timedelta(days=1)


def register(
    session: Session,
    *,
    name: str,
    host: str,
    pid: int,
    version: str,
    threads: int,
    queues: Sequence[str],
    actors: Sequence[str],
    recycled: str = "",
) -> int:
    """Insert the row of a starting worker process, with its lease, and return its id. `recycled`: why the one before it ended."""
    present = now()
    statement = insert(Worker).values(
        name=name, host=host, pid=pid, version=version, threads=threads, queues=sorted(queues), actors=sorted(actors),
        started_at=present, heartbeat_at=present, expires_at=present + timedelta(seconds=get_settings().lease_duration), busy=0, frontier={},
        recycled=recycled[:255] or None,
    )  # fmt: skip
    return int(session.execute(statement.returning(Worker.id)).scalar_one())


# Each worker renews its lease and asks for its jobs every two seconds: without a session, it takes a tenth of the CPU.
_HEARTBEAT = Single("""
    UPDATE workers SET heartbeat_at = @(:now), expires_at = @(:expires), busy = :busy, frontier = :frontier, memory_bytes = :memory, jobs_done = :done,
        refusals = :refusals
    WHERE id = :id AND lost_at IS NULL AND stopped_at IS NULL RETURNING id
""")
_LEASED = Single(f"SELECT seq, attempt FROM jobs WHERE worker_id = :id AND state = '{State.RUNNING}' AND started_at < @(:before)")


def heartbeat(
    session: Session | Direct,
    worker_id: int,
    *,
    busy: int,
    frontier: dict[str, int],
    jobs_done: int | None = None,
    memory_bytes: int | None = None,
    refusals: dict[str, str] | None = None,
) -> bool:
    """Renew the lease; `refusals`: RabbitMQ queues that the process cannot use, with reasons. False: its jobs were taken over meanwhile, and it must register again."""
    present = to_microseconds(now())
    return bool(
        _HEARTBEAT.fetch(
            session, id=worker_id, now=present, expires=present + int(get_settings().lease_duration * 1_000_000), busy=busy,
            frontier=json.dumps(frontier), memory=memory_bytes, done=jobs_done, refusals=json.dumps(refusals) if refusals else None,
        )
    )  # fmt: skip


def cancels_requested(session: Session, worker_id: int) -> list[int]:
    """Return the seqs of this worker's running jobs with a requested cancel."""
    statement = select(Job.seq).where(Job.worker_id == worker_id, Job.state == State.RUNNING, Job.cancel_requested)
    return list(session.execute(statement).scalars())


def leased_to(session: Session | Direct, worker_id: int, *, claimed_before: datetime) -> set[tuple[int, int]]:
    """Return the (seq, attempt) that, by the database, this worker has been running since before that instant."""
    return {(seq, attempt) for seq, attempt in _LEASED.fetch(session, id=worker_id, before=to_microseconds(claimed_before))}


def sign_off(session: Session, worker_id: int) -> None:
    """Record that the process has shut down gracefully and holds no jobs."""
    session.execute(update(Worker).where(Worker.id == worker_id).values(stopped_at=now(), expires_at=now(), busy=0))


def alive(session: Session) -> list[Worker]:
    """Return the worker processes with a valid lease, oldest first."""
    statement = select(Worker).where(Worker.expires_at > now(), Worker.lost_at.is_(None), Worker.stopped_at.is_(None)).order_by(Worker.id)
    return list(session.execute(statement).scalars())


def fleet(session: Session) -> list[Worker]:
    """Return the living workers with `busy` counted from the jobs now, not at the last heartbeat, so that pages showing both agree."""
    found = alive(session)
    held: dict[int | None, int] = {
        row.worker_id: row.number
        for row in session.execute(
            select(Job.worker_id, func.count().label("number")).where(NOT_SUCCEEDED, Job.state == State.RUNNING).group_by(Job.worker_id)
        )
    }
    for each in found:
        # Claimed jobs that wait for a thread count as running, too.
        set_committed_value(each, "busy", min(each.threads, held.get(each.id, 0)))
    return found


def served(workers: Iterable[Worker]) -> set[str]:
    """Return the queues that at least one of these workers consumes; a quiet worker consumes none."""
    return {queue for worker in workers if worker.wish is None for queue in worker.queues}


def refusals(session: Session, queues: Iterable[str]) -> list[str]:
    """Return why living workers cannot use these queues of RabbitMQ, in sentences."""
    wanted = {"", *queues}  # "": not about one queue
    return sorted({f"{each.name}: {why}" for each in alive(session) for queue, why in (each.refusals or {}).items() if queue in wanted})


def lost_lately(session: Session, *, since: datetime | None = None, until: datetime | None = None, limit: int = 20) -> list[Worker]:
    """Return the worker processes lost within a range, latest first; by default within the last day."""
    lost = Worker.lost_at.between(since or now() - KEEP, until or now())
    return list(session.execute(select(Worker).where(lost).order_by(Worker.lost_at.desc()).limit(limit)).scalars())


def overdue(session: Session) -> list[Worker]:
    """Return the worker processes whose lease has expired and that are not marked lost yet."""
    statement = select(Worker).where(Worker.expires_at <= now(), Worker.lost_at.is_(None), Worker.stopped_at.is_(None)).order_by(Worker.id)
    return list(session.execute(statement).scalars())


def is_on_record(since: datetime) -> bool:
    """True if the processes that ended since then still have their rows. A range of a day began a moment ago."""
    return since > now() - KEEP - timedelta(minutes=1)


def forget_old(session: Session) -> None:
    """Delete the rows of workers that ended long ago and hold no job."""
    held = select(Job.worker_id).where(Job.state == State.RUNNING, Job.worker_id.is_not(None))
    session.execute(delete(Worker).where(Worker.expires_at < now() - KEEP, Worker.id.not_in(held)))


# Includes jobs of workers already marked lost: one claimed at that moment must not be left behind.
_SILENT = plain("""
    UPDATE workers SET lost_at = @(:now) WHERE lost_at IS NULL AND stopped_at IS NULL AND expires_at <= @(:silent_since) RETURNING id
""")
_ORPHANS = Single(f"""
    SELECT jobs.seq, jobs.attempt, jobs.crashes, jobs.cancel_requested, #(jobs.started_at), coalesce(workers.name, 'unknown'), jobs.actor, jobs.worker_id FROM jobs
    LEFT JOIN workers ON workers.id = jobs.worker_id
    WHERE jobs.state <> '{State.SUCCEEDED}' AND jobs.state = '{State.RUNNING}' AND (workers.id IS NULL OR workers.lost_at IS NOT NULL OR workers.stopped_at IS NOT NULL)
        AND (jobs.crashes + 1 < :max_crashes OR jobs.cancel_requested OR workers.id IS NULL OR workers.id = :known OR workers.expires_at <= @(:dead_since))
    ORDER BY jobs.seq LIMIT 1000
""")
#: leases without a heartbeat until a silent worker counts as dead for a final decision about a job: before, it may only have been stalled,
#: and come back
DEAD_AFTER_LEASES = 5


_LAPSED = Single("SELECT id FROM workers WHERE lost_at IS NULL AND stopped_at IS NULL AND expires_at <= @(:now) LIMIT 1")


def silent(session: Session | Direct, *, thorough: bool = True) -> bool:
    """True if a lease has expired, or, if `thorough`, a job's worker is gone. A check without a lock."""
    if _LAPSED.fetch(session, now=to_microseconds(now())):
        return True
    return thorough and bool(_orphans(session, None))


def take_over(session: Session, *, grace: timedelta = timedelta(0)) -> int:
    """Take over the jobs of every worker whose lease expired more than `grace` ago; return their number.

    Each gets a record of its lost attempt; it is queued again at once, or dead if it has crashed too many workers.
    """
    run(session, _SILENT, now=to_microseconds(now()), silent_since=to_microseconds(now() - grace))
    return _give_away(session, None)


@dataclass(frozen=True, slots=True)
class Death:
    """Death report by a worker's watchdog: `how` it ended, and the (job seq, attempt) in its threads; `excuse` for the others."""

    worker_id: int
    how: str
    started: frozenset[tuple[int, int]]
    excuse: str = "this job was in no thread of it"


_AMEND = Batch(
    {"seq": "bigint", "attempt": "int"},
    f"""
    UPDATE attempts SET error = :error FROM {{rows}}
    WHERE attempts.job_seq = d.seq AND attempts.number = d.attempt AND attempts.outcome = '{Outcome.LOST}' RETURNING attempts.job_seq
    """,
)


def report_death(session: Session, death: Death) -> int:
    """Take over the jobs of a worker that is known to be dead, without waiting for its lease; return their number.

    Only attempts in its threads count as crashes. If a relay was faster, add the cause of death to their record.
    """
    present = now()
    alive = Worker.id == death.worker_id, Worker.lost_at.is_(None), Worker.stopped_at.is_(None)
    session.execute(update(Worker).where(*alive).values(lost_at=present, expires_at=present, busy=0))
    name = session.execute(select(Worker.name).where(Worker.id == death.worker_id)).scalar()
    _AMEND.execute(session, sorted(death.started), error=f"its worker {name} {death.how}")
    return _give_away(session, death)


_ACQUIT = Batch(
    {"seq": "bigint", "attempt": "int"},
    f"""
    UPDATE attempts SET error = :error FROM {{rows}}
    WHERE attempts.job_seq = d.seq AND attempts.number = d.attempt AND attempts.outcome = '{Outcome.LOST}' AND attempts.worker = :worker
        AND attempts.error LIKE :lapsed
    RETURNING attempts.job_seq
    """,
)
_UNCOUNT = Batch(
    {"seq": "bigint"},
    "UPDATE jobs SET crashes = jobs.crashes - 1 FROM {rows} WHERE jobs.seq = d.seq AND jobs.crashes > 0 RETURNING jobs.seq",
)
SURVIVED = "was silent for longer than its lease, and lives"


def survived(session: Session, worker_id: int, held: Iterable[tuple[int, int]]) -> int:
    """Record that a worker with an expired lease is alive: take over its jobs without counting crashes.

    `held`: its (job seq, attempt); those taken over before are acquitted. Returns the number of jobs.
    """
    name = session.execute(select(Worker.name).where(Worker.id == worker_id)).scalar()
    if name is None:
        return 0
    given = _give_away(session, Death(worker_id, SURVIVED, frozenset(), excuse="not counted as a crash"))
    return given + acquit(session, name, held)


def acquit(session: Session, worker: str, attempts: Iterable[tuple[int, int]]) -> int:
    """Take back the crashes of these (job seq, attempt), taken over because this worker was silent; return their number."""
    rows = sorted(attempts)
    if not rows:
        return 0
    error = f"its worker {worker} {SURVIVED}; not counted as a crash"
    acquitted = [seq for (seq,) in _ACQUIT.execute(session, rows, worker=worker, lapsed="% was lost (%", error=error)]
    if acquitted:
        _UNCOUNT.execute(session, [(seq,) for seq in sorted(acquitted)])
    return len(acquitted)


class _Orphan(NamedTuple):
    """A row of _ORPHANS: a running job whose worker is gone."""

    seq: int
    attempt: int
    crashes: int
    cancel_requested: bool
    started_us: int | None
    worker: str
    actor: str
    worker_id: int | None


def _orphans(session: Session | Direct, death: Death | None) -> list[_Orphan]:
    certain = now() - timedelta(seconds=get_settings().lease_duration * (DEAD_AFTER_LEASES - 1))
    rows = _ORPHANS.fetch(
        session,
        max_crashes=get_settings().max_crashes,
        known=death.worker_id if death is not None else 0,
        dead_since=to_microseconds(certain),
    )
    return [_Orphan(*row) for row in rows]


def _give_away(session: Session, death: Death | None) -> int:
    orphans = _orphans(session, death)
    if not orphans:
        return 0
    return ending.lose(
        session, [_lost(each, death if death is not None and each.worker_id == death.worker_id else None) for each in orphans]
    )


def _lost(orphan: _Orphan, death: Death | None) -> ending.Loss:
    crashes, limit = orphan.crashes + 1, get_settings().max_crashes
    if death is not None and (orphan.seq, orphan.attempt) not in death.started:
        state = State.CANCELLED if orphan.cancel_requested else State.QUEUED
        reason, counted = f"its worker {orphan.worker} {death.how}; {death.excuse}", 0
    else:
        state = State.CANCELLED if orphan.cancel_requested else State.DEAD if crashes >= limit else State.QUEUED
        reason, counted = f"its worker {orphan.worker} {'was lost' if death is None else death.how} ({crashes}/{limit})", 1
    fingerprint = of_lost_worker().id
    return ending.Loss(
        orphan.seq, orphan.attempt, state.value, reason, state.is_final, counted, orphan.worker, orphan.started_us, fingerprint
    )
