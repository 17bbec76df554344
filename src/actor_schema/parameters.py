"""Parameters of a function: binds the arguments of a call to their names, and lays values out as a call again. Knows no types."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .validation_messages import invalid

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

Arguments = tuple[list[Any], dict[str, Any]]


class Parameters:
    """The parameters of one function, by name and kind; those of *args and **kwargs have one name each."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.name = name
        self.parameters = dict(inspect.signature(function).parameters)
        # Only for binding: without hints and return type.
        self._bindable = inspect.Signature(list(self.parameters.values()))
        self._positional = [p.name for p in self.parameters.values() if p.kind in _POSITIONAL]
        self._rest = self._named(inspect.Parameter.VAR_POSITIONAL)
        self._extra = self._named(inspect.Parameter.VAR_KEYWORD)

    def fits(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """Return why the function cannot be called like this, or None; checks names and number only."""
        try:
            self._bindable.bind(*args, **kwargs)
        except TypeError as error:
            return f"{self.name}(): {error}"
        return None

    def by_name(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return stored arguments by parameter name, where they have one; arrange() lays them out again."""
        values: dict[str, Any] = {}
        for name, value in zip(self.positional_names(len(args)), args, strict=False):
            if name == self._rest:
                values.setdefault(name, []).append(value)
            else:
                values[name] = value
        for name, value in kwargs.items():
            if name in self.parameters and name not in (self._rest, self._extra):
                values[name] = value
            elif self._extra:
                values.setdefault(self._extra, {})[name] = value
        return values

    @property
    def by_position(self) -> list[str]:
        """The parameters that a call may give by position, without *args."""
        return list(self._positional)

    def positional_names(self, count: int) -> list[str]:
        """The parameter names of the first `count` positional arguments; those of *args all have its name."""
        names = self._positional[:count]
        return names + [self._rest] * (count - len(names)) if self._rest else names

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by parameter name; raises InvalidArguments naming those that no parameter takes."""
        problems: dict[str, str] = {}
        if not self._extra:
            known = [p.name for p in self.parameters.values() if p.kind is not inspect.Parameter.POSITIONAL_ONLY and p.name != self._rest]
            listed = f"the parameters are: {', '.join(known)}." if known else "there are none."
            problems.update({name: f"No such parameter; {listed}" for name in kwargs if name not in known})
        if not self._rest and len(args) > len(self._positional):
            problems["args"] = f"At most {len(self._positional)} positional arguments, not {len(args)}."
        taken = [n for n in self._positional[: len(args)] if self.parameters[n].kind is not inspect.Parameter.POSITIONAL_ONLY]
        problems.update({name: "Given twice, by position and by name." for name in taken if name in kwargs})
        if problems:
            raise invalid(problems)
        return dict(self._bindable.bind_partial(*args, **kwargs).arguments)

    def _lay_out(self, values: dict[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        positional = [values[name] for name in self._positional[: len(args)]]
        extra = values.get(self._extra or "", {})
        return [*positional, *values.get(self._rest or "", ())], {name: extra[name] if name in extra else values[name] for name in kwargs}

    def _named(self, kind: Any) -> str | None:
        return next(iter(self._named_all(kind)), None)

    def _named_all(self, kind: Any) -> list[str]:
        return [p.name for p in self.parameters.values() if p.kind is kind]
