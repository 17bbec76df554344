"""A stored argument is read as the accepted value by every attempt; surprising conversions are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, NotRequired
from uuid import UUID, uuid4

import dramatiq
import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NaiveDatetime,
    RootModel,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from typing_extensions import TypedDict
from werkzeug.datastructures import MultiDict

import src.actors
from src.actor_schema.signature import Signature
from src.broker.options.errors import InvalidOption
from src.jobs.core.errors import InvalidArguments
from src.operations.arguments.fields import fields_of
from src.operations.arguments.reading import read


def named(value: object) -> str:
    """A test's id, the same in every process: without addresses in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def _cents(value: Any) -> Any:
    return int(str(value).removesuffix("€").strip()) * 100


class Price(BaseModel):
    amount: Annotated[int, BeforeValidator(_cents)]
    number: UUID = Field(default_factory=uuid4)


class Named(BaseModel):
    amount: int = Field(validation_alias="Betrag")
    tax: int = Field(alias="Steuer", default=0)
    name: str = Field(validation_alias=AliasChoices("name", "titel"), serialization_alias="title")


class Order(BaseModel):
    id: UUID = Field(default_factory=uuid4)
    at: datetime = Field(default_factory=datetime.now)
    lines: list[Price] = []
    hidden: str = Field("", exclude=True)


@dataclass
class Ticket:
    number: int
    id: UUID = field(default_factory=uuid4)


class Bank(BaseModel):
    pin: SecretStr
    id: UUID = Field(default_factory=uuid4)


class Prices(RootModel[list[Price]]): ...


class Half(TypedDict):
    price: Price
    note: NotRequired[str]


class Rate(Enum):
    LOW = Decimal("0.07")
    HIGH = Decimal("0.19")


class Corner(Enum):
    LEFT = (0, 1)
    RIGHT = (1, 1)


class Exact(BaseModel):
    model_config = ConfigDict(strict=True)
    day: date
    id: UUID
    price: Decimal
    days: set[date] = set()
    pair: tuple[int, str] = (1, "a")
    inner: Half | None = None


class Loud(BaseModel):
    text: str

    @field_validator("text")
    @classmethod
    def _shout(cls, text: str, info: ValidationInfo) -> str:
        return text + "!"


def _of(hint: Any) -> Signature:
    def act(x): ...  # type: ignore[no-untyped-def]

    act.__annotations__ = {"x": hint}
    return Signature(act, "act")


GIVEN: list[tuple[Any, Any]] = [
    (Price, {"amount": "5 €"}),
    (list[Price], [{"amount": "5 €"}, {"amount": 7}]),
    (dict[str, Price], {"a": {"amount": "5 €"}}),
    (Named, {"Betrag": 5, "titel": "x"}),
    (Named, {"Betrag": 5, "Steuer": 1, "name": "x"}),
    (Order, {}),
    (Order, {"lines": [{"amount": "5 €"}], "hidden": "kept"}),
    (Ticket, {"number": 5}),
    (Bank, {"pin": "4711"}),
    (Loud, {"text": "x"}),
    (Prices, [{"amount": "5 €"}]),
    (Half, {"note": "x", "price": {"amount": "5 €"}}),
    (Annotated[str, AfterValidator(lambda text: text + "!")], "x"),
    (Annotated[int, BeforeValidator(_cents)], "5 €"),
    (tuple[date, Decimal], ["2030-01-01", "1.10"]),
    (float, float("inf")),
    (Exact, {"day": "2030-01-01", "id": "12345678-1234-5678-1234-567812345678", "price": "1.10", "days": ["2030-01-02"], "pair": [2, "b"]}),
    (list[Exact], [{"day": "2030-01-01", "id": "12345678-1234-5678-1234-567812345678", "price": "1.10"}]),
    (Annotated[date, Field(strict=True)], "2030-01-01"),
    (Rate, "0.19"),
    (Corner | None, [1, 1]),
    (list[Corner], [[0, 1], [1, 1]]),
    (dict[str, Rate], {"a": "0.07"}),
    (set[date], ["2030-01-01"]),
]


