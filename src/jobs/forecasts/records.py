"""Records of forecasts: written by samples, judged when their jobs have ended, read for calibration and the hit rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.statements import plain, run
from ...sql.upsert import upsert
from ..core.models import Job
from ..core.states import State, listed
from .calibration import Judged
from .model import Prediction
from .models import Forecast

#: newest judged forecasts of an actor that calibrate its next one, and those counted for the hit rate
CALIBRATING, COUNTED = 200, 5_000
#: open forecasts of an actor whose time may be over
OPEN = 200
#: forecasts judged in one transaction
AT_ONCE = 500
#: how long a forecast is kept, and how many at most
KEEP, KEEP_ROWS = timedelta(days=7), 50_000


@dataclass(frozen=True, slots=True)
class HitRate:
    """Number of judged forecasts, and of those whose jobs ended before their p90."""

    judged: int
    right: int

    @property
    def share(self) -> float | None:
        return self.right / self.judged if self.judged else None


_CALIBRATING = plain("""
    SELECT #(judged_at), fixed_us, raw_p50_us, raw_p90_us, took_us FROM forecasts
    WHERE actor = :actor AND asked_at >= @(:since) AND took_us IS NOT NULL ORDER BY asked_at DESC LIMIT :limit
""")
_OPEN = plain("""
    SELECT #(asked_at), fixed_us, raw_p50_us, raw_p90_us FROM forecasts WHERE actor = :actor AND asked_at >= @(:since) AND took_us IS NULL
    ORDER BY asked_at DESC LIMIT :limit
""")
_HITS = plain("""
    SELECT count(*), sum(CASE WHEN took_us <= p90_us THEN 1 ELSE 0 END) FROM (
        SELECT took_us, p90_us FROM forecasts WHERE actor = :actor AND took_us IS NOT NULL ORDER BY asked_at DESC LIMIT :limit
    ) AS newest
""")
_ENDED = f"""
    SELECT forecasts.job_seq FROM forecasts JOIN jobs ON jobs.seq = forecasts.job_seq
    WHERE forecasts.took_us IS NULL AND jobs.finished_at IS NOT NULL AND jobs.state IN {listed(State.SUCCEEDED, State.DEAD)}
    ORDER BY forecasts.asked_at LIMIT :limit
"""
_JUDGE = plain(f"""
    UPDATE forecasts SET judged_at = jobs.finished_at, took_us = #(jobs.finished_at) - #(forecasts.asked_at)
    FROM jobs WHERE jobs.seq = forecasts.job_seq AND forecasts.took_us IS NULL AND jobs.finished_at IS NOT NULL
        AND forecasts.job_seq IN ({_ENDED}) RETURNING forecasts.job_seq
""")
_VOID = plain(f"""
    DELETE FROM forecasts WHERE took_us IS NULL AND NOT EXISTS (
        SELECT 1 FROM jobs WHERE jobs.seq = forecasts.job_seq AND jobs.state NOT IN {listed(State.CANCELLED, State.EXPIRED, State.HELD)}
    ) RETURNING job_seq
""")


def record(session: Session, job: Job, asked_at: datetime, raw: Prediction, said: Prediction) -> None:
    """Write a forecast of a job's end; one per job and instant."""
    row = {
        "job_seq": job.seq, "asked_at": asked_at, "actor": job.actor or "", "fixed_us": _us(raw.fixed_s), "raw_p50_us": _us(raw.end_p50),
        "raw_p90_us": _us(raw.end_p90), "p90_us": _us(said.end_p90),
    }  # fmt: skip
    session.execute(upsert(session, Forecast).on_conflict_do_nothing(), [row])


def judge(session: Session, *, limit: int = AT_ONCE) -> int:
    """Compare forecasts with the ends of their jobs; return `limit` if more may be left, else 0."""
    return limit if len(run(session, _JUDGE, limit=limit)) >= limit else 0


def judged(session: Session, actor: str) -> list[Judged]:
    """Return what calibrates the next forecast of an actor: how its newest ones turned out."""
    present = now()
    common = {"actor": actor, "since": to_microseconds(present - KEEP)}
    present_us = to_microseconds(present)
    found = [
        Judged((present_us - at) / 1e6, (p50 - fixed) / 1e6, (p90 - fixed) / 1e6, max(0, took - fixed) / 1e6)
        for at, fixed, p50, p90, took in run(session, _CALIBRATING, **common, limit=CALIBRATING)
    ]
    for asked_at, fixed, p50, p90 in run(session, _OPEN, **common, limit=OPEN):
        so_far = present_us - asked_at - fixed
        if so_far > min(p50, p90) - fixed:
            found.append(Judged(0.0, (p50 - fixed) / 1e6, (p90 - fixed) / 1e6, so_far / 1e6, is_over=False))
    return found


def hit_rate(session: Session, actor: str) -> HitRate:
    """Count the newest judged forecasts of an actor, and those that were right."""
    [(judged, right)] = run(session, _HITS, actor=actor, limit=COUNTED)
    return HitRate(int(judged), int(right or 0))


def prune(session: Session) -> None:
    """Delete old forecasts, and those whose jobs were cancelled, have expired, are held or gone."""
    run(session, _VOID)
    beyond = session.execute(select(Forecast.asked_at).order_by(Forecast.asked_at.desc()).offset(KEEP_ROWS).limit(1)).scalar()
    oldest = now() - KEEP
    session.execute(delete(Forecast).where(Forecast.asked_at < (oldest if beyond is None else max(oldest, beyond))))


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
