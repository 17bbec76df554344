"""An actor with a parameter of every kind, and the values that each may have: the material of round-trip tests."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, NaiveDatetime

from src.actor_schema.signature import Signature

#: generated cases per round trip: always the same few, and with --slow many new ones
FEW, MANY = 20, 10_000
amounts = pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


def check(cases: int, body: Callable[..., None], **strategies: st.SearchStrategy[Any]) -> None:
    """Call the body with generated cases; shrinking is off, because it takes too long if each case opens a page."""
    how = settings(
        max_examples=cases, derandomize=cases <= FEW, phases=[Phase.generate, *([Phase.shrink] if cases >= FEW else [])],
        deadline=None, database=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    how(given(**strategies)(body))()


class Colour(Enum):
    RED = "red"
    BLUE = "light\nblue"


class Room(BaseModel):
    name: str
    beds: int = 1
    note: Annotated[str, Field(max_length=500)] = " "


class Address(BaseModel):
    model_config = {"extra": "allow"}
    street: str = ""
    at: datetime | None = None
    rooms: list[Room] = []


class Loose(TypedDict, total=False):
    x: int
    y: list[str]


#: every form control, with and without None, with and without a default
TYPES: dict[str, Any] = {
    "text": str, "text_or_none": str | None, "long": Annotated[str, Field(max_length=500)], "number": int, "ratio": float, "number_or_none": int | None,
    "price": Decimal, "either": float | str, "flag": bool, "maybe": bool | None, "colour": Colour, "level": Literal[1, "1", "", " a", None],
    "size": Literal["xs", "s", "m", "l", "xl", "x\nl", '""'], "size_or_none": Literal["a", "b"] | None, "day": date, "at": datetime, "at_or_none": datetime | None,
    "naive": NaiveDatetime, "naive_or_none": NaiveDatetime | None, "tea": time, "span": timedelta, "id": uuid.UUID, "lines": list[str], "lines_or_none": list[str] | None, "numbers": list[int], "ratios": list[float],
    "days": list[Literal["mon", "tue", "w\ned"]], "pairs": tuple[int, str], "table": dict[str, Any], "anything": Any, "home": Address,
    "home_or_none": Address | None, "rooms": list[Room], "rooms_or_none": list[Room] | None, "loose": Loose, "raw": bytes,
}  # fmt: skip

TEXT = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(
    ["", " ", "\n", "a\nb", "\r\n", "\r", "\n\na", " a ", "\0", "\ud800", "\x1f"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ZONES = st.none() | st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"]).map(ZoneInfo)
#: includes the hour that occurs twice, microseconds, and both ends of the calendar
INSTANTS = st.datetimes(timezones=ZONES, allow_imaginary=False).map(datetime.isoformat) | st.sampled_from(
    [f"2030-10-27T02:30:00{rest}+0{offset}:00" for rest in ("", ".000001", ".5") for offset in (1, 2)]
    + ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
_ROOMS = st.fixed_dictionaries({"name": TEXT}, optional={"beds": st.integers(), "note": TEXT})
_HOMES = st.fixed_dictionaries(
    {}, optional={"street": TEXT, "at": st.none() | INSTANTS, "rooms": st.lists(_ROOMS, max_size=2), "more": JSON}
)
#: stored values of each type, in its own form
STORED: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT, "long": TEXT, "number": st.integers(), "ratio": st.floats(), "price": st.decimals().map(str), "either": st.floats() | TEXT,
    "flag": st.booleans(), "maybe": st.booleans(), "colour": st.sampled_from([each.value for each in Colour]), "level": st.sampled_from([1, "1", "", " a", None]),
    "size": st.sampled_from(["xs", "s", "m", "l", "xl", "x\nl", '""']), "day": st.dates().map(date.isoformat), "at": INSTANTS,
    "naive": INSTANTS | st.datetimes().map(datetime.isoformat), "tea": st.times(timezones=ZONES).map(time.isoformat), "span": st.just("PT10M"), "id": st.uuids().map(str), "lines": st.lists(TEXT, max_size=3),
    "numbers": st.lists(st.integers(), max_size=3), "ratios": st.lists(st.floats(), max_size=3), "days": st.lists(st.sampled_from(["mon", "tue", "w\ned"]), max_size=3),
    "pairs": st.tuples(st.integers(), TEXT).map(list), "table": st.dictionaries(TEXT, JSON, max_size=3), "anything": JSON, "home": _HOMES,
    "rooms": st.lists(_ROOMS, max_size=3) | st.integers(101, 105).map(lambda number: [{"name": "x"}] * number), "loose": st.fixed_dictionaries({}, optional={"x": st.integers(), "y": st.lists(TEXT)}),
    "raw": TEXT, "size_or_none": st.sampled_from(["a", "b"]),
}  # fmt: skip


def strategy(name: str) -> st.SearchStrategy[Any]:
    """Mostly valid values; also any JSON, as an older release or another program may have stored."""
    fits = STORED[name] if name in STORED else st.none() | STORED[name.removesuffix("_or_none")]
    return st.one_of(fits, fits, fits, JSON)


def function(default: bool) -> Callable[..., None]:
    """Return a function with a parameter of every kind; without defaults, or with None."""
    names = ", ".join(f"{name}: types[{name!r}]{' = none' if default else ''}" for name in TYPES)
    scope = {"types": TYPES, "none": None}
    exec(f"def act(*, {names}): ...", scope)
    return scope["act"]  # type: ignore[return-value]


VALUES = st.fixed_dictionaries({}, optional={name: strategy(name) for name in TYPES})
SIGNATURES = [Signature(function(default), "act") for default in (False, True)]
