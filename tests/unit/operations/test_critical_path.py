"""Critical path of a workflow: the steps whose ends decide when it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from src.jobs.control.workflows import Edge, Found, StepFound
from src.jobs.core.states import State
from src.jobs.core.workflow_models import When
from src.operations.workflows.critical_path import critical_path
from src.web.render.graphics.timelines import WIDTH
from src.web.render.graphics.workflow_gantt import draw_gantt

START = datetime(2026, 3, 18, 12, tzinfo=UTC)


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else START + timedelta(seconds=seconds)


def step(name: str, began: float | None, ended: float | None, state: State = State.SUCCEEDED) -> StepFound:
    return StepFound(
        name=name, job_id=name, actor="add", state=state, reason=None, when=When.SUCCESS, fate=None, args=[], kwargs={}, result=None, error=None, attempt=1,
        released_at=at(None if began is None else began - 1), started_at=at(began), finished_at=at(ended),
    )  # fmt: skip


def workflow(steps: list[StepFound], *edges: str) -> Found:
    whole = all(each.finished_at for each in steps)
    pairs = [Edge(before, after, None) for before, after in (each.split(">") for each in edges)]
    return Found(
        id="w", name="w", on_dead="wait", state="running", submitted_by=None, created_at=START, steps=steps, edges=pairs,
        finished_at=max(each.finished_at for each in steps if each.finished_at) if whole else None,
    )  # fmt: skip


def test_it_leads_through_the_step_that_each_one_waited_for() -> None:
    steps = [step("a", 1, 3), step("b", 4, 20), step("c", 4, 9), step("d", 21, 25)]
    path = critical_path(workflow(steps, "a>b", "a>c", "b>d", "c>d"), START + timedelta(seconds=99))
    assert path is not None
    assert path.names == ["a", "b", "d"]
    assert (path.ran, path.whole) == (timedelta(seconds=2 + 16 + 4), timedelta(seconds=25))
    assert path.joins("a", "b")
    assert not path.joins("a", "d")


def test_of_running_steps_the_one_that_began_first_counts() -> None:
    steps = [step("a", 1, 3), step("b", 5, None, State.RUNNING), step("c", 4, None, State.RUNNING), step("d", None, None, State.SCHEDULED)]
    found = workflow(steps, "a>b", "a>c", "b>d", "c>d")
    path = critical_path(found, START + timedelta(seconds=10))
    assert path is not None
    assert path.names == ["a", "c"]
    chart = draw_gantt(found, START + timedelta(seconds=10))
    assert chart is not None
    assert [[bar.period.kind for bar in lane.bars] for lane in chart.lanes] == [
        ["queued", "succeeded"],
        ["queued", "running"],
        ["queued", "running"],
        [],
    ]
    assert chart.present == WIDTH


def test_without_a_step_that_ran_there_is_none() -> None:
    found = workflow([step("a", None, None, State.QUEUED)])
    assert critical_path(found, START) is None
    assert draw_gantt(found, START) is not None
