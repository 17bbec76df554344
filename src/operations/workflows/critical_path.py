"""Critical path of a workflow: the steps that determine when it ends, or how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...jobs.control.workflows import Found, StepFound


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """Steps from the first to the last; `whole`: from submission to the end of the last one, or until now."""

    steps: Sequence[StepFound]
    ran: timedelta
    whole: timedelta

    @property
    def names(self) -> list[str]:
        return [step.name for step in self.steps]

    def joins(self, before: str, after: str) -> bool:
        """True if these two follow each other on the path."""
        return (before, after) in zip(self.names, self.names[1:], strict=False)


def critical_path(workflow: Found, present: datetime) -> CriticalPath | None:
    """Return the critical path so far: from the step that ended last, back to those whose ends it waited for; None: none has run."""
    by_name = {step.name: step for step in workflow.steps if step.started_at is not None}
    if not by_name:
        return None
    before: dict[str, list[StepFound]] = {name: [] for name in by_name}
    for edge in workflow.edges:
        if edge.after in by_name and edge.before in by_name:
            before[edge.after].append(by_name[edge.before])
    # Of steps that end together, such as two that still run, the one that began first has taken longest.
    step = max(by_name.values(), key=lambda each: (_end(each, present), -_start(each).timestamp()))
    path = [step]
    while before[path[0].name]:
        path.insert(0, max(before[path[0].name], key=lambda each: _end(each, present)))
    ran = sum((_end(each, present) - _start(each) for each in path), timedelta())
    return CriticalPath(path, ran, _end(step, present) - workflow.created_at)


def _start(step: StepFound) -> datetime:
    assert step.started_at is not None
    return step.started_at


def _end(step: StepFound, present: datetime) -> datetime:
    return max(step.finished_at or present, _start(step))
