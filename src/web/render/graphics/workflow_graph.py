"""Layout of a workflow graph: positions of the boxes and edges of the SVG."""

from __future__ import annotations

from dataclasses import dataclass

from ....jobs.control.workflows import Found, StepFound
from ....jobs.core.states import State
from ....operations.workflows.critical_path import CriticalPath

#: pixels
BOX_WIDTH, BOX_HEIGHT = 176, 44
GAP_X, GAP_Y = 56, 16
MARGIN = 8
#: maximum steps of a readable graph
STEP_LIMIT = 60
#: maximum characters of a label
NAME_LENGTH = 21


@dataclass(frozen=True, slots=True)
class Box:
    """The box of a step; x and y are its top left corner."""

    step: StepFound
    x: int
    y: int
    is_critical: bool = False

    @property
    def label(self) -> str:
        name = self.step.name
        return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"

    @property
    def bar(self) -> float | None:
        """Width of the progress bar; None: the step does not run, or reports no progress."""
        share = self.step.share
        return None if share is None or self.step.state is not State.RUNNING else round(share * BOX_WIDTH, 1)


@dataclass(frozen=True, slots=True)
class Line:
    """An edge as a curve between two boxes; `outcome` of its source step, or empty."""

    path: str
    outcome: str
    is_critical: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """The graph; sizes in pixels."""

    width: int
    height: int
    boxes: list[Box]
    lines: list[Line]


def draw(workflow: Found, path: CriticalPath | None = None) -> Graph | None:
    """Lay out the graph from left to right; None: too many steps."""
    if not workflow.steps or len(workflow.steps) > STEP_LIMIT:
        return None
    before: dict[str, list[str]] = {step.name: [] for step in workflow.steps}
    for edge in workflow.edges:
        before[edge.after].append(edge.before)
    rank: dict[str, int] = {}
    for step in workflow.steps:  # place a step to the right of all steps it waits for
        rank[step.name] = max((rank.get(name, 0) + 1 for name in before[step.name]), default=0)
    columns: list[list[str]] = [[] for _ in range(max(rank.values()) + 1)]
    for name, number in rank.items():
        columns[number].append(name)
    row = {name: float(index) for column in columns for index, name in enumerate(column)}
    for column in columns[1:]:  # close to its predecessors, so that few edges cross
        column.sort(key=lambda name: sum(row[each] for each in before[name]) / len(before[name]))
        row.update({name: float(index) for index, name in enumerate(column)})
    tallest = max(len(column) for column in columns)
    places = {
        name: (
            MARGIN + number * (BOX_WIDTH + GAP_X),
            MARGIN + int((index + (tallest - len(column)) / 2) * (BOX_HEIGHT + GAP_Y)),
        )
        for number, column in enumerate(columns)
        for index, name in enumerate(column)
    }
    return Graph(
        width=2 * MARGIN + len(columns) * (BOX_WIDTH + GAP_X) - GAP_X,
        height=2 * MARGIN + tallest * (BOX_HEIGHT + GAP_Y) - GAP_Y,
        boxes=[Box(step, *places[step.name], path is not None and step.name in path.names) for step in workflow.steps],
        lines=[
            Line(
                _curve(places[edge.before], places[edge.after]),
                "" if edge.outcome is None else edge.outcome.value,
                path is not None and path.joins(edge.before, edge.after),
            )
            for edge in workflow.edges
        ],
    )


def _curve(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = start, end
    x1, y1, y2 = x1 + BOX_WIDTH, y1 + BOX_HEIGHT // 2, y2 + BOX_HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
