"""Tables of alerts: present and past problems, mutes, and the time of the last check."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base, UtcDateTime
from ..core.models import Sequence, partial, words


class AlertKind(StrEnum):
    """Kinds of alerts."""

    BACKLOG = "backlog"  # of a queue
    OLDEST = "oldest"  # the oldest ready job of a queue
    NO_WORKER = "no_worker"
    FAILURES = "failures"
    LATE = "late"  # a schedule
    BROKER_AWAY = "broker_away"
    NODE_AWAY = "node_away"  # one of RabbitMQ's
    BROKER_ALARM = "broker_alarm"  # memory or disk alarm of a node
    NO_SCHEDULER = "no_scheduler"
    NO_RELAY = "no_relay"
    FEWER_SCHEDULERS = "fewer_schedulers"  # than before
    FEWER_WORKERS = "fewer_workers"
    HELD = "held"  # jobs
    BACKUP = "backup"
    CLOCK = "clock"  # was set back
    WATCH = "watch"  # a rule cannot be evaluated


class Alert(Base):
    """A problem: first seen, begun once it has lasted, recovered once it has been absent for a while."""

    __tablename__ = "alerts"
    __table_args__ = (
        partial("uq_alerts_open", "kind", "subject", where="recovered_at IS NULL", unique=True),
        partial("ix_alerts_recovered", "recovered_at", where="recovered_at IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    kind: Mapped[AlertKind] = mapped_column(words(AlertKind))
    subject: Mapped[str] = mapped_column(String(255))  # name of the queue or schedule; "" for the fleet
    text: Mapped[str] = mapped_column(Text)  # the latest description
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)  # start of the problem
    began_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when it was notified; None: it has not lasted long enough
    well_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # absent since
    recovered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AlertMute(Base):
    """Silences one kind and subject for a while, however often it begins."""

    __tablename__ = "alert_mutes"

    kind: Mapped[AlertKind] = mapped_column(words(AlertKind), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    muted_by: Mapped[str] = mapped_column(String(255))
    muted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AlertWatch(Base):
    """Time of the last check: the single row by which the fleet's schedulers take turns."""

    __tablename__ = "alert_watch"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    looked_at: Mapped[datetime] = mapped_column(UtcDateTime)
