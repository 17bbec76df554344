"""A value that a form shows and receives back untouched is the same value: for each type of parameter, by a browser's own rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from src.actor_schema.signature import Signature
from src.jobs import Upload
from src.operations.arguments import untouched_form
from src.operations.arguments.field import Kind, identical
from src.operations.arguments.fields import fields_of, filled
from src.operations.arguments.reading import read, retyped
from src.settings import get_settings
from tests.harness.parameters import SIGNATURES, TYPES, VALUES, amounts, check


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "timezone", "Europe/Berlin")


def _back(values: dict[str, Any], signature: Signature) -> None:
    shown = filled(signature, [], values)
    back = read(shown, untouched_form.sent(shown))
    assert not back.errors
    assert identical(back.values, values)
    # The same from an actor's form, whose values come only from the page: ?like= and presets.
    alike = read(fields_of(signature), untouched_form.sent(shown))
    assert not alike.errors
    assert identical(alike.values, values)
    # And once more from the page that comes back because something else was wrong.
    again = [retyped(each, alike.texts) for each in fields_of(signature)]
    assert identical(read(fields_of(signature), untouched_form.sent(again)).values, values)


@amounts
def test_an_untouched_field_comes_back_as_the_same_value(cases: int) -> None:
    check(cases, _back, values=VALUES, signature=st.sampled_from(SIGNATURES))


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("text", "one\ntwo", Kind.LONG),
        ("ratio", float("inf"), Kind.DECIMAL),
        ("tea", "10:00:00+02:00", Kind.TEXT),
        ("at", "9999-12-31T23:59:59Z", Kind.TEXT),
        ("lines", ["a\nb"], Kind.JSON),
        ("rooms", [{"name": "x"}] * 101, Kind.JSON),
    ],
)
def test_a_value_that_its_control_cannot_show_is_shown_in_one_that_can(name: str, value: Any, kind: Kind) -> None:
    [shown] = [each for each in filled(SIGNATURES[0], [], {name: value}) if each.name == name]
    assert shown.kind is kind
    assert shown.text


def test_typed_values_beside_unchanged_ones_are_taken() -> None:
    values = {"home": {"street": "High", "more": 1}, "at": "2030-10-27T02:30:00+01:00", "lines": ["a\nb"]}
    shown = filled(SIGNATURES[1], [], values)
    sent = untouched_form.sent(shown)
    sent["home.street"], sent["at"], sent["lines"] = "Low", "2030-10-27T02:31", '["c"]'
    typed = read(fields_of(SIGNATURES[1]), sent).values
    assert typed == {"home": {"street": "Low", "more": 1, "rooms": []}, "at": "2030-10-27T02:31:00+02:00", "lines": ["c"]}


def test_more_rows_than_a_form_takes_are_refused_and_not_cut() -> None:
    sent = untouched_form.sent(filled(SIGNATURES[0], [], {"rooms": [{"name": "x"}]}))
    sent["rooms-rows"] = "1000"
    assert "at most 100 rows" in read(fields_of(SIGNATURES[0]), sent).errors["rooms"]


class Box(BaseModel):
    lid: bool = None  # type: ignore[assignment]
    tags: list[str] = Field(default_factory=lambda: ["new"])


#: hints that the default does not fit, because it is None or because JSON cannot carry it
_UNFIT: dict[str, tuple[Any, Any]] = {
    **{name: (hint, None) for name, hint in TYPES.items()}, "files": (list[Upload], None), "file": (Upload, None), "bytes": (bytes, b"\xff"),
    "least": (Annotated[int, Field(ge=1)], 0), "five": (str, 5), "amount": (Decimal, Decimal("NaN")),
}  # fmt: skip


def test_a_new_form_that_is_not_touched_leaves_out_what_its_controls_cannot_say() -> None:
    scope: dict[str, Any] = {"unfit": _UNFIT}
    parameters = ", ".join(f"{name}: unfit[{name!r}][0] = unfit[{name!r}][1]" for name in _UNFIT)
    exec(f"def act({parameters}, *rest: str, **more: str): ...", scope)
    signature = Signature(scope["act"], "act")
    shown = fields_of(signature)
    back = read(shown, untouched_form.sent(shown))
    assert (back.values, back.errors) == ({}, {})
    assert signature.check(*signature.arrange(back.values)) == ([], {})
    again = [retyped(each, back.texts) for each in shown]
    assert read(fields_of(signature), untouched_form.sent(again)).values == {}


def test_a_field_of_a_model_without_a_default_to_show_is_left_out() -> None:
    def act(box: Box) -> None: ...

    shown = fields_of(Signature(act, "act"))
    sent = untouched_form.sent(shown)
    assert read(shown, sent).values == {"box": {}}
    sent["box.lid"] = "no"
    assert read(shown, sent).values == {"box": {"lid": False}}
