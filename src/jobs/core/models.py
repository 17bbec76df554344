"""The tables of the jobs room: jobs, their attempts, and the worker processes that hold leases.

`seq` orders and joins (small, ascending); `id` is used by people, messages and URLs.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Boolean, Enum, Index, Integer, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ...sql.columns import Base, JsonText, UtcDateTime
from .states import HeldFor, Outcome, State, Unique, WorkerCommand, listed

#: SQLite autoincrements only a column of type INTEGER
Sequence = BigInteger().with_variant(Integer(), "sqlite")
#: bytewise collation: prefix ranges must not depend on the database's locale
_BYTEWISE = String(255).with_variant(String(255, collation="C"), "postgresql")


#: states in which a job waits for a due time or for an operator
BACKLOG_STATES = (State.SCHEDULED, State.RETRYING, State.HELD, State.DEAD)


#: conditions of partial indexes that statements must write out, too: SQLite compares texts, not the values of parameters
UNDER_WAY = f"state IN {listed(State.QUEUED, State.RUNNING)}"
NOT_ENDED = f"state NOT IN {listed(State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED)}"


def words(kind: type[StrEnum]) -> Enum:
    return Enum(kind, native_enum=False, length=16, create_constraint=False, values_callable=lambda words: [word.value for word in words])


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, postgresql_where=text(where), sqlite_where=text(where))


class Job(Base):
    """One submission, from its first commit until retention deletes it."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_actor", "actor", "seq"),
        # Most rows of a large table have succeeded: they stay out of the index by state.
        partial("ix_jobs_state", "state", "seq", where=f"state <> '{State.SUCCEEDED}'"),
        partial("ix_jobs_publish", "publish_at", where="publish_at IS NOT NULL"),
        partial("ix_jobs_due", "due_at", where=f"state IN {listed(State.SCHEDULED, State.RETRYING)}"),
        partial(
            "ix_jobs_expires",
            "expires_at",
            where=f"expires_at IS NOT NULL AND state IN {listed(State.SCHEDULED, State.QUEUED, State.RETRYING)}",
        ),
        partial("ix_jobs_waits_for", "waits_for", "seq", where="waits_for IS NOT NULL"),
        partial("ix_jobs_fair", "queue", "fair_key", where=f"fair_key IS NOT NULL AND {UNDER_WAY}"),
        partial("ix_jobs_workflow", "workflow_seq", "seq", where="workflow_seq IS NOT NULL"),
        partial("ix_jobs_queued", "queue", "published_at", where=f"state = '{State.QUEUED}'"),
        # Jobs on the usual way, from queued to succeeded, never enter it.
        partial("ix_jobs_backlog", "queue", "state", where=f"state IN {listed(*BACKLOG_STATES)}"),
        partial("ix_jobs_rerun_of", "rerun_of", where="rerun_of IS NOT NULL"),
        partial("ix_jobs_parent", "parent_id", where="parent_id IS NOT NULL"),
        partial("ix_jobs_finished", "finished_at", where="finished_at IS NOT NULL"),
        partial("ix_jobs_dead", "finished_at", where=f"state = '{State.DEAD}'"),
        partial("ix_jobs_running", "worker_id", where=f"state = '{State.RUNNING}'"),
        partial("uq_jobs_idempotency_key", "idempotency_key", where="idempotency_key IS NOT NULL", unique=True),
        partial(
            "uq_jobs_unique_key",
            "unique_key",
            where=f"unique_key IS NOT NULL AND {NOT_ENDED}",
            unique=True,
        ),
        # fillfactor leaves room on each page for a row's next version; sqlite_autoincrement: a deleted job's number is never reused.
        {"postgresql_with": {"fillfactor": "80"}, "sqlite_autoincrement": True},
    )

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(255), unique=True)
    actor: Mapped[str | None] = mapped_column(String(255))  # None: the body could not be decoded
    queue: Mapped[str] = mapped_column(String(255))
    state: Mapped[State] = mapped_column(words(State))
    reason: Mapped[str | None] = mapped_column(Text)  # why it waits, is held, or ended
    held_for: Mapped[HeldFor | None] = mapped_column(words(HeldFor))
    args: Mapped[Any] = mapped_column(JsonText)
    kwargs: Mapped[Any] = mapped_column(JsonText)
    options: Mapped[Any] = mapped_column(JsonText)  # Dramatiq's message options, as sent
    body: Mapped[str | None] = mapped_column(Text)  # of an undecodable message
    priority: Mapped[int] = mapped_column(SmallInteger, default=0)
    source: Mapped[str] = mapped_column(String(16), default="send")  # a Source, or a word of a program that submits in its own name
    submitted_by: Mapped[str | None] = mapped_column(String(255))
    unique_key: Mapped[str | None] = mapped_column(String(255))
    unique_until: Mapped[Unique | None] = mapped_column(words(Unique))  # how long it blocks others with its key
    idempotency_key: Mapped[str | None] = mapped_column(String(255))

    attempt: Mapped[int] = mapped_column(Integer, default=0)  # number of the newest attempt; 0: none yet
    failures: Mapped[int] = mapped_column(Integer, default=0)  # failed attempts since submission or an operator's retry
    crashes: Mapped[int] = mapped_column(Integer, default=0)  # workers lost while running it since then
    worker_id: Mapped[int | None] = mapped_column(BigInteger)
    waits_for: Mapped[str | None] = mapped_column(_BYTEWISE)  # resource that makes a waiting job due early: a slot, a resume
    slot_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the reserved start under a rate limit
    fair_key: Mapped[str | None] = mapped_column(String(255))  # its share of the queue
    workflow_seq: Mapped[int | None] = mapped_column(BigInteger)  # the workflow that it is a step of
    cancel_requested: Mapped[bool] = mapped_column(Boolean, default=False)
    rerun_of: Mapped[str | None] = mapped_column(String(255))  # id of the job that it re-runs
    parent_id: Mapped[str | None] = mapped_column(String(255))  # id of the job whose actor submitted it, or that it follows
    earlier_attempts: Mapped[int | None] = mapped_column(Integer)  # its attempts before an operator's last retry of the ended job

    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    keep_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # not deleted by retention before
    publish_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # when the relay publishes it; None: confirmed by RabbitMQ, or not queued
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # of the newest attempt
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when a final state was reached

    result: Mapped[Any] = mapped_column(JsonText, nullable=True)
    result_file: Mapped[str | None] = mapped_column(String(64))  # the name of its file, if too large for the row
    result_bytes: Mapped[int | None] = mapped_column(BigInteger)  # of that file
    error: Mapped[str | None] = mapped_column(Text)  # one line: type and message of the newest failure
    progress_done: Mapped[int | None] = mapped_column(BigInteger)
    progress_total: Mapped[int | None] = mapped_column(BigInteger)
    progress_message: Mapped[str | None] = mapped_column(Text)

    attempts: Mapped[list[Attempt]] = relationship(
        primaryjoin="Job.seq == foreign(Attempt.job_seq)", order_by="Attempt.number", viewonly=True
    )

    @property
    def is_cancelling(self) -> bool:
        """True if a cancel has been requested but the job may still be running."""
        return self.cancel_requested and self.state is State.RUNNING


