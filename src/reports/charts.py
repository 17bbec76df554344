"""Charts as SVG: one drawing for page, PDF and picture, in the colours of its medium."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from .document import Chart, Tone
from .numbers import exact

#: colour variables of the console's stylesheet, which handles light and dark
ON_PAGE = {name: f"var(--{name})" for name in ("text", "muted", "line", *(tone.value for tone in Tone))} | {"dead": "var(--dead-tint)"}
#: the same on white paper and in mail
ON_PAPER = {
    "text": "#1b1f24", "muted": "#57606a", "line": "#d0d7de", "accent": "#1f4fbf", "succeeded": "#2a8f6d", "failed": "#c4384b", "dead": "#7a0f1f",
    "retrying": "#c98216", "queued": "#7d8a99", "scheduled": "#7a5cd0",
}  # fmt: skip
Palette = dict[str, str]
WIDTH = 680
HEIGHT = 220
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 30, 24
_ROW = 26
#: pixels of a PNG per unit of the drawing, for high-resolution screens
ZOOM = 2
_FONTS = "'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', 'DejaVu Sans', Arial, sans-serif"


def svg(
    chart: Chart, palette: Palette, *, id: str = "chart", marks: Sequence[tuple[float, str]] = (), period: tuple[int, int] | None = None
) -> str:
    """Draw the chart as an SVG document, with its numbers as text for screen readers.

    `marks`: labelled lines at instants, as fractions of the width. `period`: its ends in seconds since 1970, for scripts.
    """
    height, shapes = _columns(chart, palette, marks) if chart.shape == "columns" else _bars(chart, palette)
    return frame(in_words(chart), shapes, height=height, id=id, period=period)


def frame(title: str, shapes: Sequence[str], *, height: int = HEIGHT, id: str = "chart", period: tuple[int, int] | None = None) -> str:
    """Return the SVG document of these shapes."""
    ends = f' data-since="{period[0]}" data-until="{period[1]}" data-left="{LEFT}" data-right="{WIDTH - RIGHT}"' if period else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-labelledby="{id}-title" font-family="{_FONTS}" font-size="11"{ends}>'
        f'<title id="{id}-title">{escape(title)}</title>{"".join(shapes)}</svg>'
    )


def png(chart: Chart) -> bytes:
    """Render the chart as a PNG on white, for mail programs, which show no SVG."""
    import resvg_py  # imported late: only a process that draws pictures needs it

    return bytes(resvg_py.svg_to_bytes(svg_string=svg(chart, ON_PAPER), background="#ffffff", zoom=ZOOM, sans_serif_family="DejaVu Sans"))


def in_words(chart: Chart) -> str:
    """Describe the chart's numbers in one line."""
    unit = f" {chart.unit}" if chart.unit else ""
    if chart.is_empty:
        return f"{chart.title}: {chart.nothing}"
    if len(chart.series) == 1:
        pairs = zip(chart.labels, chart.series[0].values, strict=True)
        return f"{chart.title}: " + ", ".join(f"{label} {exact(value)}{unit}" for label, value in pairs)
    totals = ", ".join(f"{series.name} {exact(sum(series.values))}" for series in chart.series)
    lines = []
    for at, label in enumerate(chart.labels):
        there = [f"{series.name} {exact(series.values[at])}" for series in chart.series if series.values[at]]
        if there:
            lines.append(f"{label} {' and '.join(there)}")
    return f"{chart.title}: total {totals}{unit}; {', '.join(lines)}"


def _columns(chart: Chart, palette: Palette, marks: Sequence[tuple[float, str]] = ()) -> tuple[int, list[str]]:
    wide = WIDTH - LEFT - RIGHT
    ticks = round_ticks(*_extent(chart))
    shapes = [*_legend(chart, palette), *axis(ticks, palette)]
    step = wide / max(len(chart.labels), 1)
    width = max(min(step * 0.78, 44), 1)
    for at in range(len(chart.labels)):
        x, above, below = LEFT + step * at + (step - width) / 2, _height(0, ticks), _height(0, ticks)
        for series in chart.series:
            value = series.values[at]
            if value:
                # At least a thin line: one failure among thousands must be visible.
                tall = max(abs(_height(value, ticks) - _height(0, ticks)), 1.5)
                above, y, below = (above - tall, above - tall, below) if value > 0 else (above, below, below + tall)
                shapes.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{tall:.1f}" fill="{palette[series.tone.value]}"/>'
                )
    return HEIGHT, [*shapes, *time_labels(chart.labels, palette), *mark_lines(marks, palette)]


def _extent(chart: Chart) -> tuple[float, float]:
    """Return the highest and the lowest end of the chart's stacks, of which one goes up from 0 and one down."""
    stacks = [[series.values[at] for series in chart.series] for at in range(len(chart.labels))]
    return (
        max((sum(value for value in stack if value > 0) for stack in stacks), default=0),
        min((sum(value for value in stack if value < 0) for stack in stacks), default=0),
    )


def _height(value: float, ticks: Sequence[float]) -> float:
    """Return where a value lies between the lowest and the highest tick."""
    return TOP + (HEIGHT - TOP - BOTTOM) * (ticks[-1] - value) / (ticks[-1] - ticks[0])


