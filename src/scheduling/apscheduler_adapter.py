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
    """The instants at which a rule is due, as this host's own clock shows them."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The next instant that lies ahead: what was missed is decided in SQL, and one wake-up stands for all of it."""
        behind = now if previous_fire_time is None else max(now, previous_fire_time)
        tick = self._rule.next(behind + clock.offset)
        # A tick that lies behind may still be due, by its jitter: the next look at the rows sees to that.
        return None if tick is None else host_time(self._rule.due(tick))


def host_time(instant: datetime) -> datetime:
    """When this host's own clock shows an instant of the clock that all processes share."""
    return instant - clock.offset


class InThisThread(BaseExecutor):  # type: ignore[misc]
    """Fires what is due at once, in the thread that waits for it: there is no pool in which a tick could wait or be refused."""

    def __init__(self, fire: Callable[[int], None]) -> None:
        super().__init__()
        self._fire = fire

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self._fire(int(job.id))
        self._run_job_success(job.id, [])