@pytest.mark.parametrize(("hint", "given"), GIVEN, ids=lambda value: getattr(value, "__name__", named(value))[:40])
def test_each_attempt_gets_the_value_that_was_accepted(hint: Any, given: Any) -> None:
    signature = _of(hint)

    stored = json.loads(json.dumps(signature.check([given], {})[0]))

    first, second = (signature.coerce(stored, {})[0] for _ in range(2))
    assert first == second
    # A schedule's tick, an edit and a re-run check what is stored once more.
    again = signature.check(stored, {})[0]
    assert signature.coerce(again, {})[0] == first
    assert again == stored or hint is Bank


def test_a_converter_has_run_once_and_what_has_two_names_is_found() -> None:
    def read(hint: Any, given: Any) -> Any:
        signature = _of(hint)
        return signature.coerce(*signature.check([given], {}))[0][0]

    assert read(Price, {"amount": "5 €"}).amount == 500
    assert read(Loud, {"text": "x"}).text == "x!"
    assert read(Annotated[str, AfterValidator(lambda text: text + "!")], "x") == "x!"
    assert (read(Named, {"Betrag": 5, "titel": "x"}).name, read(Order, {"hidden": "kept"}).hidden) == ("x", "kept")
    assert read(Bank, {"pin": "4711"}).pin.get_secret_value() == "4711"


def test_what_no_stored_form_is_read_as_is_refused_with_the_reason() -> None:
    drawn = Annotated[int, AfterValidator(lambda _: uuid4().int)]

    with pytest.raises(InvalidArguments) as refused:
        _of(drawn).check([1], {})
    assert refused.value.errors["x"].startswith("This value would be another one in each attempt")


def test_generated_defaults_are_set_at_the_submission_by_code_too() -> None:
    signature = _of(Order)

    stored = signature.seal([{"lines": [{"amount": 5}]}], {})[0]
    assert signature.coerce(stored, {}) == signature.coerce(stored, {})
    assert signature.seal([{"$result_of": "step"}], {})[0] == [{"$result_of": "step"}]
    assert signature.seal([{"lines": 5}], {})[0] == [{"lines": 5}]  # the worker says what is wrong with it


def test_a_default_that_python_does_not_see_is_refused_at_import() -> None:
    def in_the_hint(x: Annotated[UUID, Field(default_factory=uuid4)]) -> None: ...

    def in_its_place(x: int = Field(5)) -> None: ...

    for function, words in ((in_the_hint, "where Python does not see it"), (in_its_place, "which the function itself would get")):
        with pytest.raises(InvalidOption, match=words):
            dramatiq.actor(function)
        assert function.__name__ not in src.actors.broker.actors


@pytest.mark.parametrize("kind", [Rate, Corner])
def test_each_choice_of_an_enum_is_accepted_as_its_form_shows_it(kind: type[Enum]) -> None:
    signature = _of(kind)
    [shown] = fields_of(signature)
    for choice, member in zip(shown.choices, kind, strict=True):
        values = read([shown], MultiDict({"x": choice.text})).values
        assert signature.coerce(*signature.check([], values))[1] == {"x": member}
    with pytest.raises(InvalidArguments, match="Choose"):
        signature.check([5], {})


def test_a_strict_type_refuses_what_is_not_its_own_form_in_json() -> None:
    for given, place in (({"day": 20300101}, "x.day"), ({"pair": ["2", "b"]}, "x.pair.0")):
        whole = {"day": "2030-01-01", "id": "12345678-1234-5678-1234-567812345678", "price": "1.10", **given}
        with pytest.raises(InvalidArguments) as refused:
            _of(Exact).check([whole], {})
        assert list(refused.value.places) == [place]