class Attempt(Base):
    """One execution of a job by a worker, written when it ends; numbers have no gaps.

    No foreign key: both rows are written by one statement and pruned by one, and the check costs more than the insert.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        partial("ix_attempts_fingerprint", "fingerprint", "finished_at", where="fingerprint IS NOT NULL"),
        partial("ix_attempts_unnoted", "job_seq", where="noted = false"),
    )

    job_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    worker: Mapped[str] = mapped_column(String(255))  # host:pid
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[Outcome] = mapped_column(words(Outcome))
    error: Mapped[str | None] = mapped_column(Text)
    traceback: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[str | None] = mapped_column(String(16))  # of a failure: its error group
    noted: Mapped[bool | None] = mapped_column(Boolean)  # of a failure: counted in its error group
    cpu_us: Mapped[int | None] = mapped_column(BigInteger)  # CPU time in microseconds; None: not measured
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)  # peak of an isolated attempt's process


class EndedJobs(Base):
    """Counts of ended jobs of the release before, whose processes may still run. A later migration drops it."""

    __tablename__ = "ended_jobs"

    span: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)  # in minutes: 1 or 30
    minute: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # its first one, counted from 1970
    actor: Mapped[str] = mapped_column(String(255), primary_key=True)  # ?: of no known one
    state: Mapped[State] = mapped_column(words(State), primary_key=True)
    jobs: Mapped[int] = mapped_column(BigInteger)


class FailureGroup(Base):
    """An error group: failed attempts with one fingerprint. Open from the first failure until recovery; may reopen."""

    __tablename__ = "failure_groups"

    fingerprint: Mapped[str] = mapped_column(String(16), primary_key=True)
    kind: Mapped[str] = mapped_column(String(255))
    place: Mapped[str] = mapped_column(String(255))
    message: Mapped[str] = mapped_column(Text)
    actors: Mapped[Any] = mapped_column(JsonText)  # names, a few
    count: Mapped[int] = mapped_column(BigInteger)
    count_before: Mapped[int] = mapped_column(BigInteger)  # count before it was last reopened
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    recovered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # None: it is open
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # an operator has marked it as fixed
    resolved_by: Mapped[str | None] = mapped_column(String(255))  # or muted by
    regressed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when it recurred after that
    muted_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    mailed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    mailed_count: Mapped[int] = mapped_column(BigInteger)  # `count` at the last mail about it
    sample_seq: Mapped[int | None] = mapped_column(BigInteger)
    sample_attempt: Mapped[int | None] = mapped_column(Integer)


class Worker(Base):
    """One worker process and its lease: its jobs are its own until `expires_at`."""

    __tablename__ = "workers"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(255))  # host:pid
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(Integer)
    version: Mapped[str] = mapped_column(String(64))
    threads: Mapped[int] = mapped_column(Integer)
    queues: Mapped[Any] = mapped_column(JsonText)
    actors: Mapped[Any] = mapped_column(JsonText)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lost_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    busy: Mapped[int] = mapped_column(Integer, default=0)
    wish: Mapped[WorkerCommand | None] = mapped_column(words(WorkerCommand))  # an operator's command
    wished_by: Mapped[str | None] = mapped_column(String(255))
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    jobs_done: Mapped[int | None] = mapped_column(BigInteger)  # since its start
    recycled: Mapped[str | None] = mapped_column(String(255))  # why the process that it replaced was recycled
    refusals: Mapped[Any] = mapped_column(JsonText, nullable=True)  # RabbitMQ queue -> why the process cannot use it; "": all
    frontier: Mapped[Any] = mapped_column(JsonText)  # queue -> published_at (microseconds) of the newest message claimed


class Heartbeat(Base):
    """A process or thread that holds no jobs but that others depend on: a scheduler, a relay. Alive until `expires_at`."""

    __tablename__ = "heartbeats"

    id: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    role: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(255))  # host:pid
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(Integer)
    version: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    broker: Mapped[str] = mapped_column(String(255), default="")  # why its publisher cannot reach RabbitMQ; "": it can


class StackRequest(Base):
    """Request for the stack of a running attempt."""

    __tablename__ = "stack_wishes"

    job_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer)
    wished_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LogLine(Base):
    """A line that an attempt logged or printed."""

    __tablename__ = "log_lines"

    job_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    level: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)


class Restore(Base):
    """A restore from a backup: this database lacks the submissions between the two instants."""

    __tablename__ = "restores"

    restored_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)  # the instant of the backup's snapshot
    file: Mapped[str] = mapped_column(String(255))


class UniquePeriod(Base):
    """A unique key that is taken for a period, whatever the state of its job."""

    __tablename__ = "unique_periods"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    job_id: Mapped[str] = mapped_column(String(255), index=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
