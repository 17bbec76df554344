"""Geometry of timelines: bars, an axis with labels and the present, as percentages of the width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from ....formats.quantities import span
from ....operations.jobs.documents.job_timeline import Period, Wait
from ...http import cookies

#: least visible width of a bar, and that of the axis, in percent: the rest is for the symbol behind the last bar
LEAST, WIDTH = 0.4, 97.0
#: lanes that are drawn
MOST_LANES = 40
#: marks of an axis at most
MARKS = 5
#: a shorter axis counts from its begin instead of showing times of day
SHORT = timedelta(seconds=10)
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of time, as wide as the drawing."""

    begin: datetime
    end: datetime

    @classmethod
    def over(cls, instants: Iterable[datetime]) -> Axis:
        """Return the axis that spans these instants; at least a millisecond."""
        found = sorted(instants)
        return cls(found[0], max(found[-1], found[0] + timedelta(milliseconds=1)))

    def place(self, instant: datetime) -> float:
        """Return the position of an instant in percent."""
        return round(min(max((instant - self.begin) / (self.end - self.begin), 0), 1) * WIDTH, 2)

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Marks with their labels, at round times."""
        seconds = (self.end - self.begin).total_seconds()
        step = next((each for each in _STEPS if seconds / each <= MARKS), None) or _DAY * max(1, -(-seconds // (_DAY * MARKS)))
        if self.end - self.begin < SHORT:
            return [(self.place(self.begin + timedelta(seconds=step * n)), f"+{step * n:g} s") for n in range(int(seconds / step) + 1)]
        zone = cookies.zone()
        offset = (self.begin.astimezone(zone).utcoffset() or timedelta()).total_seconds()
        first = -(-(self.begin.timestamp() + offset) // step) * step - offset
        instants = [datetime.fromtimestamp(first + step * n, UTC) for n in range(int((self.end.timestamp() - first) / step) + 1)]
        form = "%d %b" if step >= _DAY else "%H:%M" if step >= 60 else "%H:%M:%S"
        return [(self.place(each), each.astimezone(zone).strftime(form)) for each in instants if self.begin <= each <= self.end]


@dataclass(frozen=True, slots=True)
class Bar:
    """A period with its position in percent."""

    period: Period
    x: float
    width: float

    @property
    def end(self) -> float:
        return round(min(self.x + self.width, WIDTH), 2)


@dataclass(frozen=True, slots=True)
class Lane:
    """An attempt with the waits before it."""

    attempt: int
    bars: Sequence[Bar]

    @property
    def last(self) -> Period:
        return self.bars[-1].period


@dataclass(frozen=True, slots=True)
class Timeline:
    """A job's timeline; `present`: position of the present, None for a job that has ended."""

    axis: Axis
    lanes: Sequence[Lane]
    present: float | None

    @property
    def kinds(self) -> list[str]:
        """Kinds of periods that occur, in order."""
        return list(dict.fromkeys(bar.period.kind for lane in self.lanes for bar in lane.bars))


def draw(periods: Sequence[Period]) -> Timeline | None:
    """Lay out the periods of a job, one lane for each attempt; None: nothing has happened yet."""
    lanes = [(attempt, list(found)) for attempt, found in groupby(periods, key=lambda each: each.attempt)]
    shown = lanes[-MOST_LANES:]
    if not shown:
        return None
    axis = Axis.over(instant for _, found in shown for each in found for instant in (each.begin, each.end))
    open = next((each for each in periods if each.is_open), None)
    return Timeline(
        axis,
        [Lane(attempt, [bar(axis, each) for each in found]) for attempt, found in shown],
        None if open is None else axis.place(open.end),
    )


def bar(axis: Axis, period: Period) -> Bar:
    """Return the bar of a period, wide enough to be seen."""
    x = min(axis.place(period.begin), WIDTH - LEAST)
    return Bar(period, x, round(max(axis.place(period.end) - x, LEAST), 2))


def words(kind: str) -> str:
    """Name of a kind of period."""
    return {Wait.QUEUED: "waiting", Wait.DUE: "until it is due"}.get(kind, kind)  # type: ignore[call-overload, no-any-return]


def about(left: timedelta) -> str:
    """Format an estimated duration without false precision: one or two digits count."""
    seconds = left.total_seconds()
    rounded = max(round(seconds), 1) if seconds < 60 else round(seconds / 10) * 10 if seconds < 600 else round(seconds / 60) * 60
    return span(rounded)