def test_a_converter_of_the_actors_own_that_fails_names_its_field() -> None:
    def fail(value: Any) -> Any:
        raise KeyError(value)

    with pytest.raises(InvalidArguments) as refused:
        _of(Annotated[int, BeforeValidator(fail)]).check(["a"], {})
    assert refused.value.errors == {"x": "This is not accepted (KeyError: 'a')."}


class Deep(BaseModel):
    at: datetime
    counts: list[int] = []
    flags: dict[str, bool] = {}


INSTANT = "Enter a date and time, e.g. 2030-12-31T18:00:00Z."
LOCAL = "Enter a date and time without a zone, e.g. 2030-12-31T18:00:00."
DURATION = "duration: 1h30m, 90 (seconds), 01:30:00 or PT90S."
LAX: list[tuple[Any, Any, str]] = [
    *((datetime, given, INSTANT) for given in ("2026", "46022", "20261231", "1.5e9", " 5 ", "-1", 2026, 1.5, True)),
    *((datetime | None, given, INSTANT) for given in ("2026", 2026)),
    (date, 0, "Enter a date, e.g. 2030-12-31."),
    (date, 86400, "Enter a date, e.g. 2030-12-31."),
    (date, "20261231", "Enter a date, e.g. 2030-12-31."),
    (time, 46022, "Enter a time of day, e.g. 18:00."),
    (time, "46022", "Enter a time of day, e.g. 18:00."),
    *((timedelta, given, f"Enter a {DURATION}") for given in (True, "1x", "", "h")),
    (Annotated[timedelta, Field(gt=timedelta(0))], "0", "Enter more than 0 seconds."),
    (Annotated[timedelta | None, Field(le=timedelta(hours=1))], "2h", "Enter 1 hour or less."),
    (list[Annotated[timedelta, Field(gt=timedelta(0))]], ["0"], "Item 1: Enter more than 0 seconds."),
    (Annotated[timedelta, Field(gt=timedelta(0))], "x", f"Enter a {DURATION}"),
    (Annotated[timedelta | None, Field(gt=timedelta(0))], "x", f"Enter a {DURATION}"),
    (list[timedelta], ["1h", "x"], f"Item 2: Enter a {DURATION}"),
    (dict[str, list[timedelta]] | None, {"a": ["x"]}, f"a: Item 1: Enter a {DURATION}"),
    *((NaiveDatetime, given, LOCAL) for given in ("x", "2030-01-01T00:00:00Z", 2026)),
    (list[NaiveDatetime | None], ["x"], f"Item 1: {LOCAL}"),
    *((bool, given, "Choose yes or no.") for given in ("on", "t", "y", "1", "0", 1.0)),
    *((int, given, "Enter a whole number.") for given in ("1.0", "1_000", True, "1e3")),
    *((float, given, "Enter a number.") for given in ("1_000", True)),
    *((float, given, "Enter a finite number.") for given in ("1e400",)),
    *((float, given, "Enter a number.") for given in ("nan", "inf", "-Infinity")),
    *((Decimal, given, "Enter a number.") for given in ("1_000", True)),
]


@pytest.mark.parametrize(("hint", "given", "words"), LAX, ids=named)
def test_a_conversion_that_surprises_is_refused_with_the_way_to_write_it(hint: Any, given: Any, words: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        _of(hint).check([given], {})
    assert refused.value.errors == {"x": words}
    assert all(words.endswith(text) for text in refused.value.places.values())


def test_the_bounds_of_a_duration_are_no_keys_of_its_schema() -> None:
    plain = _of(timedelta).json_schema()["properties"]["x"]
    assert _of(Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=1))]).json_schema()["properties"]["x"] == plain


