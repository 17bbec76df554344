"""Misfires: decide for each due tick whether to run it or to record it as missed; ticks.py writes the decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..rows.vocabulary import Missed, Origin
from ..rules import counting
from ..rules.rules import Rule

#: missed ticks that policy `all` catches up, and that get rows of their own; older ones share one row
MOST = 100
#: policy `all` does not catch up ticks older than this
OLDEST = timedelta(days=1)
#: Lateness that never counts as a misfire: longer than it takes to end a stalled scheduler's transaction (ticks.FROZEN_MS) and for another
#: scheduler to poll.
ALWAYS_ON_TIME = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision about a tick. `covers`: number of ticks it stands for. `reason`: why it does not run, or runs late."""

    tick: datetime
    due_at: datetime
    runs: bool
    origin: Origin = Origin.CLOCK
    reason: str | None = None
    covers: int = 1


def due_ticks(rule: Rule, start: datetime, present: datetime) -> tuple[list[datetime], int]:
    """Return the newest ticks from `start` that are due by now, and the number of older ones."""
    days = list(counting.by_day(rule, start, present))
    since, number = start, 0
    while days and number < MOST + 2:
        since, ticks = days.pop()
        number += ticks
    listed = list(rule.between(since, present))
    if listed and rule.due(listed[-1]) > present:
        listed.pop()  # only the last one may be ahead: no jitter passes the next tick
    newest = listed[-MOST - 1 :]
    return newest, sum(ticks for _, ticks in days) + len(listed) - len(newest)


def judge(rule: Rule, ticks: Sequence[datetime], older: int, present: datetime, *, missed: Missed, grace_s: int) -> list[Decision]:
    """Return one decision per tick, in order; the first one also covers the `older` ticks."""
    grace = max(timedelta(seconds=grace_s), ALWAYS_ON_TIME)
    dues = [rule.due(tick) for tick in ticks]
    late = [present - due > grace for due in dues]
    number_missed = older + sum(late)
    newest_missed = max((index for index, is_late in enumerate(late) if is_late), default=-1)
    decisions = []
    for index, (tick, due) in enumerate(zip(ticks, dues, strict=True)):
        covers = 1 + older if index == 0 else 1
        if not late[index]:
            decisions.append(Decision(tick, due, True, covers=covers))
        elif missed is Missed.ALL and present - due <= OLDEST and index >= len(ticks) - MOST and covers == 1:
            decisions.append(Decision(tick, due, True, Origin.CATCH_UP, "it was missed: no scheduler ran"))
        elif missed is Missed.ONCE and index == newest_missed and all(late):
            stands = "it was missed" if number_missed == 1 else f"stands for {number_missed} missed ticks"
            decisions.append(Decision(tick, due, True, Origin.CATCH_UP, f"{stands}: no scheduler ran", covers=covers))
        else:
            decisions.append(Decision(tick, due, False, reason=_why(missed, late), covers=covers))
    return decisions


def _why(missed: Missed, late: Sequence[bool]) -> str:
    if missed is Missed.SKIP:
        return "no scheduler ran, and missed ticks are skipped"
    if missed is Missed.ALL:
        return f"no scheduler ran, and only {MOST} ticks of the last day are made up for"
    return "no scheduler ran; one later run stands for it"
