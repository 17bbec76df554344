"""One signature is the schema, the check and the conversion back: for every kind of parameter."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Required, Unpack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, SecretStr
from structlog.testing import capture_logs
from typing_extensions import TypedDict

from src.actor_schema.signature import Signature
from src.actor_schema.type_hints import misdeclared
from src.importing import complete_imports
from src.jobs.core.errors import InvalidArguments
from src.operations.arguments.field import Kind
from src.operations.arguments.fields import fields_of

#: a pattern that no reader understands at once
ORDER = r"^[A-Z]-\d+$"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    zip: int


def _of(function: Callable[..., Any]) -> Signature:
    return Signature(function, function.__name__)


def _problems(function: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, str]:
    with pytest.raises(InvalidArguments) as refused:
        _of(function).check(args, kwargs)
    return refused.value.errors


def test_a_pattern_is_explained_by_the_fields_description_and_example() -> None:
    def act(
        bare: Annotated[str, Field(pattern=ORDER)] = "A-1",
        described: Annotated[str | None, Field(pattern=ORDER, description="The number of an order.")] = None,
        shown: Annotated[str, Field(pattern=ORDER, examples=["A-17"])] = "A-1",
        both: Annotated[str, Field(pattern=ORDER, description="the number of an order", examples=["A-17"])] = "A-1",
    ) -> None: ...

    assert _problems(act, bare="x", described="x", shown="x", both="x") == {
        "bare": f"Enter text of the form {ORDER}",
        "described": "This does not have the expected form: The number of an order.",
        "shown": "This does not have the expected form, e.g. A-17.",
        "both": "This does not have the expected form: the number of an order, e.g. A-17.",
    }


def test_title_and_help_come_from_the_docstring() -> None:
    def plain() -> None: ...

    def send_mail() -> None:
        """Send a mail.

        To every recipient.
        """

    assert (_of(plain).title, _of(plain).help) == ("Plain", "")
    assert (_of(send_mail).title, _of(send_mail).help) == ("Send a mail", "To every recipient.")


def test_arguments_keep_the_layout_of_their_caller() -> None:
    def act(a: int, b: int = 2, *rest: int, c: int = 3, **more: int) -> None: ...

    signature = _of(act)
    assert signature.check([1], {}) == ([1], {})
    assert signature.check([1, 2, 3, 4], {"c": 5, "d": 6}) == ([1, 2, 3, 4], {"c": 5, "d": 6})
    assert signature.check([], {"b": 1, "a": "7"}) == ([], {"b": 1, "a": 7})


class Options(TypedDict, total=False):
    timeout: int
    day: date


class Identity(TypedDict):
    user: Required[str]


class Plain: ...


class Days(enum.Flag):
    MONDAY = 1
    TUESDAY = 2


def test_a_flag_is_the_sum_of_its_members_in_schema_form_and_check() -> None:
    def act(days: Days, more: Days | None = Days.MONDAY | Days.TUESDAY) -> None: ...

    signature = _of(act)
    assert signature.json_schema()["$defs"]["Days"] == {
        "title": "Days", "type": "integer", "minimum": 0, "description": "The sum of: 1 MONDAY, 2 TUESDAY.",
    }  # fmt: skip
    assert [(each.kind, each.text) for each in fields_of(signature)] == [(Kind.NUMBER, ""), (Kind.NUMBER, "3")]
    stored = signature.check([], {"days": 3})
    assert (stored, signature.coerce(*stored)) == (([], {"days": 3}), ([], {"days": Days.MONDAY | Days.TUESDAY}))


def test_unpacked_options_are_checked_by_name() -> None:
    def act(x: int = 0, **options: Unpack[Options]) -> None: ...

    signature = _of(act)
    stored = signature.check([], {"timeout": "5", "day": "2030-01-01"})
    assert stored == ([], {"timeout": 5, "day": "2030-01-01"})
    assert signature.coerce(*stored) == ([], {"timeout": 5, "day": date(2030, 1, 1)})
    assert signature.check([1], {}) == ([1], {})
    assert _problems(act, timeout="abc") == {"options": "timeout: Enter a whole number."}
    assert _problems(act, nope=1) == {"options": "nope: No such parameter."}

    def sign_in(**identity: Unpack[Identity]) -> None: ...

    assert _problems(sign_in) == {"identity": "Required."}
    assert _of(sign_in).check([], {"user": "ada"}) == ([], {"user": "ada"})


def test_unpacked_positions_are_checked_one_by_one() -> None:
    def act(*pair: Unpack[tuple[int, date]]) -> None: ...  # noqa: UP044
    def starred(*pair: *tuple[int, date]) -> None: ...
    def many(*numbers: *tuple[int, ...]) -> None: ...

    for each in (act, starred):
        stored = _of(each).check(["1", "2030-01-01"], {})
        assert stored == ([1, "2030-01-01"], {})
        assert _of(each).coerce(*stored) == ([1, date(2030, 1, 1)], {})
        assert _problems(each, "one", "2030-01-01") == {"pair": "Item 1: Enter a whole number."}
        assert list(_problems(each, 1)) == ["pair"]
        assert _problems(each) == {"pair": "Required."}
    assert _of(many).check([], {}) == ([], {})


def test_a_hint_that_nothing_can_check_is_logged() -> None:
    def act(x: Plain, y: Any, z: object = None, *rest: Plain) -> None: ...

    with capture_logs() as logs:
        _of(act)
    assert [(each["event"], each["parameter"]) for each in logs] == [("hint_unreadable", "x"), ("hint_unreadable", "rest")]


def test_each_wrong_field_is_named_with_its_cure() -> None:
    def act(
        total: Annotated[int, Field(ge=50, le=500)], size: Literal["s", "m"] = "s", tags: tuple[int, ...] = (), day: date | None = None
    ) -> None: ...

    assert _problems(act) == {"total": "Required."}
    assert _problems(act, 49) == {"total": "Enter a number from 50 to 500."}
    assert _problems(act, "x", "xl") == {"total": "Enter a whole number.", "size": "Choose 's' or 'm'."}
    assert _problems(act, 50, tags=[1, "b"]) == {"tags": "Item 2: Enter a whole number."}
    assert _problems(act, 50, day="soon") == {"day": "Enter a date, e.g. 2030-12-31."}


def test_arguments_the_function_does_not_have_are_refused() -> None:
    def act(x: int) -> None: ...

    assert _problems(act, 1, y=2) == {"y": "No such parameter; the parameters are: x."}
    assert _problems(act, 1, 2) == {"args": "At most 1 positional arguments, not 2."}
    assert _problems(act, 1, x=2) == {"x": "Given twice, by position and by name."}


def test_stored_json_becomes_the_declared_types_again() -> None:
    seen: dict[str, Any] = {}

    def act(
        day: date, at: datetime, price: Decimal, colour: Colour, unique: set[int], home: Address, plain: int, secret: SecretStr
    ) -> None:
        seen.update(locals())

    signature = _of(act)
    assert signature.needs_coercion
    given = {
        "day": "2030-01-02", "at": "2030-01-02T10:00:00Z", "price": "1.10", "colour": "red", "unique": [1, 1],
        "home": {"street": "High", "zip": "5"}, "plain": 1, "secret": "hush",
    }  # fmt: skip
    args, kwargs = signature.check([], given)
    assert list(json.loads(json.dumps(kwargs))["secret"]) == ["$sealed"]
    args, kwargs = signature.coerce(args, json.loads(json.dumps(kwargs)))
    act(*args, **kwargs)
    assert seen["day"] == date(2030, 1, 2)
    assert seen["at"] == datetime(2030, 1, 2, 10, tzinfo=UTC)
    assert seen["price"] == Decimal("1.10")
    assert seen["colour"] is Colour.RED
    assert seen["unique"] == {1}
    assert seen["home"] == Address(street="High", zip=5)
    assert seen["secret"].get_secret_value() == "hush"
    assert signature.secrets == {"secret"}


def test_a_function_of_json_types_only_is_called_without_conversion() -> None:
    def act(a: int, b: str | None, c: list[dict[str, float]], d: Any, e: Literal["x"], f=1) -> None: ...  # type: ignore[no-untyped-def]

    assert not _of(act).needs_coercion
    # It is called with the arguments that Dramatiq would have used.
    assert _of(act).coerce(["not an int"], {"b": 1}) == (["not an int"], {"b": 1})


def test_stored_json_that_no_longer_fits_is_reported_by_field() -> None:
    def act(day: date) -> None: ...

    with pytest.raises(InvalidArguments) as refused:
        _of(act).coerce(["soon"], {})
    assert refused.value.errors == {"day": "Enter a date, e.g. 2030-12-31."}


def test_a_hint_that_json_cannot_carry_or_that_cannot_be_read_takes_any_json() -> None:
    def act(call: Callable[[], int], user: threading.Thread, missing: Nowhere, bare, many: Iterable[int] = ()) -> None: ...  # type: ignore # noqa: F821

    assert _of(act).check([1, "two", None, {"x": [True]}], {}) == ([1, "two", None, {"x": [True]}], {})
    assert _problems(act, 1, 2, 3, 4, ["x"]) == {"many": "Item 1: Enter a whole number."}


def test_parameters_may_have_any_name_a_python_parameter_can_have() -> None:
    def act(schema: int, copy: int, model_config: int, _x: int, self: int, json: int = 1) -> None: ...

    given = {"schema": 1, "copy": 2, "model_config": 3, "_x": 4, "self": 5}
    assert _of(act).check([], given) == ([], given)
    assert list(_of(act).json_schema()["properties"]) == ["schema", "copy", "model_config", "_x", "self", "json"]


def test_async_functions_and_wrapped_ones_have_their_own_signature() -> None:
    async def act(x: int) -> None: ...

    assert _problems(act, "no") == {"x": "Enter a whole number."}


def test_fits_looks_at_names_and_number_only() -> None:
    def act(x: int, *, y: int = 1) -> None: ...

    assert _of(act).fits(["text"], {}) is None
    assert _of(act).fits([], {}) == "act(): missing a required argument: 'x'"
    assert _of(act).fits([1], {"z": 1}) == "act(): got an unexpected keyword argument 'z'"


def test_named_values_are_laid_out_for_the_call() -> None:
    def act(a: int, b: int = 2, /, c: int = 3, *rest: int, **more: int) -> None: ...

    signature = _of(act)
    assert signature.arrange({"a": 1, "c": 4, "more": {"d": 5}}) == ([1], {"c": 4, "d": 5})
    assert signature.arrange({"a": 1, "rest": [7, 8]}) == ([1, 2, 3, 7, 8], {})
    with pytest.raises(InvalidArguments) as refused:
        signature.arrange({"rest": [7]})
    assert refused.value.errors == {"a": "Required."}


class Login(BaseModel):
    password: SecretStr = "a-default-of-the-code"  # type: ignore[assignment]


ANOTHER = Login(password=SecretStr("another-default"))


def test_the_schema_does_not_tell_the_default_of_a_secret() -> None:
    def act(login: Login, other: Login = ANOTHER) -> None: ...

    schema = json.dumps(_of(act).json_schema())
    assert "writeOnly" in schema
    assert "-default" not in schema


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_the_message_of_a_validator_does_not_tell_the_secret(kind: type[Exception]) -> None:
    def refuse(value: SecretStr) -> SecretStr:
        raise kind("x" * 140 + "planted-secret" * 20 + value.get_secret_value())

    def act(key: Any, keys: Any) -> None: ...

    checked = Annotated[SecretStr, AfterValidator(refuse)]
    act.__annotations__ |= {"key": checked, "keys": dict[str, checked]}
    with pytest.raises(InvalidArguments) as refused:
        _of(act).check(["planted-secret", {"a": "planted-secret"}], {})
    told = repr([refused.value, refused.value.errors, refused.value.places, refused.value.__cause__])
    assert "••••••" in told
    assert "planted" not in told
    assert "secret" not in told


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)  # a busy machine is not a failure
@given(args=st.lists(_JSON, max_size=4), kwargs=st.dictionaries(st.text(min_size=1), _JSON, max_size=4))
def test_whatever_is_sent_is_refused_in_words_or_comes_out_as_the_same_call(args: list[Any], kwargs: dict[str, Any]) -> None:
    def act(a, b=1, *rest, **more) -> None: ...  # type: ignore[no-untyped-def]

    signature = _of(act)
    try:
        checked = signature.check(args, kwargs)
    except InvalidArguments:
        assert signature.fits(args, kwargs) is not None
    else:
        assert checked == (args, kwargs)
        assert signature.fits(*checked) is None


def test_a_hint_that_stays_unresolved_is_logged_when_all_modules_are_imported() -> None:
    def late(day: Later, when: datte) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with capture_logs() as logged:
        assert misdeclared(late) is None
        late.__globals__["Later"] = str
        complete_imports()
        del late.__globals__["Later"]

    [warning] = logged
    assert (warning["event"], warning["parameter"], warning["hint"]) == ("hint_unresolved", "when", "datte")
    assert warning["actor"].endswith(".late")
    assert "TYPE_CHECKING" in warning["cure"]
