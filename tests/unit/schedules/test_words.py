"""The ticks of a rule match its description: for generated expressions, on each day of the next two years."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from itertools import islice, takewhile

import pytest
from hypothesis import strategies as st

from src.jobs.core.errors import JobsError
from src.schedules.rules import expressions
from src.schedules.rules.preview import words
from src.schedules.rules.rules import Rule
from tests.harness.parameters import amounts, check
from tests.harness.schedules import at

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9}
_START = at(2026, 1, 1).replace(tzinfo=None)


def _parts(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    value = number | st.sampled_from(names) if names else number
    span = st.just("*") | value | st.builds("{}-{}".format, value, value) | st.just(f"{low}-{high}")
    stepped = span | st.builds("{}/{}".format, span, st.integers(1, 9))
    return stepped | st.lists(stepped, min_size=2, max_size=3).map(",".join)


_EXPRESSIONS = st.builds(
    "{} {} {} {} {}".format, _parts(0, 59), _parts(0, 23), _parts(1, 31), _parts(1, 12, ("jan", "oct")), _parts(0, 7, ("mon", "fri", "sun"))
)


@amounts
def test_the_days_that_the_words_name_are_those_that_tick(cases: int) -> None:
    check(cases, _same_days, text=_EXPRESSIONS)


@pytest.mark.parametrize(
    "text",
    [
        "0 0 1-31 * mon",
        "0 0 *,5 * mon",
        "0 0 */7 * *",
        "0 0 */2 * mon",
        "0 0 1 * 0-7",
        "0 0 21,22,23,31 * *",
        "0 6 1 */2 *",
        "0 0 1,15 * fri",
    ],
)
def test_and_of_expressions_that_read_otherwise(text: str) -> None:
    _same_days(text)


def test_a_field_that_fits_every_day_leaves_no_weekday_to_name() -> None:
    assert words(Rule(cron="0 0 1-31 * mon")) == "At 00:00 every day (UTC)"
    assert words(Rule(cron="0 0 */7 * *")) == "At 00:00 on the first, the eighth, the 15th, the 22nd, and the 29th day of month (UTC)"


def _same_days(text: str) -> None:
    try:
        expression = expressions.parse(text)
    except JobsError:
        return
    end = _START + timedelta(days=800)
    ticks = set()
    instant = _START - timedelta(seconds=1)
    while (tick := next(expression.after(instant), None)) is not None and tick < end:
        ticks.add(tick.date())
        instant = datetime.combine(tick.date() + timedelta(days=1), datetime.min.time()) - timedelta(seconds=1)
    claimed = _claim(expression.words)
    assert ticks == {day for day in (_START.date() + timedelta(days=n) for n in range(800)) if claimed(day)}, expression.words


def _claim(said: str):  # type: ignore[no-untyped-def]
    """Read the words as a statement about a day."""
    said = re.sub(r" of every hour.*?(?= on | in |$)", "", said)
    weekdays = _named(said, _DAYS)
    months = _named(said, _MONTHS)
    numbers = {_ORDINALS[word] for word in re.findall(rf"the ({'|'.join(_ORDINALS)})\b", said)} | {
        int(n) for n in re.findall(r"the (\d+)(?:st|nd|rd|th)", said)
    }
    for low, high in re.findall(r"day of month from (\d+) through (\d+)", said):
        numbers |= set(range(int(low), int(high) + 1))
    numbers |= {int(n) for n in re.findall(rf"(?:{'|'.join(_MONTHS)}) (\d+)$", said)}

    def claimed(day: date) -> bool:
        if months and day.month - 1 not in months:
            return False
        of_week, of_month = day.weekday() in weekdays, day.day in numbers
        if weekdays and numbers:
            return of_week and of_month if " if it's " in said else of_week or of_month
        return of_week if weekdays else of_month if numbers else True

    return claimed


def _named(said: str, names: list[str] | tuple[str, ...]) -> set[int]:
    found = {number for number, name in enumerate(names) if name in said}
    for low, high in re.findall(rf"({'|'.join(names)}) through ({'|'.join(names)})", said):
        at = names.index(low)
        while names[at] != high:
            found.add(at)
            at = (at + 1) % len(names)
    return found


@pytest.mark.parametrize(
    "rule",
    [
        Rule(every_s=14 * 86_400, starts_at=at(2026, 11, 30, 9)),
        Rule(every_s=7, starts_at=at(2026, 3, 1, 1, 0, 5) + timedelta(microseconds=5)),
        Rule(every_s=3600),
    ],
)
def test_an_interval_is_counted_from_its_start(rule: Rule) -> None:
    begin = rule.starts_at or at(1970, 1, 1)
    ticks = list(islice(rule.ticks(begin - timedelta(microseconds=1)), 50))
    assert ticks == [begin + number * timedelta(seconds=rule.every_s or 0) for number in range(50)]
    assert list(takewhile(lambda tick: tick <= ticks[40], rule.ticks(ticks[20]))) == ticks[21:41]
