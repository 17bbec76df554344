"""Heartbeats of schedulers and relays: which are alive, and which fell silent without signing off."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from ... import __version__
from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.direct import Direct
from ...sql.statements import Single
from ..core.models import Heartbeat

#: how long a silent process is listed
LISTED = timedelta(hours=1)
#: how long rows are kept
KEEP = timedelta(days=1)


class Role(StrEnum):
    """Roles with a heartbeat."""

    SCHEDULER = "scheduler"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Beats:
    """The processes with a heartbeat within the last hour, oldest first, as of one instant."""

    rows: list[Heartbeat]
    at: datetime

    @property
    def alive(self) -> list[Heartbeat]:
        return [each for each in self.rows if each.stopped_at is None and each.expires_at > self.at]

    def silent(self, role: Role) -> list[Heartbeat]:
        """The processes of a role that fell silent without signing off, and that have no later process on their host."""
        rows = [each for each in self.rows if each.role == role]
        return [
            each
            for each in rows
            if each.stopped_at is None
            and each.expires_at <= self.at
            and not any(other.host == each.host and other.started_at > each.heartbeat_at for other in rows)
        ]


# Each process renews every two seconds: without a session, it takes a tenth of the CPU.
_RENEW = Single("""
    UPDATE heartbeats SET heartbeat_at = @(:now), expires_at = @(:expires), stopped_at = NULL, broker = :broker WHERE id = :id RETURNING id
""")
_COUNT = Single("SELECT count(*) FROM heartbeats WHERE role = :role AND expires_at > @(:now) AND stopped_at IS NULL")


def renew(session: Session | Direct, id: int, role: Role, *, lease_s: float, broker: str = "") -> int:
    """Renew the row of this process; return the number of living processes of its role, 0 if its row is missing."""
    present = to_microseconds(now())
    expires = present + int(lease_s * 1_000_000)
    if not _RENEW.fetch(session, now=present, expires=expires, broker=broker[:255], id=id):
        return 0
    return int(_COUNT.fetch(session, role=str(role), now=present)[0][0])


def register(session: Session, role: Role, *, lease_s: float, broker: str = "") -> int:
    """Insert the row of this process, which is new or was pruned; return its id."""
    present = now()
    values = {"heartbeat_at": present, "expires_at": present + timedelta(seconds=lease_s), "stopped_at": None, "broker": broker[:255]}
    host, pid = socket.gethostname(), os.getpid()
    row = {"role": role, "name": f"{host}:{pid}", "host": host, "pid": pid, "version": __version__, "started_at": present, **values}
    return int(session.execute(insert(Heartbeat).values(**row).returning(Heartbeat.id)).scalar_one())


def sign_off(session: Session, id: int) -> None:
    """Record that the process has shut down gracefully."""
    session.execute(update(Heartbeat).where(Heartbeat.id == id).values(stopped_at=now(), expires_at=now(), broker=""))


def alive(session: Session, role: Role | None = None) -> list[Heartbeat]:
    """Return the living processes of this role or of all roles, oldest first."""
    fresh = [Heartbeat.expires_at > now(), Heartbeat.stopped_at.is_(None)]
    if role is not None:
        fresh.append(Heartbeat.role == role)
    return list(session.execute(select(Heartbeat).where(*fresh).order_by(Heartbeat.id)).scalars())


def silent(session: Session, role: Role) -> list[Heartbeat]:
    """Return processes that fell silent within the last hour without signing off, and that have no later process on their host."""
    return look(session).silent(role)


def lost(session: Session, role: Role, *, since: datetime, until: datetime, limit: int = 20) -> list[Heartbeat]:
    """Return the processes of this role that fell silent within a range and never signed off, latest first; kept for a day."""
    fell = Heartbeat.expires_at.between(since, min(until, now()))
    statement = select(Heartbeat).where(Heartbeat.role == role, fell, Heartbeat.stopped_at.is_(None))
    return list(session.execute(statement.order_by(Heartbeat.expires_at.desc()).limit(limit)).scalars())


def look(session: Session) -> Beats:
    """Read them all at once."""
    present = now()
    statement = select(Heartbeat).where(Heartbeat.expires_at > present - LISTED).order_by(Heartbeat.id)
    return Beats(list(session.execute(statement).scalars()), present)


def forget_old(session: Session) -> None:
    """Delete the rows of processes whose last heartbeat is long ago."""
    session.execute(delete(Heartbeat).where(Heartbeat.expires_at < now() - KEEP))
