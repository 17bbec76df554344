"""Enumerations of schedules: policies for missed ticks and overlaps, origins, and states of ticks."""

from __future__ import annotations

from enum import StrEnum


class Missed(StrEnum):
    """Misfire policy: how to handle ticks that were not fired within the grace."""

    SKIP = "skip"  # record them as missed
    ONCE = "once"  # run once for all of them
    ALL = "all"  # run each of them, oldest first


class Overlap(StrEnum):
    """Overlap policy: how a tick behaves while a job of an earlier tick is open."""

    ALLOW = "allow"  # run both side by side
    SKIP = "skip"  # skip the tick, unless the earlier job only waits for a retry or an operator
    QUEUE = "queue"  # wait until the earlier job has ended
    CANCEL = "cancel"  # cancel the earlier job, and wait until it has ended


class Origin(StrEnum):
    """Origin of a tick: what caused it to fire."""

    CLOCK = "clock"
    CATCH_UP = "catch-up"  # it was missed, and is caught up
    BACKFILL = "backfill"
    MANUAL = "manual"


class TickState(StrEnum):
    """State of a tick: that of its job, or why it has none."""

    SUBMITTED = "submitted"  # its job is open
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    SKIPPED = "skipped"  # a job of an earlier tick was still open
    MISSED = "missed"  # no scheduler was running in time
    BROKEN = "broken"  # its arguments did not fit its actor


class Event(StrEnum):
    """Events that a schedule's callbacks receive."""

    FAILED = "failed"
    RECOVERED = "recovered"
    PAUSED = "paused"
    NO_SUCCESS = "no_success"
