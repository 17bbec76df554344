"""Actors that note when they run, named in CALLBOARD_ACTORS by the measurements of delays, limits, keys and shares."""

from __future__ import annotations

import os
import time
from typing import Any

import dramatiq

import src.actors  # noqa: F401 (makes the broker that these actors belong to)

#: written to with O_APPEND: lines of many processes never mix
_notes: int | None = None


def note(*words: Any) -> None:
    """Write one line."""
    global _notes
    if _notes is None:
        _notes = os.open(os.environ["BENCH_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_notes, (" ".join(map(str, words)) + "\n").encode())


@dramatiq.actor(queue_name="probes", max_retries=0)
def probe(due: float) -> None:
    """Note how late it starts (seconds)."""
    note(due, time.time())


@dramatiq.actor(queue_name="backlog", max_retries=0)
def idle(number: int) -> None:
    """Wait in the backlog."""


@dramatiq.actor(queue_name="limited", max_retries=0, rate_limit="100/m")
def limited(number: int) -> None:
    """Note when it starts."""
    note("limited", time.time(), os.getpid())


@dramatiq.actor(queue_name="limited", max_retries=0)
def unlimited(sent: float) -> None:
    """Note how long it took to start."""
    note("unlimited", time.time(), sent)


@dramatiq.actor(queue_name="keyed", max_retries=0, concurrency=1, concurrency_key=lambda key, *_: key)
def keyed(key: str, number: int, seconds: float) -> None:
    """Be alone with its key for a while."""
    note("start", key, number, os.getpid(), time.time())
    time.sleep(seconds)
    note("end", key, number, os.getpid(), time.time())


@dramatiq.actor(queue_name="shared", max_retries=0, fair_by=lambda user, *_: user)
def shared(user: str, seconds: float) -> None:
    """Take a little of the queue's time."""
    time.sleep(seconds)
    note(user, time.time())


@dramatiq.actor(queue_name="backlog", max_retries=0)
def once(text: str) -> str:
    """Something that is to be done once."""
    return text
