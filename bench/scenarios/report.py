"""The tables of the scenarios, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from bench.scenarios.figures import Figures

_TITLES = {
    "steady": "Steady load",
    "pinned": "Pinned reader",
    "killed": "Killed workers",
    "restarted": "Restarted database",
    "burst": "Burst",
}
_HEADS = ("jobs/s", "p50 ms", "p99 ms", "WAL bytes", "commits", "dead tuples", "recovery", "caught up s", "accepted", "lost", "doubled")


def tables(found: Sequence[Figures]) -> str:
    """One table for each scenario; WAL, commits and dead tuples per job."""
    parts = []
    for scenario, title in _TITLES.items():
        rows = [one for one in found if one.scenario == scenario]
        if rows:
            width = max(len(one.side) for one in rows)
            lines = [
                f"| {'':{width}} | {' | '.join(_HEADS)} |",
                f"|-{'-' * width}-|{'|'.join('-' * (len(head) + 1) + ':' for head in _HEADS)}|",
            ]
            lines += [f"| {one.side:{width}} | {' | '.join(_cells(one))} |" for one in rows]
            parts.append(f"**{title}**\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _cells(one: Figures) -> list[str]:
    texts = [
        f"{one.per_second:,.0f}", f"{one.p50_ms:,.0f}", f"{one.p99_ms:,.0f}", _text(one.wal, ",.0f"), _text(one.commits, ".2f"),
        _text(one.died, ".2f"), _text(one.recovery, ".2f"), _text(one.caught_up_s, ".1f", "never" if one.recovery is not None else "–"),
        f"{one.accepted:,}", str(one.lost), str(one.doubled),
    ]  # fmt: skip
    return [text.rjust(len(head)) for text, head in zip(texts, _HEADS, strict=True)]


def _text(value: float | None, form: str, missing: str = "–") -> str:
    return missing if value is None else format(value, form)
