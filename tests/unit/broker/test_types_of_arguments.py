"""Types of arguments that pydantic, JSON or a process's hash order treat in a special way reach the actor as accepted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Container, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, LiteralString, NotRequired, TypedDict

import pytest
from pydantic import (
    Base64Str,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    NaiveDatetime,
    PastDate,
    PlainSerializer,
    Secret,
    SecretBytes,
    SecretStr,
    StringConstraints,
)
from werkzeug.datastructures import MultiDict

from src.actor_schema.secrets import is_sealed
from src.actor_schema.signature import Signature
from src.actor_schema.type_hints import misdeclared
from src.jobs.core.errors import InvalidArguments
from src.operations.arguments.field import Kind
from src.operations.arguments.fields import fields_of, filled
from src.operations.arguments.reading import read


class Span(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float", ser_json_bytes="base64")
    length: timedelta
    raw: bytes = b""


@dataclass
class Counted:
    number: int
    double: int = field(init=False)
    days: set[date] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.double = self.number * 2


class Stay(TypedDict):
    day: date
    until: NotRequired[date]


class Stays(TypedDict, total=False):
    first: Stay
    rest: list[Stay]


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Raw(Enum):
    TEXT = b"text"
    BYTES = b"\xff"


class Floor(IntEnum):
    GROUND = 0
    FIRST = 1


class Number(str): ...


class Hooked(BaseModel):
    day: date
    hook: Callable[[], None] | None = None


@dataclass
class Booking:
    stay: Stay


@dataclass
class Visits:
    days: Collection[date]


class Money(Decimal): ...


class Birthday(date): ...


class Arrival(datetime): ...


class Names(list[str]): ...


class Prices(dict[str, int]): ...


class Tags(set[str]): ...


class Wait(timedelta): ...


def fail(value: Any) -> Any:
    raise KeyError(value)


class Account(BaseModel):
    since: Secret[date]
    name: str = ""


def of(hint: Any) -> Signature:
    def act(x): ...  # type: ignore[no-untyped-def]

    act.__annotations__ = {"x": hint}
    return Signature(act, "act")


DAY = date(2030, 1, 1)
READ: list[tuple[Any, Any, Any]] = [
    (Span, {"length": "PT10M", "raw": "é"}, Span(length=timedelta(minutes=10), raw="é".encode())),
    (Span, Span(length=timedelta(minutes=10), raw=b"a?>"), Span(length=timedelta(minutes=10), raw=b"a?>")),
    (Counted, {"number": 1}, Counted(1)),
    (Counted, Counted(1, {DAY}), Counted(1, {DAY})),
    (list[Counted], [{"number": 1}], [Counted(1)]),
    (Annotated[list[int], Json], "[1]", [1]),
    (list[Annotated[list[int], Json]], ["[1]"], [[1]]),
    (Base64Str, "YQ==", "a"),
    (Annotated[int, PlainSerializer(lambda number: f"{number} €")], 5, 5),
    (Annotated[str, PlainSerializer(lambda text: text + "!")], "a", "a"),
    (Annotated[str, StringConstraints(to_upper=True)], "a", "A"),
    (Stay, {"day": "2030-01-01"}, {"day": DAY}),
    (Stay | None, {"day": "2030-01-01", "until": "2030-01-01"}, {"day": DAY, "until": DAY}),
    (Stays, {"first": {"day": "2030-01-01"}, "rest": [{"day": "2030-01-01"}]}, {"first": {"day": DAY}, "rest": [{"day": DAY}]}),
    (Collection[date], ["2030-01-01"], [DAY]),
    (list[Collection[date]], [["2030-01-01"]], [[DAY]]),
    (Container[date] | None, ["2030-01-01"], [DAY]),
    (Iterator[date], ["2030-01-01"], [DAY]),
    (bytearray, "ab", bytearray(b"ab")),
    (bytearray | None, bytearray(b"ab"), bytearray(b"ab")),
    (Raw, "text", Raw.TEXT),
    (Raw | None, "\\xff", Raw.BYTES),
    (dict[Raw, date], {"text": "2030-01-01"}, {Raw.TEXT: DAY}),
    (Literal[Size.SMALL, Size.LARGE], "l", Size.LARGE),
    (list[Literal[Size.SMALL, None, 1]], ["s", None, 1], [Size.SMALL, None, 1]),
    (Literal[b"x", 1], "x", b"x"),
    (dict[Floor, int], {"1": 5}, {Floor.FIRST: 5}),
    (dict[Size, date], {"s": "2030-01-01"}, {Size.SMALL: DAY}),
    (Number, "5", Number("5")),
    (list[Number], ["5"], [Number("5")]),
    (Hooked, {"day": "2030-01-01"}, Hooked(day=DAY)),
    (list[Hooked], [{"day": "2030-01-01"}], [Hooked(day=DAY)]),
    (Money, "1.10", Money("1.10")),
    (Birthday | None, "2030-01-01", Birthday(2030, 1, 1)),
    (Arrival, "2030-01-01T10:00:00Z", Arrival(2030, 1, 1, 10, tzinfo=UTC)),
    (Names, ["a"], Names(["a"])),
    (Prices, {"a": 1}, Prices(a=1)),
    (Tags, ["b", "a"], Tags(["a", "b"])),
    (Wait, "PT5M", Wait(minutes=5)),
    (LiteralString, "a", "a"),
    (Annotated[date, PlainSerializer(fail)], "2030-01-01", DAY),
]


@pytest.mark.parametrize(("hint", "given", "value"), READ, ids=lambda value: str(value)[:40])
def test_a_value_reaches_the_actor_as_it_was_accepted(hint: Any, given: Any, value: Any) -> None:
    signature = of(hint)
    stored = json.loads(json.dumps(signature.check([given], {})[0]))
    for _ in range(3):
        got = signature.coerce(stored, {})[0][0]
        assert (got, type(got)) == (value, type(value))
        assert json.loads(json.dumps(signature.check(stored, {})[0])) == stored  # as a re-run and a schedule's tick do


REFUSED: list[tuple[Any, Any, str]] = [
    (Stay, {"day": "soon"}, "day: Enter a date, e.g. 2030-12-31."),
    (Stay, {"day": "2030-01-01", "from": 1}, "from: No such parameter."),
    (Collection[date], ["soon"], "Item 1: Enter a date, e.g. 2030-12-31."),
    (Literal[Size.SMALL, Size.LARGE], "x", "Choose 's' or 'l'."),
    (Literal[b"x", 1, None], "y", "Choose 'x', 1 or null."),
    (Raw, "x", "Choose 'text' or '\\xff'."),
    (NaiveDatetime, "2030-01-01T00:00:00Z", "Enter a date and time without a zone, e.g. 2030-12-31T18:00:00."),
    (PastDate, "2999-01-01", "Enter a date in the past."),
    (dict[int, str], {"1": "a", "01": "b"}, 'The names "1" and "01" mean the same here: leave one out.'),
    (
        dict[date, dict[int, str]],
        {"2030-01-01": {"1": "a", "+1": "b"}},
        '2030-01-01: The names "1" and "+1" mean the same here: leave one out.',
    ),
    (
        dict[Annotated[str, StringConstraints(to_lower=True)], int],
        {"A": 1, "a": 2},
        'The names "A" and "a" mean the same here: leave one out.',
    ),
]


@pytest.mark.parametrize(("hint", "given", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_refusal_says_what_may_be_entered(hint: Any, given: Any, words: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        of(hint).check([given], {})
    assert refused.value.errors == {"x": words}


@pytest.mark.parametrize(
    ("hint", "given"), [(Secret[date], "2030-01-01"), (list[Secret[int]], [5]), (Account, {"since": "2030-01-01"}), (SecretBytes | None, "abc")],
    ids=str,
)  # fmt: skip
def test_a_secret_of_any_type_is_sealed_and_never_sent_back(hint: Any, given: Any) -> None:
    signature = of(hint)
    [stored] = signature.check([given], {})[0]
    assert is_sealed(stored)
    assert json.dumps(signature.json_schema()).count('"writeOnly": true') == 1
    [shown] = fields_of(signature)
    secret = shown.children[0] if shown.children else shown
    assert secret.kind is Kind.PASSWORD or secret.hides
    assert all(not each.text for each in filled(signature, [stored], {}))


def test_a_secret_number_is_read_from_its_password_input() -> None:
    signature = of(Secret[int])
    [shown] = fields_of(signature)
    values = read([shown], MultiDict({"x": "5"})).values
    assert signature.coerce(*signature.check([], values))[1]["x"].get_secret_value() == 5


_BEFORE_3_12 = pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads it there")
_OLD = "x: write TypedDict of typing_extensions, because Python 3.11's own cannot be read from JSON"


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        pytest.param(Booking, _OLD, marks=_BEFORE_3_12),
        pytest.param(list[Booking] | None, _OLD, marks=_BEFORE_3_12),
        (Visits, "x: Visits cannot be read from JSON: Unable to generate pydantic-core schema for "),
    ],
    ids=str,
)
def test_a_class_that_cannot_be_read_is_refused_at_import(hint: Any, words: str) -> None:
    def act(x): ...  # type: ignore[no-untyped-def]

    act.__annotations__ = {"x": hint}
    found = misdeclared(act)
    assert found is not None
    assert found.startswith(words)


@pytest.mark.parametrize(
    "hint", [Annotated[SecretStr, BeforeValidator(str)], Annotated[Counted, Field()], list[Counted] | None, Literal["a"], Hooked]
)
def test_a_type_that_can_be_read_is_not_refused_at_import(hint: Any) -> None:
    def act(x): ...  # type: ignore[no-untyped-def]

    act.__annotations__ = {"x": hint}
    assert misdeclared(act) is None


def test_a_class_that_is_complete_only_later_is_not_refused_at_import() -> None:
    class Early(BaseModel):
        later: "Later"  # type: ignore[name-defined] # noqa: F821, UP037

    def act(x: Any) -> None: ...

    act.__annotations__ = {"x": Early}
    assert misdeclared(act) is None


def test_a_converter_may_leave_names_out() -> None:
    from pydantic import AfterValidator

    kept = Annotated[dict[str, int], AfterValidator(lambda given: {name: each for name, each in given.items() if each})]
    assert of(kept).check([{"a": 0, "b": 1}], {}) == ([{"b": 1}], {})


_SETS = """
from src.jobs.core.values import dumps_rich
from tests.unit.broker.test_types_of_arguments import *
names = ["anna", "bert", "cleo", "dora", 12, 2]
class Team(BaseModel):
    names: set[str | int]
    pairs: dict[str, list[frozenset[str]]]
team = {"names": names, "pairs": {"a": [["anna", "bert", "cleo"]]}}
hints = [(set[str | int], names), (Team, team), (Team, Team(**team)), (Any, set(names)), (list[Any], [set(names)])]
print(json.dumps([of(hint).check([given], {}) for hint, given in hints]), dumps_rich([set(names), {"a": frozenset(names)}]))
"""


def test_a_set_is_stored_in_the_same_order_by_every_process() -> None:
    seen = set()
    for seed in ("1", "2", "3"):
        done = subprocess.run([sys.executable, "-c", _SETS], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        seen.add(done.stdout)
    [text] = seen
    assert text.startswith('[[[[2, 12, "anna", "bert"')
