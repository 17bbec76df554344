"""Charts of a time range, each with its numbers for a table, and sparklines for lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask, g
from markupsafe import Markup, escape

from ....formats.quantities import number, span
from ....jobs.core.states import State
from ....jobs.read import histograms
from ....jobs.read.memory import Sample
from ....operations.fleet.figures.history import OUTCOMES, History
from ....operations.format.instants import write_instant
from ....operations.format.time_ranges import TimeRange
from ....reports import charts, line_charts
from ....reports.document import Chart, Series, Tone
from ....reports.line_charts import Line
from ...http import cookies

#: size of a sparkline
WIDTH, HEIGHT = 96, 20
#: height of the smallest value that is not 0
LEAST = 1.5
_TONES = {State.SUCCEEDED: Tone.GOOD, State.DEAD: Tone.WORSE, State.CANCELLED: Tone.OTHER, State.EXPIRED: Tone.QUIET}


@dataclass(frozen=True, slots=True)
class Row:
    """Numbers of one column: its label, the URL parameters that show it alone, and a text for each series."""

    label: str
    parameters: dict[str, str]
    cells: list[str]


@dataclass(frozen=True, slots=True)
class TimeChart:
    """A chart and its numbers; `rows`: only columns with a value."""

    title: str
    svg: Markup
    names: list[str]
    rows: list[Row]


def labels(period: TimeRange) -> list[str]:
    """The label of each column, in the zone of the page."""
    return [label for label, _ in _columns(period)]


def _columns(period: TimeRange) -> list[tuple[str, dict[str, str]]]:
    """The label and the URL parameters of each column, which all charts of a page share."""
    if "chart_columns" not in g or g.chart_columns[0] != period:
        length, zone = period.last - period.first, cookies.zone()
        form = "%H:%M" if length <= timedelta(days=1, hours=1) else "%a %H:%M" if length <= timedelta(days=3) else "%d %b"
        begins = [*period.columns, period.last]
        written = [write_instant(at) for at in begins]
        named = [at.astimezone(zone).strftime(form) for at in begins]
        g.chart_columns = (
            period,
            [(label, {"from": begin, "until": end}) for label, begin, end in zip(named, written, written[1:], strict=False)],
        )
    found: list[tuple[str, dict[str, str]]] = g.chart_columns[1]
    return found


def every(history: History, *, depths: bool = True) -> list[TimeChart]:
    """The charts of a page. `depths`: with those of queues."""
    drawn = [throughput(history), durations(history, "runs", "Run time"), durations(history, "waits", "Wait before the start")]
    if not depths:
        return drawn
    queued = [float(each.queued) for each in history.depths]
    running = [float(each.running) for each in history.depths]
    oldest = [each.oldest_s for each in history.depths]
    return [
        *drawn,
        _lines(history, "Queued jobs", [Line("queued", Tone.QUIET, queued, is_filled=True)], number),
        _lines(history, "Running jobs", [Line("running", Tone.PLAIN, running, is_filled=True)], number),
        _lines(history, "Age of the oldest queued job", [Line("oldest", Tone.WARNING, oldest, is_filled=True)], _span),
    ]


def throughput(history: History) -> TimeChart:
    """Ended jobs by outcome; outcomes that did not occur are left out, but for succeeded and dead."""
    shown = [state for state in OUTCOMES if history.counts[state] or state in (State.SUCCEEDED, State.DEAD)]
    values = {state: tuple(float(each.jobs.get(state, 0)) for each in history.ended) for state in shown}
    period = history.period
    chart = Chart(
        title=f"Finished jobs, {period.label}", labels=tuple(labels(period)), nothing="No finished jobs.",
        series=tuple(Series(name=state, tone=_TONES[state], values=values[state]) for state in shown),
    )  # fmt: skip
    drawn = charts.svg(chart, charts.ON_PAGE, id="chart-finished-jobs", marks=_marks(history), period=_ends(period))
    return TimeChart("Finished jobs", Markup(drawn), [*shown], _rows(period, [values[state] for state in shown], number))


def durations(history: History, of: str, title: str) -> TimeChart:
    """Median and 95th percentile of waits or runs."""
    found = [[histograms.quantile(getattr(each, of), part) for each in history.ended] for part in (0.5, 0.95)]
    return _lines(history, title, [Line("median", Tone.PLAIN, found[0]), Line("p95", Tone.OTHER, found[1])], _span)


def memory(period: TimeRange, samples: Sequence[Sample | None], deploys: list[tuple[datetime, str]]) -> list[TimeChart]:
    """A worker's memory, and the jobs that it had done."""
    history = History(period, [], [], deploys)
    resident = [None if each is None else each.memory_bytes / 1e6 for each in samples]
    done = [None if each is None else float(each.jobs_done) for each in samples]
    return [
        _lines(history, "Memory", [Line("MB", Tone.PLAIN, resident, is_filled=True)], lambda value: number(value, decimals=1)),
        _lines(history, "Jobs since its start", [Line("jobs", Tone.QUIET, done)], number),
    ]