def test_a_validator_of_a_duration_gets_the_text_that_was_given() -> None:
    minutes = BeforeValidator(lambda text: timedelta(minutes=int(text)))
    assert _of(Annotated[timedelta, Field(gt=timedelta(0)), minutes]).coerce(["90"], {})[0] == [timedelta(minutes=90)]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"at": "2026"}, "x.at"),
        ({"at": "2030-01-01T00:00Z", "counts": [1, "1_0"]}, "x.counts.1"),
        ({"at": "2030-01-01T00:00Z", "flags": {"a": "on"}}, "x.flags.a"),
    ],
)
def test_within_models_and_lists_it_names_the_place(given: Any, place: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        _of(Deep).check([given], {})
    assert list(refused.value.places) == [place]
    # Sent by code it is not checked before: then the worker refuses it.
    with pytest.raises(InvalidArguments):
        _of(Deep).coerce([given], {})


PLAIN: list[tuple[Any, Any, Any]] = [
    (datetime, "2030-01-01T10:00:00Z", datetime.fromisoformat("2030-01-01T10:00:00Z")),
    (datetime, "2030-01-01", datetime.fromisoformat("2030-01-01")),
    (timedelta, "PT90S", timedelta(seconds=90)),
    (timedelta, "01:30:00", timedelta(minutes=90)),
    *((timedelta, given, timedelta(seconds=90)) for given in (90, "90", " 90 ", "1m30s", "1M 30S")),
    (timedelta, "2h", timedelta(hours=2)),
    (timedelta | None, "1h30m", timedelta(minutes=90)),
    (
        list[timedelta],
        ["1h", "250ms", "PT1.000001S"],
        [timedelta(hours=1), timedelta(milliseconds=250), timedelta(seconds=1, microseconds=1)],
    ),
    (Annotated[timedelta, Field(ge=timedelta(hours=1))], "1h", timedelta(hours=1)),
    (time, "18:00", time(18)),
    (int, " 7 ", 7),
    (int, "-7", -7),
    (int, 6.0, 6),
    (float, "1e3", 1000.0),
    (float, 3, 3.0),
    (bool, "yes", True),
    (bool, "False", False),
    (bool, 1, True),
    (Decimal, "1.10", Decimal("1.10")),
    (int | str, "1_000", "1_000"),
    (bool | str, "on", "on"),
    (float | datetime, 5.5, 5.5),
    (Annotated[date, BeforeValidator(lambda text: date.fromisoformat(text))], "20261231", date(2026, 12, 31)),
    (Annotated[int, BeforeValidator(_cents)], "5", 500),
]


@pytest.mark.parametrize(("hint", "given", "value"), PLAIN, ids=named)
def test_plain_ways_to_write_a_value_are_taken(hint: Any, given: Any, value: Any) -> None:
    signature = _of(hint)
    try:
        got = signature.coerce(json.loads(json.dumps(signature.check([given], {})[0])), {})[0][0]
    except InvalidArguments as error:
        raise AssertionError(error.errors) from None
    assert (got, type(got)) == (value, type(value))


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "given", [_deep(201), _deep(5_000), {"a": "half \ud800"}, {"\udfff": 1}, ["\ud800"]], ids=["201", "5000", "value", "name", "item"]
)
@pytest.mark.parametrize("hint", [Any, dict[str, Any] | list[Any], Deep], ids=named)
def test_unstorable_text_is_refused_by_name_before_it_is_read(hint: Any, given: Any) -> None:
    checks: list[Callable[[], Any]] = [lambda: _of(hint).check([given], {}), lambda: _of(hint).check([], {"x": given})]
    for check in checks:
        with pytest.raises(InvalidArguments) as refused:
            check()
        assert list(refused.value.errors) == ["x"]
        assert len(str(refused.value)) < 300


def test_a_name_that_nothing_can_show_is_refused_in_words_that_can_be_shown() -> None:
    with pytest.raises(InvalidArguments) as refused:
        _of(Any).check([1], {"\udfff\x00": 1})
    assert refused.value.errors == {"\\udfff\\x00": "No such parameter; the parameters are: x."}
    assert str(refused.value).encode()
