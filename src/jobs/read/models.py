"""Tables of statistics, each for spans of several lengths: ended jobs by actor and queue, their totals, depths of queues, memory of workers.

All outlive the jobs and processes that they count. And the present number of rows of long tables.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Float, Index, SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base, UtcDateTime
from ..core.models import words
from ..core.states import State

#: queue of the totals of all queues
ALL = ""


class JobStatistics(Base):
    """Jobs of an actor and a queue that reached a final state within a span, with how long they waited and ran."""

    __tablename__ = "job_statistics"
    # Lists of actors read a number of jobs from many rows: without the index, the histograms of each, too.
    __table_args__ = (Index("ix_job_statistics_actor", "span", "minute", "actor", "state", "jobs"),)

    span: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)  # in minutes: one of SPANS
    minute: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # its first one, counted from 1970
    actor: Mapped[str] = mapped_column(String(255), primary_key=True)  # ?: of no known one
    queue: Mapped[str] = mapped_column(String(255), primary_key=True)  # ?: counted by the release before
    state: Mapped[State] = mapped_column(words(State), primary_key=True)
    jobs: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(BigInteger)
    wait_us: Mapped[int] = mapped_column(BigInteger)  # sums of what the histograms count
    run_us: Mapped[int] = mapped_column(BigInteger)
    waits: Mapped[str] = mapped_column(Text)  # histograms, as written by `histograms`
    runs: Mapped[str] = mapped_column(Text)


class JobTotals(Base):
    """Sums of `job_statistics` over all actors, of a queue or of all: what a chart of all actors reads."""

    __tablename__ = "job_totals"

    span: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    minute: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    queue: Mapped[str] = mapped_column(String(255), primary_key=True)  # ALL: of all queues
    state: Mapped[State] = mapped_column(words(State), primary_key=True)
    jobs: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(BigInteger)
    wait_us: Mapped[int] = mapped_column(BigInteger)
    run_us: Mapped[int] = mapped_column(BigInteger)
    waits: Mapped[str] = mapped_column(Text)
    runs: Mapped[str] = mapped_column(Text)


class ActorRuns(Base):
    """Sums of the daily `job_statistics` of a week that is over: the run times of an actor, for ranges of months."""

    __tablename__ = "actor_runs"

    week: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # its first minute
    actor: Mapped[str] = mapped_column(String(255), primary_key=True)
    runs: Mapped[str] = mapped_column(Text)


class QueueDepth(Base):
    """Greatest depth and age of a queue within a span, of one sample each minute. No row: it was empty."""

    __tablename__ = "queue_depths"

    span: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    minute: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    queue: Mapped[str] = mapped_column(String(255), primary_key=True)
    queued: Mapped[int] = mapped_column(BigInteger)
    running: Mapped[int] = mapped_column(BigInteger)
    oldest_s: Mapped[float] = mapped_column(Float)  # since when its longest-waiting job could have started


class WorkerMemory(Base):
    """Greatest resident memory of a worker process within a span, of one sample each minute, and the jobs that it had done by then."""

    __tablename__ = "worker_memory"

    span: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    minute: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    worker: Mapped[str] = mapped_column(String(255), primary_key=True)  # host:pid
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    jobs_done: Mapped[int] = mapped_column(BigInteger)  # since the start of the process


class RowCount(Base):
    """Number of rows of a table in a state, as the scheduler has counted them last."""

    __tablename__ = "row_counts"

    subject: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)  # of a queue; "": of the whole table
    state: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    counted_at: Mapped[datetime] = mapped_column(UtcDateTime)
