"""Rate limits: how often jobs may start, exact across the whole fleet, without ever blocking a thread.

A limit is a sequence of slots, `spacing` apart. Arriving jobs reserve the next free slots of their key in one statement
(GCRA, a generic cell rate algorithm: the row holds the instant of the next free slot). A job with a future slot waits
as a row until then.

A slot is the earliest start, not the actual one: relays, brokers and commits cause delays, and many late starts could
fall into one window with punctual ones. So actual starts are counted too, by the same algorithm with exactly the slack
that the slots have as margin. `count` + 1 starts therefore never fit into one period, however late each of them was.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from limits import parse_many
from sqlalchemy.orm import Session

from ...formats.quantities import LONGEST
from ...sql.statements import Batch

#: slots are spaced this fraction wider than exact, so that slightly late jobs need not wait again
MARGIN = 0.01
#: for short periods: the minimum total margin of one period's slots in seconds, and the maximum fraction
LEAST_MARGIN_S, GREATEST_MARGIN = 0.05, 0.05
#: Microseconds ahead within which slots are reserved. Later jobs wait without one, so that a cancelled job or an edited limit wastes few
#: slots.
HORIZON_US = 60_000_000
#: microseconds: a slot this close counts as now
CLOSE_US = 5_000

_SHORT = {"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day"}
_UNIT = re.compile(r"(?<=[/\s\d])(s|sec|m|min|h|d)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` starts in any `period_s` seconds."""

    count: int
    period_s: int

    @property
    def spacing_us(self) -> int:
        margin = max(MARGIN, min(GREATEST_MARGIN, LEAST_MARGIN_S / self.period_s))
        return int(self.period_s * 1_000_000 * (1 + margin) / self.count) + 1

    @property
    def slack_us(self) -> int:
        """Slack by which starts may run ahead of their even spacing: with more, one period could contain a start too many."""
        return self.count * self.spacing_us - self.period_s * 1_000_000 - 1

    def __str__(self) -> str:
        return f"{self.count} per {_PERIODS.get(self.period_s) or f'{self.period_s} s'}"


_PERIODS = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}


def waits_for(scope: str, name: str) -> str:
    """Return the `waits_for` of jobs that another limit of this actor, queue or everything delays."""
    return f"rate:{scope}:{name}"[:255]


def parse(text: str) -> tuple[Rate, ...]:
    """Read "10/m", "100/hour;10/minute", "5 per second", "1/2 minutes". Raises ValueError with the cure."""
    spelled = _UNIT.sub(lambda unit: _SHORT[unit.group().lower()], text)
    try:
        rates = tuple(Rate(item.amount, item.get_expiry()) for item in parse_many(spelled))
    except ValueError:
        rates = ()
    if any(rate.period_s > LONGEST.total_seconds() for rate in rates):
        raise ValueError(f"{text!r} spans more than a hundred years: pause the actor or the queue instead")
    if not rates or any(rate.count < 1 for rate in rates):
        raise ValueError(f"{text!r} is not a rate limit: write e.g. 10/m, 100/hour, or 100/h;10/m for both")
    return rates


# The row's next free slot advances by n slots at once; its value before the update is the first of ours.
_RESERVE = Batch(
    {"key": "text", "n": "int", "spacing": "bigint"},
    """
    INSERT INTO rate_limits (key, next_us)
    SELECT d.key, CAST(:now AS bigint) + d.n * d.spacing FROM {rows} WHERE true
    ON CONFLICT (key) DO UPDATE SET next_us =
        CASE WHEN rate_limits.next_us > :now THEN rate_limits.next_us ELSE :now END + (excluded.next_us - :now)
    RETURNING key, next_us
    """,
)
_PEEK = Batch({"key": "text"}, "SELECT rate_limits.key, rate_limits.next_us FROM rate_limits JOIN {rows} ON d.key = rate_limits.key")


@dataclass(frozen=True, slots=True)
class Slot:
    """When a job may start; without a reservation, only a good instant to ask again."""

    at_us: int
    reserved: bool


def reserve(session: Session, wanted: Sequence[tuple[str, int, int]], present_us: int) -> dict[str, list[Slot]]:
    """Reserve slots for (key, how many, spacing in microseconds); return each key's slots in order."""
    wanted = sorted(wanted)
    next_us: dict[str, int] = dict(_PEEK.execute(session, [(key,) for key, _, _ in wanted]))
    taking = []
    for key, count, spacing in wanted:
        ahead = max(0, next_us.get(key, 0) - present_us)
        room = max(0, (HORIZON_US - ahead) // spacing + 1) if ahead < HORIZON_US else 0
        taking.append((key, min(count, room), spacing))
    reserving = [(key, granted, spacing) for key, granted, spacing in taking if granted]
    ends: dict[str, int] = dict(_RESERVE.execute(session, reserving, now=present_us)) if reserving else {}
    slots: dict[str, list[Slot]] = {}
    for (key, count, spacing), (_, granted, _) in zip(wanted, taking, strict=True):
        end = ends.get(key, max(next_us.get(key, 0), present_us))
        first = end - granted * spacing
        slots[key] = [Slot(first + number * spacing, number < granted) for number in range(count)]
    return slots


_HOLD = Batch(
    {"key": "text"},
    """
    INSERT INTO rate_limits (key, next_us) SELECT d.key, 0 FROM {rows} WHERE true
    ON CONFLICT (key) DO UPDATE SET next_us = rate_limits.next_us RETURNING key, next_us
    """,
)
_NOTE = Batch(
    {"key": "text", "next_us": "bigint"},
    "UPDATE rate_limits SET next_us = d.next_us FROM {rows} WHERE rate_limits.key = d.key RETURNING rate_limits.key",
)


class Starts:
    """Start counters of some keys, locked until the transaction ends."""

    def __init__(self, session: Session, keys: Collection[str] = ()) -> None:
        self._session = session
        self._next_us: dict[str, int] = {}
        self._ahead_us: dict[str, int] = {}  # including deferred jobs, so that they do not all come back at once
        self.hold(keys)

    def hold(self, keys: Collection[str], *, with_slots: bool = False) -> None:
        """Lock the counters of more keys, and before these, in the order of all claims, the slots of the keys."""
        if with_slots and keys:
            _HOLD.execute(self._session, [(key,) for key in sorted(keys)])
        lines = sorted({_line(key) for key in keys} - self._next_us.keys())
        held: dict[str, int] = dict(_HOLD.execute(self._session, [(line,) for line in lines])) if lines else {}
        self._next_us |= held
        self._ahead_us |= held

    def admit(self, limits: Sequence[tuple[str, Rate]], present_us: int) -> int | None:
        """Count a start under all these limits, (key, rate). None: it starts now; else when it may (microseconds)."""
        lines = [(_line(key), rate) for key, rate in limits]
        if all(self._next_us[line] - rate.slack_us <= present_us for line, rate in lines):
            for line, rate in lines:
                self._next_us[line] = max(self._next_us[line], present_us) + rate.spacing_us
                self._ahead_us[line] = max(self._ahead_us[line], self._next_us[line])
            return None
        may_us = max(self._ahead_us[line] - rate.slack_us for line, rate in lines)
        for line, rate in lines:
            self._ahead_us[line] = max(self._ahead_us[line], may_us) + rate.spacing_us
        return may_us

    def note(self) -> None:
        """Write the counters back."""
        if self._next_us:
            _NOTE.execute(self._session, sorted(self._next_us.items()))


def _line(key: str) -> str:
    return f"{key}:started"
