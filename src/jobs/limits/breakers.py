"""Circuit breakers: after N consecutive failures of a named kind an actor's jobs wait, and one probe runs at a time until one succeeds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.upsert import upsert
from .models import BreakerState
from .overrides import wake

#: default seconds between two probes
PROBE_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """Open after `failures` consecutive failed attempts that raised one of `on`; then one probe every `probe_every` milliseconds."""

    failures: int = 5
    on: tuple[type[BaseException], ...] = (Exception,)
    probe_every: int = int(PROBE_EVERY_S * 1000)


def waits_for(actor: str) -> str:
    """Return the `waits_for` of jobs while their actor's breaker is open."""
    return f"breaker:{actor}"[:255]


def states(session: Session, actors: Collection[str]) -> dict[str, BreakerState]:
    """Return the breakers of these actors that have counted a failure."""
    return {row.actor: row for row in session.execute(select(BreakerState).where(BreakerState.actor.in_(actors))).scalars()}


def listed(session: Session) -> list[BreakerState]:
    """Return all breakers with a failure since their actor's last success, open ones first."""
    statement = select(BreakerState).order_by(BreakerState.opened_at.is_(None), BreakerState.actor)
    return list(session.execute(statement).scalars())


def reset(session: Session, actor: str) -> int:
    """Close a breaker manually and forget its failures; return how many jobs waited for it."""
    session.execute(delete(BreakerState).where(BreakerState.actor == actor))
    return wake(session, waits_for(actor))


def take_probe(session: Session, actor: str, probe_every_s: float) -> bool:
    """True if the caller may run the probe that is due; at most one caller per interval may."""
    present = now()
    statement = (
        update(BreakerState)
        .where(BreakerState.actor == actor, BreakerState.probe_at <= present)
        .values(probe_at=present + timedelta(seconds=probe_every_s))
    )
    return session.execute(statement.returning(BreakerState.actor)).first() is not None


def give_probe_back(session: Session, actor: str) -> None:
    """Make the probe due again: no job that may start now has taken it."""
    session.execute(update(BreakerState).where(BreakerState.actor == actor, BreakerState.opened_at.is_not(None)).values(probe_at=now()))


def note_failure(session: Session, actor: str, *, limit: int, probe_every_s: float) -> None:
    """Count a failure of the named kind; the one that reaches the limit opens the breaker."""
    present = now()
    counted = (
        upsert(session, BreakerState)
        .values(actor=actor, failures=1)
        .on_conflict_do_update(index_elements=["actor"], set_={"failures": BreakerState.failures + 1})
    )
    failures = session.execute(counted.returning(BreakerState.failures)).scalar_one()
    if failures >= limit:
        session.execute(
            update(BreakerState)
            .where(BreakerState.actor == actor, BreakerState.opened_at.is_(None))
            .values(opened_at=present, probe_at=present + timedelta(seconds=probe_every_s))
        )


def note_success(session: Session, actor: str) -> None:
    """Close the breaker and wake the jobs that wait for it."""
    closed = session.execute(delete(BreakerState).where(BreakerState.actor == actor).returning(BreakerState.opened_at)).all()
    if any(opened_at is not None for (opened_at,) in closed):
        wake(session, waits_for(actor))
