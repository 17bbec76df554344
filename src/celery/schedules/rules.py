"""crontab and schedule: each becomes a declaration of src/schedules. solar is refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from ...schedules import Declaration, cron, every
from ..base.differences import unsupported


class schedule:
    """Interval: whole seconds or a timedelta of such."""

    def __init__(self, run_every: float | timedelta | None = None, relative: bool = False, nowfun: Any = None, app: Any = None) -> None:
        if nowfun is not None:
            raise unsupported("schedule(nowfun=)")
        seconds = run_every.total_seconds() if isinstance(run_every, timedelta) else run_every
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0 or seconds % 1 != 0:
            raise ValueError(f"run_every must be a whole number of seconds above 0, not {run_every!r}: round it.")
        self.run_every = timedelta(seconds=seconds)
        self.relative = relative

    @property
    def seconds(self) -> int:
        return int(self.run_every.total_seconds())

    human_seconds = seconds

    def declaration(self, **how: Any) -> Declaration:
        """Return the declaration of a schedule with these arguments and options."""
        return every(self.run_every, **how)

    def is_due(self, last_run_at: Any) -> Any:
        raise unsupported("schedule.is_due")

    def remaining_estimate(self, last_run_at: Any) -> Any:
        raise unsupported("schedule.remaining_estimate")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, schedule) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"<freq: {self.seconds} seconds>"


class crontab(schedule):
    """Cron rule. Each field takes a number, an expression, or several of these; Sunday is 0 or "sun"."""

    def __init__(
        self,
        minute: Any = "*",
        hour: Any = "*",
        day_of_week: Any = "*",
        day_of_month: Any = "*",
        month_of_year: Any = "*",
        nowfun: Any = None,
        app: Any = None,
    ) -> None:
        if nowfun is not None:
            raise unsupported("crontab(nowfun=)")
        self._orig_minute, self._orig_hour, self._orig_day_of_week = minute, hour, day_of_week
        self._orig_day_of_month, self._orig_month_of_year = day_of_month, month_of_year
        days, weekdays = _field("day_of_month", day_of_month), _field("day_of_week", day_of_week)
        if not days.startswith("*") and not weekdays.startswith("*"):
            raise unsupported("crontab(day_of_month= and day_of_week=)")
        fields = (_field("minute", minute), _field("hour", hour), days, _field("month_of_year", month_of_year), weekdays)
        self.expression = " ".join(fields)
        cron(self.expression)  # raises for an invalid field, where it was written
        self.relative = False

    @classmethod
    def from_string(cls, text: str) -> crontab:
        """Return the rule of five fields: minute, hour, day of month, month, day of week."""
        fields = text.split()
        if len(fields) != 5:
            raise ValueError(f"crontab.from_string() takes five fields, not {text!r}")
        return cls(minute=fields[0], hour=fields[1], day_of_month=fields[2], month_of_year=fields[3], day_of_week=fields[4])

    @property
    def seconds(self) -> int:
        raise AttributeError("a crontab has no interval")

    def declaration(self, **how: Any) -> Declaration:
        return cron(self.expression, **how)

    def __repr__(self) -> str:
        return f"<crontab: {self.expression} (m/h/dM/MY/d)>"


def solar(*_: Any, **__: Any) -> Any:
    """Refuse events of the sun."""
    raise unsupported("solar")


def maybe_schedule(given: Any, relative: bool = False, app: Any = None) -> schedule:
    """Return a schedule for a number of seconds or a timedelta; a schedule stays."""
    return given if isinstance(given, schedule) else schedule(given, relative)


def _field(name: str, given: Any) -> str:
    if isinstance(given, bool) or (not isinstance(given, str | int) and not isinstance(given, Iterable)):
        raise TypeError(f"{name} must be a number, a text, or several of these, not {given!r}.")
    text = ",".join(map(str, given)) if isinstance(given, Iterable) and not isinstance(given, str) else str(given)
    return text.replace(" ", "")
