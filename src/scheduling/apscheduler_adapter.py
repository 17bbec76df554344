"""Adapter for APScheduler: a trigger for the next due tick, and an executor that fires in the clock's own thread."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from apscheduler.executors.base import BaseExecutor
from apscheduler.triggers.base import BaseTrigger

from ..schedules.rules.rules import Rule
from ..sql.clock import clock


class TickTrigger(BaseTrigger):  # type: ignore[misc]
    """Trigger with the due times of a rule, in this host's clock."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The next future due time: one wake-up is enough, because SQL decides about missed ticks."""
        behind = now if previous_fire_time is None else max(now, previous_fire_time)
        tick = self._rule.next(behind + clock.offset)
        # A past tick may still be due because of its jitter: the next poll of the rows handles it.
        return None if tick is None else host_time(self._rule.due(tick))


def host_time(instant: datetime) -> datetime:
    """Convert a time of the shared database clock to this host's clock."""
    return instant - clock.offset


class InThisThread(BaseExecutor):  # type: ignore[misc]
    """Executor that fires in the waiting thread: without a pool, no tick can queue or be rejected."""

    def __init__(self, fire: Callable[[int], None]) -> None:
        super().__init__()
        self._fire = fire

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self._fire(int(job.id))
        self._run_job_success(job.id, [])
