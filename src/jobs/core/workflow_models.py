"""The tables of workflows: the workflow, its steps, and their dependencies.

A step is a job. Data that it needs only while it waits for others is stored here, in tables that other jobs never
touch.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Boolean, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base, JsonText, UtcDateTime
from .models import Sequence, partial, words


class When(StrEnum):
    """Condition on the preceding steps under which a step runs."""

    SUCCESS = "success"  # all succeeded
    ERROR = "error"  # all have ended, at least one without success
    ALWAYS = "always"  # all have ended


class OnDead(StrEnum):
    """Policy for steps that follow one that is dead, cancelled or expired."""

    WAIT = "wait"  # they keep waiting and give the reason; a retry of that step lets them continue
    CANCEL = "cancel"  # they are cancelled; a retry of that step restores them


class End(StrEnum):
    """Outcome of a step, as seen by a step that waits for it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # dead, cancelled or expired
    BLOCKED = "blocked"  # it waits for one that failed
    NOT_NEEDED = "not_needed"  # its condition was not met


class Fate(StrEnum):
    """Why a waiting step will not be released."""

    BLOCKED = "blocked"
    CANCELLED = "cancelled"  # by OnDead.CANCEL, not by an operator
    NOT_NEEDED = "not_needed"


class StoredWorkflow(Base):
    """Steps submitted together. Its row is the lock under which they advance."""

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
    fingerprint: Mapped[str | None] = mapped_column(String(64))  # hash of the request made under the key
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StoredStep(Base):
    """One job of a workflow, and how to start it when its turn comes."""

    __tablename__ = "workflow_steps"
    __table_args__ = (Index("ix_workflow_steps_workflow", "workflow_seq", "job_seq"),)

    job_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    workflow_seq: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(255))
    runs_on: Mapped[When] = mapped_column(words(When))
    takes_results: Mapped[bool] = mapped_column(Boolean)  # its arguments refer to results of earlier steps
    waits_text: Mapped[str | None] = mapped_column(Text)  # the waiting reason of its job
    delay_ms: Mapped[int | None] = mapped_column(BigInteger)  # after its release
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_ms: Mapped[int | None] = mapped_column(BigInteger)  # after its release
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when all its dependencies had ended
    fate: Mapped[Fate | None] = mapped_column(words(Fate))
    template: Mapped[Any] = mapped_column(JsonText, nullable=True)  # its args and kwargs as submitted, if they refer to results


class StoredEdge(Base):
    """One step waits for another; `outcome` is empty until that one has ended.

    Set and cleared by compare-and-set, so that an end is counted once however often it is reported.
    """

    __tablename__ = "workflow_edges"
    __table_args__ = (Index("ix_workflow_edges_before", "before_seq"), Index("ix_workflow_edges_outcome", "after_seq", "outcome"))

    after_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    before_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    outcome: Mapped[End | None] = mapped_column(words(End))


class MessageGroup(Base):
    """A running Dramatiq group with completion callbacks: its size, and how many members have succeeded."""

    __tablename__ = "message_groups"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    size: Mapped[int] = mapped_column(Integer)
    succeeded: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
