"""Charts of lines over time as SVG, with gaps where a value is not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import charts
from .charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Palette
from .document import Tone


@dataclass(frozen=True, slots=True)
class Line:
    """A series; None: not known at that time. A filled one has its area tinted."""

    name: str
    tone: Tone
    values: Sequence[float | None]
    is_filled: bool = False


def svg(
    title: str, labels: Sequence[str], lines: Sequence[Line], palette: Palette, *, write: Callable[[float], str] | None = None, id: str = "chart",
    marks: Sequence[tuple[float, str]] = (), period: tuple[int, int] | None = None,
) -> str:  # fmt: skip
    """Draw lines of values from 0 up. `write`: the text of a value; `title` gives the numbers to screen readers."""
    ticks = charts.round_ticks(max((value for line in lines for value in line.values if value is not None), default=0))
    shapes = [*charts.legend([(line.name, line.tone) for line in lines], palette), *charts.axis(ticks, palette, write)]
    for line in lines:
        shapes += _drawn(line, ticks[-1], palette[line.tone.value])
    return charts.frame(title, [*shapes, *charts.time_labels(labels, palette), *charts.mark_lines(marks, palette)], id=id, period=period)


def _drawn(line: Line, top: float, colour: str) -> list[str]:
    foot, step = HEIGHT - BOTTOM, (WIDTH - LEFT - RIGHT) / max(len(line.values), 1)
    shapes = []
    for points in _unbroken(line.values):
        path = " ".join(f"{LEFT + step * (at + 0.5):.1f},{foot - (foot - TOP) * value / top:.1f}" for at, value in points)
        if len(points) == 1:
            x, y = path.split(",")
            shapes.append(f'<circle cx="{x}" cy="{y}" r="2" fill="{colour}"/>')
            continue
        if line.is_filled:
            first, last = (LEFT + step * (points[end][0] + 0.5) for end in (0, -1))
            shapes.append(f'<polygon points="{first:.1f},{foot} {path} {last:.1f},{foot}" fill="{colour}" fill-opacity="0.15"/>')
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.75" stroke-linejoin="round"/>')
    return shapes


def _unbroken(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the runs of known values, with their positions."""
    runs: list[list[tuple[int, float]]] = []
    for at, value in enumerate(values):
        if value is None:
            continue
        if not runs or runs[-1][-1][0] != at - 1:
            runs.append([])
        runs[-1].append((at, value))
    return runs
