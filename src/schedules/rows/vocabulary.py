"""Enumerations of schedules: policies for missed ticks and overlaps, origins, and states of ticks."""

from __future__ import annotations

from enum import StrEnum


class Missed(StrEnum):
    """What is done with ticks that nobody fired within the grace."""

    SKIP = "skip"  # nothing; they are noted as missed
    ONCE = "once"  # one run stands for all of them
    ALL = "all"  # every one of them runs, the oldest first


class Overlap(StrEnum):
    """What a tick does while a job of an earlier one waits or runs."""

    ALLOW = "allow"  # its job runs beside
    SKIP = "skip"  # it is not run, unless the other only waits for a retry or for a person
    QUEUE = "queue"  # its job waits until the one before has ended
    CANCEL = "cancel"  # the other is cancelled, and its job waits until that has ended


class Origin(StrEnum):
    """What fired a tick."""

    CLOCK = "clock"
    CATCH_UP = "catch-up"  # it was missed, and is made up for
    BACKFILL = "backfill"
    MANUAL = "manual"


class TickState(StrEnum):
    """What became of a tick; the states of its job, or why it has none."""

    SUBMITTED = "submitted"  # its job waits or runs
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    SKIPPED = "skipped"  # a job of an earlier tick was in the way
    MISSED = "missed"  # no scheduler was there in time
    BROKEN = "broken"  # its arguments did not fit its actor


class Event(StrEnum):
    """What the actors named for it are told."""

    FAILED = "failed"
    RECOVERED = "recovered"
    PAUSED = "paused"
    NO_SUCCESS = "no_success"
