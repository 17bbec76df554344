"""The tables: medians of all rounds, absolute and in relation to Callboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from bench.measures import Drain

#: the row that ratios are given against
OWN = "Callboard, PostgreSQL"


@dataclass
class Results:
    """Measurements of one run, round by round."""

    drains: dict[str, list[Drain]] = field(default_factory=dict)
    submits: dict[str, list[float]] = field(default_factory=dict)
    starts: dict[str, list[list[float]]] = field(default_factory=dict)
    results: dict[str, list[list[float]]] = field(default_factory=dict)


def tables(found: Results) -> str:
    """All tables in Markdown, those without rows left out."""
    parts = []
    if found.drains:
        speeds = {name: median(one.per_second for one in drains) for name, drains in found.drains.items()}
        rows = []
        for name, drains in found.drains.items():
            cpu = [median(getattr(one, part) for one in drains) for part in ("worker_cpu", "broker_cpu", "postgresql_cpu")]
            rows.append([name, f"{speeds[name]:,.0f}", _times(speeds.get(OWN), speeds[name]), *(f"{seconds:.3f}" for seconds in cpu)])
        parts.append(_table("Drain", ["", "jobs/s", "Callboard is", "worker CPU", "broker CPU", "PostgreSQL CPU"], rows))
    if found.submits:
        speeds = {name: median(speed) for name, speed in found.submits.items()}
        single, bulk = speeds.get(f"{OWN}, submit"), speeds.get(f"{OWN}, bulk")
        rows = [[name, f"{speed:,.0f}", _times(single, speed), _times(bulk, speed)] for name, speed in speeds.items()]
        parts.append(_table("Submit, one process", ["", "per s", "Callboard's single calls are", "Callboard's bulk is"], rows))
    for title, rounds in (("Idle workers: submit to start", found.starts), ("Idle workers: submit to result read", found.results)):
        if rounds:
            middle = {name: median(median(one) for one in each) for name, each in rounds.items()}
            rows = [
                [
                    name,
                    f"{middle[name]:.2f}",
                    f"{median(_p99(one) for one in each):.2f}",
                    _times(middle.get(OWN), middle[name], digits=2),
                ]
                for name, each in rounds.items()
            ]
            parts.append(_table(title, ["", "p50 ms", "p99 ms", "Callboard's p50 is"], rows))
    return "\n".join(parts)


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100)[98]


def _times(own: float | None, other: float, *, digits: int = 1) -> str:
    return "" if own is None else f"{own / other:.{digits}f} ×"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[index]) for row in [head, *rows]) for index in range(len(head))]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if not index else cell.rjust(width) for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in [head, *rows]
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + ("-" if not index else ":") for index, width in enumerate(widths)) + "|")
    return f"**{title}**\n\n" + "\n".join(lines) + "\n"
