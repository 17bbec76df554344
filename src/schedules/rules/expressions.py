"""Cron expressions: parsed and checked here, evaluated by cronsim in naive local time.

rules.py handles time zones: cronsim skips minutes where clocks change by half an hour, and returns non-existent times
where they change at midnight.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from cronsim import CronSim, CronSimError, explain

from ...jobs.core.errors import JobsError
from ...sql.columns import EPOCH

NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
#: the describer writes 21th
_ORDINAL = re.compile(r"(?<!1)([123])th\b")
#: start of the search: an expression without a tick in cronsim's fifty years from here never ticks
_SOMEWHERE = EPOCH.replace(tzinfo=None, year=2024)


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five fields; `names` stand for the numbers from `low` on."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12, _MONTHS),
    Field("day of week", 0, 7, _WEEKDAYS),
)
_DAY, _WEEKDAY = FIELDS[2], FIELDS[4]


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression. `parts` are its fields in cronsim's syntax."""

    text: str
    parts: tuple[str, ...]
    #: True if both the day of month and the day of week must match: one of them begins with a star
    needs_both_days: bool
    #: True if neither minute nor hour begins with a star: a change of clocks then neither loses nor doubles a tick
    is_fixed: bool

    def after(self, naive: datetime) -> Iterator[datetime]:
        """Yield the naive local times of ticks later than `naive`, ascending; ends if none comes within fifty years."""
        return iter(self._simulation(naive))

    def number_on(self, day: date) -> int:
        """Return the number of ticks on a local day on which clocks do not change."""
        engine = self._simulation(_SOMEWHERE)
        return len(engine.minutes) * len(engine.hours) if day.month in engine.months and engine.match_day(day) else 0

    @property
    def words(self) -> str:
        """Describe the expression in English, from the numbers that match and not from its spelling."""
        engine = self._simulation(_SOMEWHERE)
        numbers: tuple[Collection[Any], ...] = (engine.minutes, engine.hours, engine.days, engine.months, engine.weekdays)
        spoken = [_spoken(field, part, each) for field, part, each in zip(FIELDS, self.parts, numbers, strict=True)]
        if not self.needs_both_days and "*" in (spoken[2], spoken[4]):
            spoken[2] = spoken[4] = "*"  # one of the two is enough, and one matches every day
        sentence = explain.Expression(spoken)
        sentence.day_and = self.needs_both_days
        return _ORDINAL.sub(lambda found: found[1] + {"1": "st", "2": "nd", "3": "rd"}[found[1]], sentence.explain())

    def _simulation(self, naive: datetime) -> CronSim:
        simulation = CronSim(" ".join(self.parts), naive)
        simulation.day_and = self.needs_both_days  # cronsim looks for a star, which a list lacks
        return simulation


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Parse an expression; raises JobsError naming the field and the reason."""
    expression = text.strip().lower()
    if expression.startswith("@"):
        expression = _expand(expression)
    written = expression.split()
    if len(written) != 5:
        raise _refused(
            f"{text.strip()!r} has {len(written)} fields; write five: minute, hour, day of month, month, day of week, e.g. 0 6 * * mon-fri"
            + (". For seconds use an interval" if len(written) == 6 else "")
        )
    parts = tuple(_read(field, part) for field, part in zip(FIELDS, written, strict=True))
    found = Expression(
        text=text.strip(),
        parts=parts,
        needs_both_days=written[2].startswith("*") or written[4].startswith("*"),
        is_fixed=not written[0].startswith("*") and not written[1].startswith("*"),
    )
    try:
        if next(found.after(_SOMEWHERE), None) is None:
            raise CronSimError
    except CronSimError:
        raise _refused(f"no year has a day such as {text.strip()!r} names, so it would never run", _DAY) from None
    return found


def _spoken(field: Field, part: str, numbers: Collection[Any]) -> str:
    """The field for the describer: a star if every number matches, an even step, a range, else a list in its written order."""
    if not all(isinstance(each, int) and each >= 0 for each in numbers):
        return part  # the last day, the second Friday: as written
    found = sorted({each % 7 if field is _WEEKDAY else each for each in numbers})
    width = field.high - field.low + (0 if field is _WEEKDAY else 1)
    if len(found) == width:
        return "*"
    step = found[1] - found[0] if len(found) > 1 else 0
    if field in FIELDS[:2] and found == list(range(0, width, step or width)) and width % (step or 1) == 0 and step:
        return f"*/{step}"
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{found[0]}-{found[-1]}"
    written = [int(each) for each in part.split(",")] if part.replace(",", "").isdigit() else found
    return ",".join(str(each) for each in written)


def _expand(name: str) -> str:
    if name in NAMED:
        return NAMED[name]
    if name.startswith("@every"):
        raise _refused("@every is not a cron expression: use an interval such as 5m")
    if name == "@reboot":
        raise _refused("@reboot names no instant: nothing here is tied to one machine's start")
    raise _refused(f"there is no {name!r}; there is {', '.join(NAMED)}")


def _read(field: Field, text: str) -> str:
    """The field for cronsim: as written if cronsim agrees, else a list of numbers."""
    items = [item for part in text.split(",") for item in _read_part(field, part)]
    if text == "*":
        return "*"
    if any(not item.isdigit() for item in items):
        return ",".join(dict.fromkeys(items))
    plain = _plain(field, text)
    return plain if plain is not None else ",".join(str(number) for number in dict.fromkeys(int(item) for item in items))


def _plain(field: Field, text: str) -> str | None:
    """The text with numbers, if it is one range that does not wrap or one step over all: both are more readable than their lists."""
    if "," in text:
        return None
    span, slash, step = text.partition("/")
    if span == "*":
        return text if field is not _WEEKDAY or not slash else None
    low, dash, high = span.partition("-")
    if not dash:
        return None
    first, last = _number(field, low), _number(field, high)
    return f"{first}-{last}{slash}{step}" if first < last else None


def _read_part(field: Field, part: str) -> list[str]:
    if not part:
        raise _refused("an empty part", field)
    if special := _special(field, part):
        return [special]
    span, slash, step_text = part.partition("/")
    step = _step(field, step_text) if slash else 1
    if span == "*":
        values = list(range(field.low, field.high + (0 if field is _WEEKDAY else 1)))
    elif "-" in span:
        low, _, high = span.partition("-")
        values = _range(field, _number(field, low), _number(field, high))
    else:
        first = _number(field, span)
        values = list(range(first, field.high + 1)) if slash else [first]
    return [str(value % 7 if field is _WEEKDAY else value) for value in values[::step]]


def _range(field: Field, first: int, last: int) -> list[int]:
    if first <= last:
        return list(range(first, last + 1))
    if field is _WEEKDAY:
        first %= 7  # for a range from Sunday written as 7
        return list(range(first, last + 1)) if first <= last else [*range(first, 7), *range(last + 1)]
    return [*range(first, field.high + 1), *range(field.low, last + 1)]


def _special(field: Field, part: str) -> str | None:
    """Write `L`, `LW`, `5L` or `fri#2` in cronsim's syntax."""
    if field is _DAY and part in ("l", "lw"):
        return part.upper()
    if field is not _WEEKDAY:
        return None
    day, hash_sign, nth = part.partition("#")
    if hash_sign:
        if nth not in ("1", "2", "3", "4", "5"):
            raise _refused(f"{part!r}: behind # stands which one of the month, 1 to 5", field)
        return f"{_number(field, day) % 7}#{nth}"
    if part.endswith("l") and part[:-1]:
        return f"{_number(field, part[:-1]) % 7}L"
    return None


def _step(field: Field, text: str) -> int:
    step = int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else 0
    if step < 1:
        raise _refused(f"{text!r} is not a step; write for instance */5", field)
    span = field.high - field.low + (0 if field is _WEEKDAY else 1)
    if step > span:
        raise _refused(f"a step of {step} is longer than the whole field, so it would restart every time; use an interval", field)
    return step


def _number(field: Field, text: str) -> int:
    for index, name in enumerate(field.names):
        if text in (name, name[:3]):
            return index + field.low
    if not text.isascii() or not text.isdecimal() or len(text) > 4:
        names = f" or a name such as {field.names[1][:3]}" if field.names else ""
        raise _refused(f"{text!r} is neither a number from {field.low} to {field.high}{names} nor a range, a list or a step of them", field)
    if not field.low <= int(text) <= field.high:
        raise _refused(f"{int(text)} does not lie between {field.low} and {field.high}", field)
    return int(text)


def _refused(reason: str, field: Field | None = None) -> JobsError:
    return JobsError(f"{field.title}: {reason}." if field else f"{reason[0].upper()}{reason[1:]}.", field="cron")
