"""The tables of workflows: what belongs together, its steps, and which step waits for which.

A step is a job. What it needs beyond a job's row while it waits for others stands here, in tables that jobs outside of
workflows never touch.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base, UtcDateTime
from .models import Sequence, partial, words


class When(StrEnum):
    """On what end of the steps before it a step runs."""

    SUCCESS = "success"  # all of them have succeeded
    ERROR = "error"  # all have ended, at least one otherwise than by success
    ALWAYS = "always"  # all have ended, however


class OnDead(StrEnum):
    """What becomes of the steps behind one that is dead, cancelled or expired."""

    WAIT = "wait"  # they stay and say why; a retry of that step lets them go on
    CANCEL = "cancel"  # they are cancelled; a retry of that step brings them back


class End(StrEnum):
    """What a step's end means to a step that waits for it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # dead, cancelled or expired
    BLOCKED = "blocked"  # it waits behind one that failed
    NOT_NEEDED = "not_needed"  # it would have run only on another end


class Fate(StrEnum):
    """Why a step that was never released will not be, as things stand."""

    BLOCKED = "blocked"
    CANCELLED = "cancelled"  # by OnDead.CANCEL, not by a person
    NOT_NEEDED = "not_needed"


class StoredWorkflow(Base):
    """Steps that were submitted together. Its row is the lock behind which they move on."""

    __tablename__ = "workflows"
    __table_args__ = (
        partial("uq_workflows_idempotency_key", "idempotency_key", where="idempotency_key IS NOT NULL", unique=True),
        {"sqlite_autoincrement": True},
    )

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    on_dead: Mapped[OnDead] = mapped_column(words(OnDead))
    submitted_by: Mapped[str | None] = mapped_column(String(255))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    fingerprint: Mapped[str | None] = mapped_column(String(64))  # of what was asked for under the key
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StoredStep(Base):
    """One job of a workflow, and how it is to start when its turn comes."""

    __tablename__ = "workflow_steps"
    __table_args__ = (Index("ix_workflow_steps_workflow", "workflow_seq", "job_seq"),)

    job_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    workflow_seq: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(255))
    runs_on: Mapped[When] = mapped_column(words(When))
    takes_results: Mapped[bool] = mapped_column(Boolean)  # its arguments name results of steps before it
    waits_text: Mapped[str | None] = mapped_column(Text)  # the reason its job shows while it waits
    delay_ms: Mapped[int | None] = mapped_column(BigInteger)  # after its release
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_ms: Mapped[int | None] = mapped_column(BigInteger)  # after its release
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when nothing stood before it any more
    fate: Mapped[Fate | None] = mapped_column(words(Fate))


class StoredEdge(Base):
    """One step waits for another; `outcome` is empty until that one has ended.

    Filled and emptied by compare-and-set, so that an end is counted once however often it is reported.
    """

    __tablename__ = "workflow_edges"
    __table_args__ = (Index("ix_workflow_edges_before", "before_seq"), Index("ix_workflow_edges_outcome", "after_seq", "outcome"))

    after_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    before_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    outcome: Mapped[End | None] = mapped_column(words(End))


class MessageGroup(Base):
    """A running Dramatiq group with completion callbacks: how many members it has, and how many have succeeded."""

    __tablename__ = "message_groups"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    size: Mapped[int] = mapped_column(Integer)
    succeeded: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
