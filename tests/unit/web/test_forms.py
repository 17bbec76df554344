"""A form has a widget for each kind of parameter and parses what the widget sends."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, Field, NaiveDatetime, PastDatetime, SecretStr
from werkzeug.datastructures import MultiDict

from src.actor_schema.signature import Signature
from src.jobs.core.errors import InvalidArguments
from src.operations.arguments.error_places import at_places
from src.operations.arguments.field import Field as FormField
from src.operations.arguments.field import Kind, every
from src.operations.arguments.fields import fields_of
from src.operations.arguments.reading import Reading, read, retyped, valued
from src.settings import get_settings


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Address(BaseModel):
    street: str
    number: Annotated[int, Field(ge=1)] = 1


@dataclass
class Room:
    name: str
    beds: int = 2
    windows: list[Address] = dataclass_field(default_factory=list)


def act(
    name: Annotated[str, Field(max_length=20, title="Your name", description="As in your passport.")],
    total: Annotated[int, Field(ge=1, lt=10)],
    note: Annotated[str, Field(max_length=2000)] = "",
    ratio: float = 0.5,
    price: Decimal = Decimal("9.90"),
    colour: Colour = Colour.RED,
    level: Level = Level.LOW,
    size: Literal["xs", "s", "m", "l", "xl", "xxl"] = "m",
    loud: bool = False,
    maybe: bool | None = None,
    limit: int | None = 5,
    day: date | None = None,
    at: datetime | None = None,
    tea: time | None = None,
    tags: list[str] = [],  # noqa: B006
    home: Address | None = None,
    rooms: list[Room] = [],  # noqa: B006
    days: list[Literal["mon", "tue"]] | None = None,
    token: SecretStr | None = None,
    anything: Any = None,
) -> None:
    """Take one of everything."""


def _fields(function: Callable[..., Any] = act) -> dict[str, FormField]:
    return {field.name: field for field in fields_of(Signature(function, "act"))}


def _read(**sent: str) -> Reading:
    return read(list(_fields().values()), MultiDict(sent))


def test_each_kind_of_parameter_has_its_widget() -> None:
    assert {name: field.kind for name, field in _fields().items()} == {
        "name": Kind.TEXT, "total": Kind.NUMBER, "note": Kind.LONG, "ratio": Kind.NUMBER, "price": Kind.DECIMAL,
        "colour": Kind.RADIOS, "level": Kind.RADIOS, "size": Kind.SELECT, "loud": Kind.CHECKBOX, "maybe": Kind.SELECT,
        "limit": Kind.NUMBER, "day": Kind.DATE, "at": Kind.INSTANT, "tea": Kind.TIME, "tags": Kind.LINES, "home": Kind.GROUP,
        "rooms": Kind.ROWS, "days": Kind.CHECKBOXES,
        "token": Kind.PASSWORD, "anything": Kind.JSON,
    }  # fmt: skip


def test_labels_hints_bounds_and_defaults_come_from_the_signature() -> None:
    fields = _fields()
    assert (fields["name"].label, fields["name"].hint, fields["name"].required) == ("Your name", "As in your passport.", True)
    assert fields["total"].attributes == {"step": 1, "inputmode": "numeric", "min": 1, "max": 9}
    assert fields["ratio"].attributes["step"] == "any"
    assert (fields["price"].text, fields["size"].text, fields["limit"].text) == ("9.90", "m", "5")
    assert fields["colour"].text == "red"


def test_choices_come_back_as_their_own_values_not_as_text() -> None:
    assert _read(level="2", maybe="no", colour="blue").values == {"level": 2, "maybe": False, "colour": "blue"}


def test_an_empty_input_is_none_where_none_is_allowed_and_left_out_where_there_is_a_default() -> None:
    assert _read(limit="", day="", ratio="", name="", maybe="").values == {"limit": None}


def test_an_empty_text_with_a_default_is_the_empty_text() -> None:
    assert _read(note="").values == {"note": ""}


def test_a_checkbox_tells_empty_from_absent() -> None:
    assert _read().values == {}
    assert _read(**{"loud-present": "1"}).values == {"loud": False}
    assert _read(**{"loud-present": "1", "loud": "true"}).values == {"loud": True}


def test_lines_are_a_list_and_json_is_what_it_says() -> None:
    assert _read(tags="a\r\n\r\n b ", home='{"street": "High"}', anything="5").values == {
        "tags": ["a", "b"], "home": {"street": "High"}, "anything": 5,
    }  # fmt: skip


def test_invalid_json_is_an_error_at_its_field_and_keeps_the_input() -> None:
    reading = _read(anything="{a", name="Ann")
    assert reading.errors == {"anything": "Not valid JSON at line 1, column 2. Text needs double quotes."}
    assert reading.texts == {"anything": "{a", "name": "Ann"}


def test_an_instant_is_typed_in_the_zone_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "timezone", "Europe/Berlin")
    assert _read(at="2030-07-01T10:00").values == {"at": "2030-07-01T10:00:00+02:00"}


def test_a_skipped_time_is_an_error_and_any_zone_may_be_given() -> None:
    assert _read(at="2030-07-01T10:00", **{"at-zone": "Asia/Tokyo"}).values == {"at": "2030-07-01T10:00:00+09:00"}
    assert "does not exist in Europe/Berlin" in _read(at="2030-03-31T02:30", **{"at-zone": "Europe/Berlin"}).errors["at"]
    assert "There is no time zone 'Berlin'" in _read(at="2030-03-31T02:30", **{"at-zone": "Berlin"}).errors["at"]


def test_only_a_decimal_keeps_a_typed_number_as_text_and_a_union_is_json() -> None:
    def act(
        either: float | str, other: str | float, maybe: float | str | None = None, choice: Literal["a"] | float = 1.0, price: Decimal | None = None,
        count: int | str = 1, on: bool | str = "", day: date | str = "", bounded: Annotated[Decimal, Field(gt=0, max_digits=5)] = Decimal(1),
    ) -> None: ...  # fmt: skip

    signature = Signature(act, "act")
    fields = fields_of(signature)
    assert {each.name for each in fields if each.kind is Kind.DECIMAL} == {"price", "bounded"}
    assert {each.kind for each in fields if each.name not in ("price", "bounded")} == {Kind.JSON}
    typed = read(fields, MultiDict({"either": "5", "other": '"5"', "maybe": "null", "price": "1.10", "bounded": "2.50"})).values
    assert signature.check([], typed)[1] == {"either": 5.0, "other": "5", "maybe": None, "price": "1.10", "bounded": "2.50"}


def test_a_datetime_without_a_zone_is_typed_without_one() -> None:
    def act(
        at: NaiveDatetime, later: NaiveDatetime | None = None, aware: AwareDatetime | None = None, past: PastDatetime | None = None
    ) -> None: ...

    signature = Signature(act, "act")
    fields = fields_of(signature)
    assert {each.name: (each.kind, each.has_zone) for each in fields} == {
        name: (Kind.INSTANT, name in ("aware", "past")) for name in ("at", "later", "aware", "past")
    }
    sent = MultiDict(
        {
            "at": "2030-03-31T02:30",
            "at-zone": "Europe/Berlin",
            "later": "2030-01-01T10:00:00",
            "aware": "2030-01-01T10:00",
            "past": "2020-01-01",
        }
    )
    accepted = signature.check([], read(fields, sent).values)[1]
    assert accepted == {
        "at": "2030-03-31T02:30:00", "later": "2030-01-01T10:00:00", "aware": "2030-01-01T10:00:00Z", "past": "2020-01-01T00:00:00Z"
    }  # fmt: skip
    with pytest.raises(InvalidArguments, match="without a zone"):
        signature.check([], {"at": "2030-03-31T02:30:00Z"})


def test_a_group_is_given_by_its_switch_and_a_nested_model_comes_back_as_an_object() -> None:
    filled = {"home-present": "1", "home.street": "High", "home.number": "3"}
    assert _read(**filled, **{"home-given": "1"}).values == {"home": {"street": "High", "number": 3}}
    assert _read(**filled).values == {}
    assert _read(**{"home.street": "High"}).values == {"home": {"street": "High"}}  # a program has no switches


def test_rows_are_counted_removed_and_renumbered_with_what_is_within_them() -> None:
    sent = {
        "rooms-rows": "3", "rooms.0.name": "Blue", "rooms.0.beds": "1", "rooms.1.name": "Gone", "rooms.1-gone": "1",
        "rooms.2.name": "Red", "rooms.2.beds": "", "rooms.2.windows-rows": "1", "rooms.2.windows.0.street": "North",
    }  # fmt: skip
    reading = _read(**sent)
    assert reading.values == {"rooms": [{"name": "Blue", "beds": 1}, {"name": "Red", "windows": [{"street": "North"}]}]}
    again = retyped(_fields()["rooms"], reading.texts)
    assert {each.name: each.text for each in every([again]) if each.name.endswith(("name", "street"))} == {
        "rooms.0.name": "Blue", "rooms.1.name": "Red", "rooms.1.windows.0.street": "North",
    }  # fmt: skip


def test_boxes_are_a_list_of_the_choices_own_values() -> None:
    several = MultiDict([("days-present", "1"), ("days", "mon"), ("days", "tue")])
    assert read(list(_fields().values()), several).values == {"days": ["mon", "tue"]}
    assert _read(**{"days-present": "1"}).values == {}


def test_an_error_within_a_model_is_shown_at_its_own_input() -> None:
    values = {"name": "Ann", "total": 1, "home": {"street": "High", "number": "0"}, "rooms": [{"name": "Blue"}, {"beds": "x"}]}
    with pytest.raises(InvalidArguments) as caught:
        Signature(act, "act").check([], values)
    assert at_places(list(_fields().values()), caught.value) == {
        "home.number": "Enter 1 or more.", "rooms.1.name": "Required.", "rooms.1.beds": "Enter a whole number.",
    }  # fmt: skip


def test_a_stored_value_fills_the_form_and_reads_back_as_it_was() -> None:
    stored = {"home": {"street": "High", "number": 3}, "rooms": [{"name": "Blue", "beds": 1, "windows": [{"street": "N", "number": 2}]}]}
    fields = [valued(each, stored[name]) for name, each in _fields().items() if name in stored]
    sent = {each.name: each.text for each in every(fields) if each.text}
    sent |= {"rooms-rows": "1", "rooms.0.windows-rows": "1", "home-present": "1", "home-given": "1"}
    del sent["home"], sent["rooms.0"], sent["rooms.0.windows.0"]
    _args, kwargs = Signature(act, "act").check([], {"name": "Ann", "total": 1, **_read(**sent).values})
    assert {name: kwargs[name] for name in stored} == stored


def test_a_model_that_holds_itself_is_written_as_json_where_it_is_too_deep() -> None:
    names = {each.name: each.kind for each in every(fields_of(Signature(grow, "grow")))}
    assert names["tree.left.left.left"] is Kind.JSON


class Tree(BaseModel):
    left: Tree | None = None


def grow(tree: Tree) -> None:
    """Grow a tree."""


def test_a_password_never_travels_back() -> None:
    reading = _read(token="hush")
    assert (reading.values, reading.texts) == ({"token": "hush"}, {"token": ""})


def test_nor_does_what_may_hold_one() -> None:
    def call(keys: list[SecretStr], login: Login, more: dict[str, Login]) -> None:
        """Call."""

    fields = fields_of(Signature(call, "call"))
    sent = {"keys": "hush", "login.user": "ann", "login.key": "hush", "more": '{"x": {"key": "hush"}}', "login-present": "1"}
    assert "hush" not in str(read(fields, MultiDict(sent)).texts)
    assert read(fields, MultiDict(sent)).texts["login.user"] == "ann"


class Login(BaseModel):
    user: str
    key: SecretStr
