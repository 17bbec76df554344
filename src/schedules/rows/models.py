"""The tables of the schedules room: schedules, their ticks, and their change log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ...jobs.core.models import Sequence, words
from ...jobs.core.states import listed
from ...sql.columns import Base, JsonText, UtcDateTime
from .drafts import Draft
from .vocabulary import Missed, Origin, Overlap, TickState


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


class Schedule(Base):
    """A time rule, an actor and its arguments. Columns up to `on_alert` are the fields of Draft."""

    __tablename__ = "schedules"
    __table_args__ = (
        _partial("ix_schedules_due", "due_at", where="due_at IS NOT NULL"),
        _partial("ix_schedules_alert", "alert_at", where="alert_at IS NOT NULL"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    actor: Mapped[str] = mapped_column(String(255), index=True)
    args: Mapped[Any] = mapped_column(JsonText)
    kwargs: Mapped[Any] = mapped_column(JsonText)
    cron: Mapped[str | None] = mapped_column(String(255))
    every_s: Mapped[int | None] = mapped_column(Integer)
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    zone: Mapped[str] = mapped_column(String(64))
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    jitter_s: Mapped[int] = mapped_column(Integer)
    missed: Mapped[Missed] = mapped_column(words(Missed))
    grace_s: Mapped[int] = mapped_column(Integer)
    overlap: Mapped[Overlap] = mapped_column(words(Overlap))
    pause_after: Mapped[int | None] = mapped_column(Integer)
    on_failure: Mapped[str | None] = mapped_column(String(255))
    on_recovery: Mapped[str | None] = mapped_column(String(255))
    expect_by: Mapped[str | None] = mapped_column(String(5))
    expect_within_s: Mapped[int | None] = mapped_column(Integer)
    on_alert: Mapped[str | None] = mapped_column(String(255))

    declared: Mapped[bool] = mapped_column(Boolean)  # in code
    code: Mapped[Any] = mapped_column(JsonText, nullable=True)  # the declaration, as a draft's document
    gone: Mapped[bool] = mapped_column(Boolean, default=False)  # no longer declared in code

    tick_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the next undecided tick
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when that tick fires; None: paused or ended
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paused_by: Mapped[str | None] = mapped_column(String(255))  # None: paused itself after failures
    pause_reason: Mapped[str | None] = mapped_column(Text)
    broken: Mapped[str | None] = mapped_column(Text)  # why its arguments do not fit its actor
    failures: Mapped[int] = mapped_column(Integer, default=0)  # consecutive
    alert_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the next deadline for a success
    alerted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the missed deadline, until the next success

    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(255))
    version: Mapped[int] = mapped_column(Integer, default=1)  # of users' settings: incremented by each change

    @property
    def draft(self) -> Draft:
        """Return its present settings."""
        return Draft(**{name: getattr(self, name) for name in Draft.__dataclass_fields__})

    @property
    def code_draft(self) -> Draft | None:
        """Return its declaration, if it has one."""
        return None if self.code is None else Draft.of_document(self.code)

    @property
    def overridden(self) -> list[str]:
        """Return the fields in which a user overrides the code."""
        return [] if self.code is None else [name for name in Draft.of_document(self.code).differing(self.draft) if name != "name"]


class Tick(Base):
    """Outcome of one tick of a schedule. The primary key makes each tick fire once."""

    __tablename__ = "schedule_ticks"
    __table_args__ = (
        _partial("ix_schedule_ticks_open", "schedule_id", where="state = 'submitted'"),
        _partial(
            "ix_schedule_ticks_failed", "finished_at", where=f"state IN {listed(TickState.DEAD, TickState.EXPIRED, TickState.CANCELLED)}"
        ),
        _partial("ix_schedule_ticks_missed", "schedule_id", "decided_at", where="state = 'missed'"),
        Index("ix_schedule_ticks_job", "job_id"),
    )

    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    scheduled_for: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)  # including jitter
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)
    origin: Mapped[Origin] = mapped_column(words(Origin))
    state: Mapped[TickState] = mapped_column(words(TickState))
    reason: Mapped[str | None] = mapped_column(Text)
    covers: Mapped[int] = mapped_column(Integer, default=1)  # ticks that this row stands for: many, if they were missed long ago
    job_id: Mapped[str | None] = mapped_column(String(255))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    submitted_by: Mapped[str | None] = mapped_column(String(255))  # the user who ran or backfilled it


class ScheduleChange(Base):
    """A change of a schedule and its author."""

    __tablename__ = "schedule_changes"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedules.id", ondelete="CASCADE"), index=True)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(255))
    what: Mapped[str] = mapped_column(String(64))  # created, changed, paused, resumed …
    changes: Mapped[Any] = mapped_column(JsonText)  # field -> [before, after]
