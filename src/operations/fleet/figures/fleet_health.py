"""Fleet health: RabbitMQ, workers, schedulers and relays, for the overview, /readyz and /metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from ....broker.recover import management
from ....broker.recover.broker_health import Trouble, troubles
from ....broker.recover.management import Overview
from ....formats.quantities import counted
from ....jobs.alerts.models import AlertKind
from ....jobs.core.models import Heartbeat, Worker
from ....jobs.leases import heartbeats, workers
from ....jobs.leases.heartbeats import Role
from ....schedules.rows import queries as schedules
from ....settings import get_settings
from ....sql.clock import now

#: delay from which a schedule counts as late
LATE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class FleetHealth:
    """Live and silent processes, and problems of RabbitMQ."""

    broker: Overview
    troubles: list[Trouble]
    workers: list[Worker]
    silent_workers: list[Worker]  # lease expired, not yet marked lost
    schedulers: list[Heartbeat]
    silent_schedulers: list[Heartbeat]
    relays: list[Heartbeat]
    late: timedelta | None  # delay of the latest schedule

    @property
    def has_problems(self) -> bool:
        """True if a process is missing or silent, a schedule is late, or RabbitMQ has a problem."""
        return bool(self.troubles or self.public_problems)

    @property
    def broker_words(self) -> str:
        """Public summary of RabbitMQ, without host names."""
        if not self.broker.is_known:
            return "not known yet"
        words = "reachable" if self.broker.reachable else "not reachable"
        return f"{words}, blocks publishing: {' and '.join(self._alarms)} alarm" if self._alarms else words

    @property
    def _alarms(self) -> list[str]:
        return sorted({_resource(each.subject) for each in self.troubles if each.kind is AlertKind.BROKER_ALARM})

    @property
    def public_problems(self) -> list[str]:
        """Public list of problems, without names."""
        found = []
        if self.broker.is_known and not self.broker.reachable:
            found.append("RabbitMQ cannot be reached")
        found += [f"RabbitMQ blocks publishing: {alarm} alarm" for alarm in self._alarms]
        if any(each.kind is AlertKind.NODE_AWAY for each in self.troubles):
            found.append("a RabbitMQ node is down")
        if any(each.subject in get_settings().celery_queue_names for each in self.troubles):
            found.append("a queue of Celery's producers is not read")
        if not self.workers:
            found.append("no worker is running")
        if self.silent_workers:
            found.append(f"{counted(len(self.silent_workers), 'worker')} without heartbeat")
        if not self.schedulers:
            found.append("no scheduler is running")
        elif self.silent_schedulers:
            found.append(f"{counted(len(self.silent_schedulers), 'scheduler')} without heartbeat")
        if not self.relays:
            found.append("no relay is running")
        if self.late is not None:
            found.append(f"a schedule is {self.late.total_seconds():.0f} s late")
        return found


def look(session: Session, *, wait_s: float = management.WAIT_S, within_s: float = management.OLD_S) -> FleetHealth:
    """Read the health of the fleet; waits at most `wait_s` for RabbitMQ."""
    broker = management.overview(within_s=within_s, wait_s=wait_s)
    beats = heartbeats.look(session)
    alive = beats.alive
    return FleetHealth(
        broker,
        troubles(session, broker, alive),
        workers.fleet(session),
        workers.overdue(session),
        [each for each in alive if each.role == Role.SCHEDULER],
        beats.silent(Role.SCHEDULER),
        [each for each in alive if each.role == Role.RELAY],
        lateness(session),
    )


def lateness(session: Session) -> timedelta | None:
    """Delay of the latest active schedule; None: all are on time."""
    due = schedules.first_due(session)
    by = now() - due if due is not None else timedelta(0)
    return by if by > LATE else None


def _resource(subject: str) -> str:
    """The resource of an alarm: `memory` of "memory rabbit@a" or "low on memory"."""
    return subject.removeprefix("low on ").partition(" ")[0]