def _lines(history: History, title: str, lines: list[Line], write: Callable[[float], str]) -> TimeChart:
    period = history.period
    greatest = [max((value for value in line.values if value is not None), default=0) for line in lines]
    words = ", ".join(f"{line.name} at most {write(most)}" for line, most in zip(lines, greatest, strict=True))
    id = f"chart-{title.lower().replace(' ', '-')}"
    drawn = line_charts.svg(
        f"{title}, {period.label}: {words}", labels(period), lines, charts.ON_PAGE, write=_on_axis if write is _span else None, id=id, marks=_marks(history), period=_ends(period),
    )  # fmt: skip
    return TimeChart(title, Markup(drawn), [line.name for line in lines], _rows(period, [line.values for line in lines], write))


def _rows(period: TimeRange, series: Sequence[Sequence[float | None]], write: Callable[[float], str]) -> list[Row]:
    rows = []
    for (label, ends), values in zip(_columns(period), zip(*series, strict=True), strict=True):
        if any(values):
            rows.append(Row(label, ends, ["" if value is None else write(value) for value in values]))
    return rows


def _marks(history: History) -> list[tuple[float, str]]:
    first, length = history.period.first, history.period.last - history.period.first
    zone = cookies.zone()
    return [((at - first) / length, f"{version} deployed {at.astimezone(zone):%d %b %H:%M}") for at, version in history.deploys]


def _ends(period: TimeRange) -> tuple[int, int]:
    return int(period.first.timestamp()), int(period.last.timestamp())


def _on_axis(seconds: float) -> str:
    """Write a duration in one unit, short enough for the axis of a chart."""
    for unit, length in (("d", 172_800), ("h", 7_200), ("min", 120), ("s", 1)):
        if seconds >= length:
            return f"{seconds / {'d': 86_400, 'h': 3_600, 'min': 60, 's': 1}[unit]:.3g} {unit}"
    return f"{seconds * 1000:.3g} ms" if seconds else "0"


def _span(seconds: float) -> str:
    return span(seconds) if seconds else "0"


def spark(values: Sequence[float], label: str, *, bad: Sequence[float] = (), tone: str = "") -> Markup:
    """Draw columns, oldest first. `bad`: the failed part of each value, drawn at its foot in red. `label` says the numbers; `tone`: bad."""
    step, most = WIDTH / max(len(values), 1), max(values, default=0) or 1
    width = max(step - 1, 0.5)

    def path(heights: Sequence[float], kind: str) -> Markup:
        columns = [(number, max((HEIGHT - 1) * each / most, LEAST)) for number, each in enumerate(heights) if each > 0]
        shape = "".join(f"M{number * step:.1f} {HEIGHT - 1}v-{tall:.1f}h{width:.1f}v{tall:.1f}z" for number, tall in columns)
        return Markup('<path class="{}" fill="currentcolor" d="{}"/>').format(kind, shape) if shape else Markup()

    return Markup(
        '<svg class="spark {tone}" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        '<path class="base" d="M0 {base}h{w}"/>{all}{bad}</svg>'
    ).format(tone=tone, w=WIDTH, h=HEIGHT, base=HEIGHT - 0.5, label=escape(label), all=path(values, "all"), bad=path(bad, "bad"))


def init(app: Flask) -> None:
    """Register the function for templates."""
    app.jinja_env.globals["spark"] = spark
