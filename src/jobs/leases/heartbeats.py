"""Heartbeats of schedulers and relays: which are alive, and which fell silent without signing off."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from ... import __version__
from ...sql.clock import now
from ..core.models import Heartbeat

#: how long a silent process is listed
LISTED = timedelta(hours=1)
#: how long rows are kept
KEEP = timedelta(days=1)


class Role(StrEnum):
    """Roles with a heartbeat."""

    SCHEDULER = "scheduler"
    RELAY = "relay"


def beat(session: Session, id: int, role: Role, *, lease_s: float, broker: str = "") -> int:
    """Renew the row of this process, or insert one if it is missing (id 0, or pruned meanwhile); return its id."""
    present = now()
    values = {"heartbeat_at": present, "expires_at": present + timedelta(seconds=lease_s), "stopped_at": None, "broker": broker[:255]}
    mine = update(Heartbeat).where(Heartbeat.id == id).values(**values)
    if id and session.execute(mine.returning(Heartbeat.id)).first() is not None:
        return id
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
    present = now()
    statement = select(Heartbeat).where(Heartbeat.role == role, Heartbeat.expires_at > present - LISTED).order_by(Heartbeat.id)
    rows = list(session.execute(statement).scalars())
    return [
        each
        for each in rows
        if each.stopped_at is None
        and each.expires_at <= present
        and not any(other.host == each.host and other.started_at > each.heartbeat_at for other in rows)
    ]


def forget_old(session: Session) -> None:
    """Delete the rows of processes whose last heartbeat is long ago."""
    session.execute(delete(Heartbeat).where(Heartbeat.expires_at < now() - KEEP))