def axis(ticks: Sequence[float], palette: Palette, write: Callable[[float], str] | None = None) -> list[str]:
    """Draw the horizontal lines of these values, with their numbers."""
    shapes = []
    for tick in ticks:
        y = _height(tick, ticks)
        shapes.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{palette["line"]}" stroke-width="1"/>')
        text = (write or _tick_text)(tick)
        shapes.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{palette["muted"]}">{escape(text)}</text>')
    return shapes


def time_labels(labels: Sequence[str], palette: Palette) -> list[str]:
    """Draw the labels below the columns, as many as fit."""
    wide = WIDTH - LEFT - RIGHT
    step = wide / max(len(labels), 1)
    every = math.ceil(len(labels) * _text_width(max(labels, key=len, default="")) / wide * 1.25) or 1
    return [
        f'<text x="{LEFT + step * (at + 0.5):.1f}" y="{HEIGHT - 7}" text-anchor="middle" fill="{palette["muted"]}">{escape(label)}</text>'
        for at, label in enumerate(labels)
        if at % every == 0
    ]


def mark_lines(marks: Sequence[tuple[float, str]], palette: Palette) -> list[str]:
    """Draw labelled lines at instants, given as fractions of the width."""
    shapes = []
    for part, said in marks:
        x = LEFT + (WIDTH - LEFT - RIGHT) * part
        shapes.append(
            f'<g><title>{escape(said)}</title><line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{HEIGHT - BOTTOM}" stroke="{palette["accent"]}" '
            f'stroke-width="1.5" stroke-dasharray="3 3"/><text x="{x + 3:.1f}" y="{TOP - 2}" fill="{palette["accent"]}">▼</text></g>'
        )
    return shapes


def _bars(chart: Chart, palette: Palette) -> tuple[int, list[str]]:
    longest_label = min(max((_text_width(label) for label in chart.labels), default=0) + 12, 240)
    totals = [sum(series.values[at] for series in chart.series) for at in range(len(chart.labels))]
    value_texts = [f"{exact(total)}{' ' + chart.unit if chart.unit else ''}" for total in totals]
    room = WIDTH - longest_label - max((_text_width(text) for text in value_texts), default=0) - 16
    most, least = _extent(chart)
    scale = room / ((most - least) or 1)
    named = len(chart.series) > 1
    shapes = _legend(chart, palette) if named else []
    first = TOP if named else 6
    for at, label in enumerate(chart.labels):
        y = first + at * _ROW
        left = right = longest_label - least * scale
        shapes.append(
            f'<text x="{longest_label - 8:.1f}" y="{y + 16}" text-anchor="end" fill="{palette["text"]}">{escape(_shortened(label, longest_label))}</text>'
        )
        for series in chart.series:
            value = series.values[at]
            if value:
                long = max(abs(value) * scale, 1.5)
                left, x, right = (left, right, right + long) if value > 0 else (left - long, left - long, right)
                shapes.append(f'<rect x="{x:.1f}" y="{y + 4}" width="{long:.1f}" height="{_ROW - 9}" fill="{palette[series.tone.value]}"/>')
        shapes.append(f'<text x="{right + 6:.1f}" y="{y + 16}" fill="{palette["muted"]}">{escape(value_texts[at])}</text>')
    return first + len(chart.labels) * _ROW + 6, shapes


def _legend(chart: Chart, palette: Palette) -> list[str]:
    if len(chart.series) == 1:
        unit = f", {chart.unit}" if chart.unit else ""
        return [f'<text x="{LEFT}" y="15" fill="{palette["muted"]}">{escape(chart.series[0].name + unit)}</text>']
    return legend([(f"{series.name} {exact(sum(series.values))}", series.tone) for series in chart.series], palette)


def legend(entries: Sequence[tuple[str, Tone]], palette: Palette) -> list[str]:
    """Draw the names of the series with their colours."""
    shapes, x = [], float(LEFT)
    for text, tone in entries:
        shapes.append(f'<rect x="{x:.1f}" y="6" width="10" height="10" rx="2" fill="{palette[tone.value]}"/>')
        shapes.append(f'<text x="{x + 15:.1f}" y="15" fill="{palette["text"]}">{escape(text)}</text>')
        x += 15 + _text_width(text) + 18
    return shapes


def round_ticks(most: float, least: float = 0) -> Sequence[float]:
    """Return about four round numbers from at most `least` to at least `most`; 0 is one of them."""
    rough = (most - least) / 4
    if rough <= 0:
        return (0, 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    if rough >= 1:
        step = max(1, step)
        step = step if float(step).is_integer() else math.ceil(step)
    return [step * number for number in range(math.floor(least / step), math.ceil(most / step) + 1)]


def _tick_text(tick: float) -> str:
    if abs(tick) >= 1_000_000:
        return f"{tick / 1_000_000:g} M"
    return f"{tick / 1000:g} k" if abs(tick) >= 10_000 else exact(tick)


def _text_width(text: str) -> float:
    """Estimate the width of a text at the charts' font size, a little high because no font is measured."""
    return len(text) * 6.2


def _shortened(label: str, room: float) -> str:
    most = int((room - 12) / 6.2) + 1
    return label if len(label) <= most else label[: most - 1] + "…"
