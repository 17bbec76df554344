"""A form has a widget for each kind of parameter and reads back what the widget sends."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr
from werkzeug.datastructures import MultiDict

from src.broker.signature import Signature
from src.settings import get_settings
from src.web.forms import Field as FormField
from src.web.forms import Kind, Reading, fields_of, read


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Address(BaseModel):
    street: str


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
        "limit": Kind.NUMBER, "day": Kind.DATE, "at": Kind.INSTANT, "tea": Kind.TIME, "tags": Kind.LINES, "home": Kind.JSON,
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


def test_what_is_not_json_is_an_error_at_its_field_and_keeps_what_was_typed() -> None:
    reading = _read(anything="{a", name="Ann")
    assert reading.errors == {"anything": "This is not JSON at line 1, column 2. Text stands in double quotes."}
    assert reading.texts == {"anything": "{a", "name": "Ann"}


def test_an_instant_is_typed_in_the_zone_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "timezone", "Europe/Berlin")
    assert _read(at="2030-07-01T10:00").values == {"at": "2030-07-01T10:00:00+02:00"}


def test_a_password_never_travels_back() -> None:
    reading = _read(token="hush")
    assert (reading.values, reading.texts) == ({"token": "hush"}, {"token": ""})
