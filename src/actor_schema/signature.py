"""Signature of an actor: one schema behind its form, its API, its command and its check.

Read from the function's parameters, type hints (`Annotated` constraints included) and docstring. A parameter without a
hint, or with one that JSON cannot carry, accepts any JSON value. `*args` is a list, `**kwargs` an object.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from dramatiq import Actor
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import to_jsonable_python

from ..jobs.attempts import masking
from ..jobs.core import placeholders
from ..jobs.core.errors import InvalidArguments
from ..jobs.core.values import DEEPEST, dumps_rich, storable, text_of, unkeepable
from . import secrets, stored_arguments, type_hints
from .conversions import surprising
from .json_schemas import Schemas
from .parameters import Arguments, Parameters
from .validation_messages import complain, invalid, pinpoint

_CONFIG = ConfigDict(extra="forbid", ser_json_inf_nan="constants", protected_namespaces=())
_UNREPEATABLE = (
    "This value would be another one in each attempt: its converter changes what it has converted already, or its default is generated again. "
    "Give every field, or let the type accept its own output."
)
_UNOPENABLE = "This secret was sealed with another CALLBOARD_SECRET_KEY, or for another parameter: enter it again."


class Signature(Parameters):
    """The parameters of one function, as a schema and as the conversion from JSON to a call and back."""

    _known: ClassVar[WeakKeyDictionary[Actor[Any, Any], Signature]] = WeakKeyDictionary()

    @classmethod
    def of(cls, actor: Actor[Any, Any]) -> Signature:
        """Return an actor's signature, cached."""
        if actor not in cls._known:
            cls._known[actor] = cls(actor.fn, actor.actor_name)
        return cls._known[actor]

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        super().__init__(function, name)
        self.title, self.help = _documentation(function, name)
        hints = type_hints.hints(function, self.parameters)
        self._types = type_hints.all_accepted(hints, of=name)
        self._may_miss = {each for each in (self._rest, self._extra) if each and not type_hints.requires(hints[each])}
        self.secrets = frozenset(each for each, accepted in self._types.items() if type_hints.is_secret(accepted))
        self._marked = frozenset(each for each in self.secrets if type_hints.is_marked_secret(self._types[each]))
        self.files = frozenset(each for each, accepted in self._types.items() if type_hints.has_file(accepted))
        self._converted = {each: stored_arguments.adapter_of(t) for each, t in self._types.items() if not type_hints.is_native(t)}
        self._readers = {each: stored_arguments.reader_of(adapter) for each, adapter in self._converted.items()}
        self.needs_coercion = bool(self._converted or self.secrets)
        self.generates = any(type_hints.generates(adapter.core_schema) for adapter in self._converted.values())
        self._is_strict = any(stored_arguments.is_strict(adapter.core_schema) for adapter in self._converted.values())
        self._adapters: dict[str, TypeAdapter[Any]] = {}
        self._checkers: dict[str, TypeAdapter[Any]] = {}
        self.model = self._build_model()

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        """Return the arguments ready for JSON (converted, secrets sealed, layout kept), or raise InvalidArguments naming each field."""
        if unkeepable := self.files & self.secrets:
            # References to files are found by scanning rows, which cannot look into sealed values.
            raise invalid(dict.fromkeys(unkeepable, "A file and a secret cannot be in one parameter: make two of it in the code."))
        self.refuse_masks(args, kwargs)
        values = self._opened(self.bind(args, kwargs))
        # Shown and stored as it is, it could be compared with others, and no worker could open it.
        foreign = [name for name in values.keys() - self.secrets if any(map(secrets.is_sealed, (values[name], *_each(values[name]))))]
        if foreign:
            raise invalid(dict.fromkeys(foreign, "This was sealed as a secret of another parameter: enter it again."))
        for name, given in values.items():
            self._require_keepable(name, given)
        accepted = self._validated(values)
        stored = {name: self._stored_form(name, value, values[name]) for name, value in accepted.items() if name in values}
        return self._lay_out(stored | self._each_secret(stored, self._sealed), args, kwargs)

    def refuse_masks(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise InvalidArguments for a secret that is only its mask, sent back as a page or the API has shown it."""
        given = self.by_name(args, kwargs)
        masked = [name for name in self.secrets if masking.MASK in (given.get(name), *_each(given.get(name)))]
        if masked:
            raise invalid(dict.fromkeys(masked, "The dots hide a secret: enter it again."))

    def coerce(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        """Convert stored JSON to the declared Python types for the call; raises InvalidArguments if it no longer fits."""
        if not self.needs_coercion:
            return list(args), dict(kwargs)
        values = self._opened(self.bind(args, kwargs))
        for name in self._converted.keys() & values.keys():
            values[name] = self._read(name, values[name], self._readers[name])
        return self._lay_out(values, args, kwargs)

    def seal(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        """Seal the arguments of secret parameters, else leave them unchanged and unchecked: for values stored by other ways than check()."""
        if self.generates and not _awaits_result([list(args), dict(kwargs)]):
            with suppress(InvalidArguments):  # the worker will hold the job and give the reason
                return self.check(args, kwargs)  # keep a model's generated defaults, so that attempts do not each make new ones
        if not self.secrets:
            return list(args), dict(kwargs)
        names = self.positional_names(len(args))
        positional = [self._sealed(name, value) for name, value in zip(names, args, strict=False)]
        extra = self._extra if self._extra in self.secrets else None
        named = {name: self._sealed(name if name in self.parameters else extra, value) for name, value in kwargs.items()}
        return [*positional, *args[len(positional) :]], named

    def secret_texts(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> set[str]:
        """The plain texts of secrets in a call's arguments: the declared secrets within a secret parameter, else all of its value."""
        try:
            values = self._opened(self.bind(args, kwargs))
        except InvalidArguments:
            return set()
        defaults = {name: self.parameters[name].default for name in self.secrets}
        given = {name: value for name, value in defaults.items() if value is not inspect.Parameter.empty} | values
        return {text for name in self.secrets & given.keys() for text in self._texts_of(name, given[name])}

    def _texts_of(self, name: str, value: Any) -> Iterator[str]:
        declared = [] if name in self._marked else [*stored_arguments.secrets_in(value)]
        plain = declared or [*stored_arguments.secrets_in(value), to_jsonable_python(stored_arguments.reveal(value), fallback=str)]
        return masking.texts(plain)

    def arrange(self, values: Mapping[str, Any]) -> Arguments:
        """Lay out values given by parameter name, as from a form or a command, for check()."""
        named = dict(values)
        args: list[Any] = []
        rest = named.pop(self._rest, None) if self._rest else None
        if rest and not isinstance(rest, list | tuple):
            raise invalid({str(self._rest): "Enter a list."})
        by_position = self._positional if rest else self._named_all(inspect.Parameter.POSITIONAL_ONLY)
        for name in by_position:
            if name in named:
                args.append(named.pop(name))
            elif self.parameters[name].default is inspect.Parameter.empty:
                raise invalid({name: "Required."})
            elif rest or any(later in named for later in by_position):
                args.append(self.json_schema()["properties"][name].get("default"))
        args.extend(rest or ())
        extra = named.pop(self._extra, None) or {} if self._extra else {}
        if not isinstance(extra, Mapping):
            raise invalid({str(self._extra): "Enter an object."})
        if twice := named.keys() & extra.keys():
            raise invalid(dict.fromkeys(twice, f"Given twice, by itself and in {self._extra}."))
        return args, {**named, **extra}

    def hides(self, name: str) -> bool:
        """True if the argument of this name is secret, also one that **kwargs takes."""
        return name in self.secrets or (self._extra in self.secrets and name not in self.parameters)

    def converts(self, name: str | None) -> bool:
        """True if this parameter's values are converted from JSON for the call; None: a parameter without a name."""
        return name in self._converted or (self._extra in self._converted and name not in self.parameters)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments by name."""
        return self._schema

    @cached_property
    def _schema(self) -> dict[str, Any]:
        schema = self.model.model_json_schema(by_alias=True, schema_generator=Schemas)
        schema.setdefault("properties", {})
        schema["title"] = self.title
        for name, property in schema["properties"].items():
            default = self.parameters[name].default
            if default is not inspect.Parameter.empty and name not in self.secrets:
                property.update(self._default(name, default))
        _drop_secret_defaults(schema)
        return schema

    def _default(self, name: str, default: Any) -> dict[str, Any]:
        """The default as JSON; {} if JSON cannot carry it, or its own hint refuses it: the function still uses it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a default of another type than the hint, as in `x: int = None`
                form = TypeAdapter(self._types[name]).dump_python(default, mode="json", by_alias=True)
            if form is not None:
                stored_arguments.validate(self._adapter(name), form)
        except Exception:  # noqa: BLE001 - a team's own serializers and validators may raise anything
            return {}
        return {"default": form}

    def _build_model(self) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        for number, (name, accepted) in enumerate(self._types.items()):
            # Numbered fields with aliases: a parameter may be called `copy`, `schema` or `_x`, a model's field may not.
            optional = name in self._may_miss or self.parameters[name].default is not inspect.Parameter.empty
            named: dict[str, Any] = {"alias": name, "validation_alias": name, "serialization_alias": name}
            fields[f"p{number}"] = (accepted, Field(default_factory=lambda: None, **named) if optional else Field(**named))
        return create_model("Arguments", __config__=_CONFIG, **fields)

    def _require_keepable(self, name: str, given: Any) -> None:
        """Refuse values that no row can hold, naming the parameter, before pydantic, which is slow and noisy on deep nesting."""
        try:
            given = stored_arguments.reveal(given)
            text = dumps_rich(given)
        except RecursionError:
            raise invalid({name: f"This is nested more than {DEEPEST} levels deep."}) from None
        except (TypeError, ValueError) as error:
            raise invalid({name: f"This cannot be kept: {text_of(error, 300)}."}) from None
        found = unkeepable(given) if "\\ud" in text else None
        if found is not None:
            path, problem = found
            raise invalid({name: problem}, {".".join(map(str, (name, *path))): problem} if path else None)

    def _validated(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values as the actor will receive them, by name; raises InvalidArguments naming every invalid field."""
        try:
            model = self._accepted(values)
            found = []
        except ValidationError as error:
            found = [*self._without_secrets(error, values)]
        except Exception:
            for name, given in values.items():
                self._read(name, given, self._adapter(name))
            raise
        if not found:
            accepted = {name: getattr(model, f"p{number}") for number, name in enumerate(self._types) if name in values}
            found = [each for name, value in accepted.items() for each in surprising(value, values[name], (name,))]
        if found:
            raise self._invalid(found, values)
        return accepted

    def _accepted(self, values: dict[str, Any]) -> BaseModel:
        try:
            return self.model.model_validate(values)
        except ValidationError:
            if not self._is_strict:
                raise
            return self.model.model_validate_json(dumps_rich(stored_arguments.reveal(values)))

    def _read(self, name: str, given: Any, adapter: TypeAdapter[Any]) -> Any:
        """Return one value as the actor will receive it; raises InvalidArguments."""
        try:
            value = stored_arguments.validate(adapter, given)
            found = [*surprising(value, given, (name,))]
        except ValidationError as error:
            found = [*self._without_secrets(error, {name: given}, (name,))]
        except Exception as error:
            problem = f"This is not accepted ({type(error).__name__}: {self._said(name, given, error)})."
            if name in self.secrets:
                raise invalid({name: problem}) from None  # a traceback would tell the message
            raise invalid({name: problem}) from error
        if found:
            raise self._invalid(found, {name: given})
        return value

    def _invalid(self, found: Sequence[Mapping[str, Any]], given: Mapping[str, Any]) -> InvalidArguments:
        properties = self.json_schema()["properties"]
        return invalid(complain(found, properties), pinpoint(found, given, properties))

    def _without_secrets(self, error: ValidationError, values: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
        """The errors of a validation, with secrets masked in the messages of the actor's own validators."""
        for each in error.errors(include_url=False):
            found: dict[str, Any] = {**each, "loc": (*place, *each["loc"])}
            name = str(found["loc"][0]) if found["loc"] else ""
            if name in self.secrets and name in values:
                mask, reason = self._mask(name, values[name]), each.get("ctx", {}).get("error")
                found |= (
                    {"msg": mask(each["msg"])} if reason is None else {"msg": mask(each["msg"]), "ctx": {"error": mask(text_of(reason))}}
                )
            yield found

    def _said(self, name: str, given: Any, error: Exception) -> str:
        return storable(self._mask(name, given)(text_of(error)), 300)  # masked first: half of a secret would not be recognised

    def _mask(self, name: str, value: Any) -> Callable[[str], str]:
        return masking.Masking(self._texts_of(name, value)).text if name in self.secrets else str

    def _stored_form(self, name: str, value: Any, given: Any) -> Any:
        adapter = self._adapter(name)
        if name not in self._converted:  # no converter reads it again: the stored value is what the actor gets
            return stored_arguments.ordered(value, stored_arguments.dump(adapter, value))
        if name not in self._checkers:
            self._checkers[name] = stored_arguments.adapter_of(self._types[name], extra="forbid")
        try:
            return stored_arguments.stored_form(adapter, self._checkers[name], value, given)
        except stored_arguments.Unrepeatable:
            raise invalid({name: _UNREPEATABLE}) from None

    def _adapter(self, name: str) -> TypeAdapter[Any]:
        if name not in self._adapters:
            self._adapters[name] = self._converted.get(name) or stored_arguments.adapter_of(self._types[name])
        return self._adapters[name]

    def _sealed(self, name: str | None, value: Any) -> Any:
        if name not in self.secrets:
            return value
        return _seal_around_results(to_jsonable_python(stored_arguments.reveal(value), inf_nan_mode="constants"), f"{self.name}.{name}")

    def _opened(self, values: dict[str, Any]) -> dict[str, Any]:
        """The bound values, unsealed; raises InvalidArguments."""
        return values | self._each_secret(values, self._open)

    def _open(self, name: str, value: Any) -> Any:
        try:
            return _unseal_parts(secrets.unseal(value, f"{self.name}.{name}"), f"{self.name}.{name}")
        except secrets.Unopenable:
            raise invalid({name: _UNOPENABLE}) from None

    def _each_secret(self, values: Mapping[str, Any], change: Callable[[str, Any], Any]) -> dict[str, Any]:
        """Apply `change` to the secret ones among the bound values; those of *args and **kwargs one by one."""
        changed: dict[str, Any] = {}
        for name in self.secrets & values.keys():
            value = values[name]
            if name == self._rest and isinstance(value, list | tuple):
                changed[name] = [change(name, each) for each in value]
            elif name == self._extra and isinstance(value, dict):
                changed[name] = {key: change(name, each) for key, each in value.items()}
            else:
                changed[name] = change(name, value)
        return changed


def _drop_secret_defaults(schema: Any) -> None:
    """Remove the defaults of secrets from a JSON Schema: pydantic hides only those that are instances of the secret's class."""
    if isinstance(schema, dict) and schema.get("writeOnly") is True:
        schema.pop("default", None)
        schema.pop("examples", None)
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _drop_secret_defaults(each)


def _documentation(function: Callable[..., Any], name: str) -> tuple[str, str]:
    first, _, rest = (inspect.getdoc(function) or "").strip().partition("\n")
    return first.rstrip(".") or name.replace("_", " ").strip().capitalize(), rest.strip()


def _seal_around_results(value: Any, place: str) -> Any:
    """Seal a value; of one that contains placeholders for results, seal the other parts, since the whole does not exist yet."""
    if not _awaits_result(value):
        return secrets.seal(value, place)
    if isinstance(value, dict) and not placeholders.is_one(value):
        return {name: _seal_around_results(each, place) for name, each in value.items()}
    return [_seal_around_results(each, place) for each in value] if isinstance(value, list) else value


def _unseal_parts(value: Any, place: str) -> Any:
    if secrets.is_sealed(value):
        with suppress(secrets.Unopenable):  # an ordinary value that only looks like one
            return secrets.unseal(value, place)
    if isinstance(value, dict):
        return {name: _unseal_parts(each, place) for name, each in value.items()}
    return [_unseal_parts(each, place) for each in value] if isinstance(value, list) else value


def _awaits_result(value: Any) -> bool:
    """True if the value is a placeholder for an earlier step's result, which does not exist yet."""
    try:
        return any(True for _ in placeholders.names(value))
    except ValueError:
        return False


def _each(value: Any) -> Iterable[Any]:
    """Values of *args and **kwargs."""
    return value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
