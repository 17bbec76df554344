"""Gantt chart of a workflow: a lane for each step, with its wait and its run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ....jobs.control.workflows import Found, StepFound
from ....jobs.core.states import State
from ....operations.jobs.documents.job_timeline import Period, Wait
from .timelines import Axis, Bar, bar

#: maximum steps of a readable chart
STEP_LIMIT = 300
#: state of a step -> the look of its run
_RUNS = {State.DEAD: "failed", State.EXPIRED: "failed", State.RETRYING: Wait.BACK_OFF.value}


@dataclass(frozen=True, slots=True)
class StepLane:
    """A step with its bars; none: its turn has not come."""

    step: StepFound
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Gantt:
    """The chart; `present`: position of the present, None for a workflow that has ended."""

    axis: Axis
    lanes: Sequence[StepLane]
    present: float | None

    @property
    def kinds(self) -> list[str]:
        """Kinds of periods that occur, in order."""
        return list(dict.fromkeys(bar.period.kind for lane in self.lanes for bar in lane.bars))


def draw_gantt(workflow: Found, present: datetime) -> Gantt | None:
    """Lay out the chart; None: too many steps."""
    if not workflow.steps or len(workflow.steps) > STEP_LIMIT:
        return None
    periods = [list(_periods(step, present)) for step in workflow.steps]
    ends = [each.end for found in periods for each in found]
    axis = Axis.over([workflow.created_at, *ends, *([] if workflow.finished_at else [present])])
    lanes = [StepLane(step, [bar(axis, each) for each in found]) for step, found in zip(workflow.steps, periods, strict=True)]
    return Gantt(axis, lanes, None if workflow.finished_at else axis.place(present))


def _periods(step: StepFound, present: datetime) -> Iterator[Period]:
    """Yield the wait since the step's turn came, and the run of its newest attempt."""
    end = step.finished_at or present
    if step.released_at is None:
        return
    started = end if step.started_at is None else max(step.started_at, step.released_at)
    if started > step.released_at:
        yield Period(Wait.QUEUED.value, step.attempt, step.released_at, started, step.started_at is None and step.finished_at is None)
    if step.started_at is not None:
        kind = _RUNS.get(step.state, step.state.value)
        yield Period(
            Wait.QUEUED.value if kind == State.QUEUED else kind, step.attempt, started, max(end, started), step.finished_at is None
        )
