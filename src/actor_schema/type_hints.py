"""Type hints of actors: what they accept, and what has to be converted or hidden."""

from __future__ import annotations

import inspect
import json
import re
import typing
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from functools import partial
from types import GenericAlias, NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ..importing import after_imports
from ..jobs.files.upload import FORMAT
from ..logs import get_logger
from . import counterparts
from .json_schemas import Schemas

log = get_logger(__name__)
_UNRESOLVED = object()
#: types that JSON carries unchanged
_NATIVE = (bool, int, float, str, list, dict, NoneType, Any, object)
_NATIVE_CONTAINERS = (list, Sequence, Iterable)
#: pydantic's classes of secrets, in a hint that is still text
_SECRET = re.compile(r"\bSecret(Str|Bytes)?\b")


def hints(function: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Return the hint of each parameter; Any for a missing or unreadable one. `*args` are a list, `**kwargs` a dict."""
    found: dict[str, Any] = {}
    for name, parameter in parameters.items():
        hint = _resolved(function, parameter)
        if hint is _UNRESOLVED:
            hint = Any
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            hint = _unpacked(hint) or GenericAlias(list, (hint,))
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            hint = _unpacked(hint) or GenericAlias(dict, (str, hint))
        found[name] = hint
    return found


def _unpacked(hint: Any) -> Any:
    """The type of all arguments of `**options: Unpack[Options]` or `*pair: *tuple[int, str]`; None for another hint, which is that of each."""
    if get_origin(hint) is typing.Unpack:
        return get_args(hint)[0]
    return GenericAlias(tuple, get_args(hint)) if getattr(hint, "__unpacked__", False) else None


def _resolved(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The hint of one parameter: a name imported under TYPE_CHECKING must cost one hint, not all of them."""
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    hint = Any if parameter.annotation is inspect.Parameter.empty else parameter.annotation
    try:
        return typing.get_type_hints(SimpleNamespace(__annotations__={"": hint}), scope, include_extras=True)[""]
    except (NameError, AttributeError, TypeError, SyntaxError):
        return _UNRESOLVED


def _warn_of_unresolved(function: Callable[..., Any], parameter: inspect.Parameter) -> None:
    """Log a hint that is unresolved when all modules are imported: before, it may name a class that comes later."""
    if _resolved(function, parameter) is _UNRESOLVED:
        log.warning(
            "hint_unresolved",
            actor=f"{function.__module__}.{function.__qualname__}",
            parameter=parameter.name,
            hint=parameter.annotation,
            cure="it accepts any JSON: import its names outside `if TYPE_CHECKING`, or correct it",
        )


def requires(hint: Any) -> bool:
    """True if a type that was unpacked needs at least one argument."""
    if get_origin(hint) is tuple:
        return not any(each is ... for each in get_args(hint))
    return bool(getattr(hint, "__required_keys__", ()))


def all_accepted(hints: Mapping[str, Any], *, of: str) -> dict[str, Any]:
    """Return the type to accept for each parameter; log a hint that nothing reads, so that its values are not checked."""
    found = {name: accepted(hint) for name, hint in hints.items()}
    for name, hint in hints.items():
        if found[name] is Any and hint is not Any:
            log.warning(
                "hint_unreadable",
                actor=of,
                parameter=name,
                hint=str(hint),
                cure="it accepts any JSON: give it a type that JSON can carry",
            )
    return found


def accepted(hint: Any) -> Any:
    """Return the type to accept for a hint: the hint itself or its counterpart in pydantic, or any JSON value if JSON cannot carry it."""
    try:
        taken = counterparts.of(hint)
        schema_of(taken)
    except Exception:  # noqa: BLE001 - pydantic has many ways to refuse a type, and each means the same here
        return Any
    return taken


def is_secret(hint: Any) -> bool:
    """True if a part of the type is a secret."""
    return '"writeOnly": true' in json.dumps(schema_of(hint), default=str) or any(map(_hides, _parts_of(_core_schema(hint))))


def is_marked_secret(hint: Any) -> bool:
    """True if a part of the type is a secret by its schema, so that its values do not show it: they are ordinary texts."""
    return any(each.get("metadata", {}).get("pydantic_js_extra", {}).get("writeOnly") is True for each in _parts_of(_core_schema(hint)))


def _hides(schema: Mapping[str, Any]) -> bool:
    """True for the schema of `Secret[…]`, whose JSON Schema is that of the value that it hides."""
    function = schema.get("serialization", {}).get("function")
    return str(getattr(function, "__qualname__", "")).startswith("_serialize_secret")


def _core_schema(hint: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TypeAdapter(hint).core_schema


def _parts_of(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list | tuple) else ():
        yield from _parts_of(each)


def has_file(hint: Any) -> bool:
    """True if a part of the type is an uploaded file."""
    return f'"format": "{FORMAT}"' in json.dumps(schema_of(hint), default=str)


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TypeAdapter(hint).json_schema(schema_generator=Schemas)


def misdeclared(function: Callable[..., Any]) -> str | None:
    """Return why a parameter can never be called as declared, or None."""
    parameters = dict(inspect.signature(function).parameters)
    for name, parameter in parameters.items():
        if isinstance(parameter.default, FieldInfo):
            return f"the default of {name} is a pydantic Field, which the function itself would get: write {name}: Annotated[…, Field(…)] = default"
    for name, hint in hints(function, parameters).items():
        annotation = parameters[name].annotation
        if isinstance(annotation, str) and hint is Any and _SECRET.search(annotation):
            return f"the hint of {name} cannot be read ({annotation}), so it would not be a secret: import its names outside `if TYPE_CHECKING`"
        if _resolved(function, parameters[name]) is _UNRESOLVED:
            after_imports(partial(_warn_of_unresolved, function, parameters[name]))
        fields = [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, FieldInfo)]
        if any(each.default_factory or each.default is not PydanticUndefined for each in fields):
            return f"the default of {name} is in its Field, where Python does not see it: write {name}: … = default"
        if (problem := _unreadable(hint)) is not None:
            return f"{name}: {problem}"
    return None


def _unreadable(hint: Any) -> str | None:
    """Why pydantic cannot read a class with fields, which the actor would get as plain JSON; None: it can, or is complete only later."""
    if get_origin(hint) is Annotated:
        return _unreadable(_bare(hint))
    if not isinstance(hint, type):
        return next((problem for each in get_args(hint) if (problem := _unreadable(each)) is not None), None)
    if not is_dataclass(hint):
        return None
    try:
        TypeAdapter(hint)
    except PydanticUserError as error:
        if error.code == "typed-dict-version":
            return "write TypedDict of typing_extensions, because Python 3.11's own cannot be read from JSON"
        if isinstance(error, PydanticSchemaGenerationError):
            return f"{hint.__name__} cannot be read from JSON: {error.message.partition('. ')[0]}"
    except Exception:  # noqa: BLE001 - a forward reference, or one of pydantic's many ways to refuse: the values are checked as JSON
        return None
    return None


def _converts(metadata: Any) -> bool:
    """True for metadata that may change the value or its JSON form; bounds and descriptions do not."""
    return hasattr(metadata, "__get_pydantic_core_schema__")


def generates(schema: Any) -> bool:
    """True if a part of a pydantic schema generates a new default each time."""
    if isinstance(schema, dict):
        return "default_factory" in schema or any(generates(each) for each in schema.values())
    return isinstance(schema, list | tuple) and any(generates(each) for each in schema)


def _bare(hint: Any) -> Any:
    return _bare(get_args(hint)[0]) if get_origin(hint) is Annotated else hint


def is_native(hint: Any) -> bool:
    """True if JSON carries values of this type unchanged, so that a call needs no conversion."""
    if get_origin(hint) is Annotated and any(_converts(each) for each in hint.__metadata__):
        return False
    hint = _bare(hint)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return all(type(value) in _NATIVE for value in inner)
    if origin in (Union, UnionType) or origin in _NATIVE_CONTAINERS:
        return all(is_native(each) for each in inner)
    if origin in (dict, Mapping):
        return inner[0] in (str, Any) and is_native(inner[1])
    return origin is None and any(hint is native for native in _NATIVE)
