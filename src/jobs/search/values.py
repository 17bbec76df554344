"""Values of search terms: numbers, durations, instants, each with a comparison or a range; and names with `*`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, and_, cast, func, true, type_coerce

from ...formats.quantities import LONGEST, parse_units, spell_units
from ...settings import get_settings

T = TypeVar("T")

_COMPARED = re.compile(r"(>=|<=|>|<)(.+)", re.DOTALL)
_MORE = {">": "more than", ">=": "at least", "<": "less than", "<=": "at most"}
_LATER = {">": "later than", ">=": "no earlier than", "<": "earlier than", "<=": "no later than"}
#: earlier and later than any job
FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9989, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span(Generic[T]):
    """A range from `low` to `high`; None: open. Each end may be inclusive or exclusive."""

    low: T | None = None
    high: T | None = None
    has_low: bool = True
    has_high: bool = True

    def condition(self, value: Any, convert: Callable[[T], Any] = lambda each: each) -> ColumnElement[bool]:
        """Return the SQL condition that a value lies in the range."""
        parts = []
        if self.low is not None:
            parts.append(value >= convert(self.low) if self.has_low else value > convert(self.low))
        if self.high is not None:
            parts.append(value <= convert(self.high) if self.has_high else value < convert(self.high))
        return and_(true(), *parts)


def span(text: str, read: Callable[[str], T]) -> Span[T]:
    """Parse `>5`, `>=5`, `<5`, `5..9`, `5..`, `..9`, or one value."""
    compared = _COMPARED.fullmatch(text)
    if compared:
        sign, limit = compared.groups()
        value = read(limit)
        return Span(low=value, has_low="=" in sign) if sign.startswith(">") else Span(high=value, has_high="=" in sign)
    if ".." in text:
        low, _, high = text.partition("..")
        if not low and not high:
            raise ValueError("give at least one end of the range")
        return Span(read(low) if low else None, read(high) if high else None)
    value = read(text)
    return Span(value, value)


def whole_number(text: str) -> int:
    """Parse a number such as 3."""
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise ValueError("give a whole number, e.g. 3, >1 or 2..5")
    return int(text)


def duration(text: str) -> timedelta:
    """Parse a duration such as 5s, 1m30s, 250ms."""
    seconds = parse_units(text)
    if seconds is None:
        raise ValueError("give a duration with its unit, e.g. >5s, <250ms or 1m..1h30m")
    if seconds > LONGEST.total_seconds():
        raise ValueError("that is more than a hundred years")
    return timedelta(seconds=seconds)


def instants(text: str, present: datetime) -> Span[datetime]:
    """Parse `2026-11-01` (that day), `2026-11-01..2026-11-03`, `>2026-11-01T10:00`, `2h` (the last two hours), `<1d` (longer than a day ago).

    Relative ones count from `present`.
    """
    compared = _COMPARED.fullmatch(text)
    if compared:
        sign, limit = compared.groups()
        begin, end = _instant(limit, present)
        # "later than a day" means after its end
        is_day, with_it = end > begin, "=" in sign
        if sign.startswith(">"):
            return Span(low=begin if with_it or not is_day else end, has_low=with_it or is_day)
        return Span(high=end if with_it and is_day else begin, has_high=with_it and not is_day)
    if ".." in text:
        low, _, high = text.partition("..")
        if not low and not high:
            raise ValueError("give at least one end of the range")
        first, _ = _instant(low, present) if low else (None, None)
        begin_of_last, last = _instant(high, present) if high else (None, None)
        return Span(first, last, has_high=begin_of_last == last)
    begin, end = _instant(text, present)
    if parse_units(text) is not None:
        return Span(low=begin)
    return Span(begin, end, has_high=end == begin)


def amount_in_words(text: str) -> str:
    """Describe a number or duration: `>5s` is "more than 5 s"."""
    return _in_words(text, _MORE, spell_units, "{} to {}")


def time_in_words(text: str, *, may_come: bool = False) -> str:
    """Describe an instant: `24h` is "in the last 24 h", unless it may come: then the future belongs to it."""
    if parse_units(text) is not None:
        return _in_words(f">={text}", _LATER, _ago, "") if may_come else f"in the last {spell_units(text)}"
    if _COMPARED.fullmatch(text) or ".." in text:
        return _in_words(text, _LATER, _ago, "from {} to {}")
    return text if not text[:1].isdigit() else f"at {text}" if "T" in text else f"on {text}"


def _ago(text: str) -> str:
    return text if parse_units(text) is None else f"{spell_units(text)} ago"


def _in_words(text: str, signs: dict[str, str], say: Callable[[str], str], between: str) -> str:
    compared = _COMPARED.fullmatch(text)
    if compared:
        return f"{signs[compared[1]]} {say(compared[2])}"
    low, dots, high = text.partition("..")
    if dots and low and high:
        return between.format(say(low), say(high))
    return f"{signs['>=' if low else '<=']} {say(low or high)}" if dots else say(text)


def _instant(text: str, present: datetime) -> tuple[datetime, datetime]:
    """Parse an instant or a day; return its begin and end, in the zone of the pages unless it names its own."""
    zone = ZoneInfo(get_settings().timezone)
    try:
        if parse_units(text) is not None:
            moment = present - duration(text)
            return moment, moment
        if text in ("today", "yesterday"):
            day = present.astimezone(zone).date() - timedelta(days=int(text == "yesterday"))
            return _day(day, zone)
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return _day(date.fromisoformat(text), zone)
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
        return _bounded(moment), _bounded(moment)
    except (ValueError, OverflowError):
        raise ValueError(
            "give a day (2026-11-01, today), an instant (2026-11-01T10:00), how long ago (2h), or a range (2026-11-01..2026-11-03)"
        ) from None


def _day(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    begin, end = (_bounded(datetime.combine(each, time(), zone)) for each in (day, day + timedelta(days=1)))
    return begin, end


def _bounded(moment: datetime) -> datetime:
    """Convert to UTC, clamped at the ends of the calendar, where arithmetic overflows."""
    return FIRST if moment.year < FIRST.year else LAST if moment.year > LAST.year else moment.astimezone(UTC)


def like(column: Any, value: str) -> ColumnElement[bool]:
    """Condition: a column equals this name, in which `*` matches anything."""
    if "*" not in value:
        return column == value  # type: ignore[no-any-return]
    return column.like(escaped(value).replace("*", "%"), escape="\\")  # type: ignore[no-any-return]


def escaped(value: str) -> str:
    """Escape LIKE's wildcards with a backslash."""
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def microseconds(column: Any, *, is_sqlite: bool) -> Any:
    """Convert an SQL instant to microseconds since 1970."""
    return type_coerce(column, BigInteger) if is_sqlite else cast(func.extract("epoch", column) * 1_000_000, BigInteger)
