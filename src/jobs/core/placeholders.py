"""Placeholders: plain JSON in a step's arguments that refers to results of earlier steps.

`{"$result_of": "add"}` stands for the result of the step add, `{"$result_of": ["a", "b"]}` for the list of both
results; `$outcome_of` for their outcomes. They are replaced in the commit that releases the step, and the replacement
is not searched again: a result that looks like a placeholder stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

RESULT, OUTCOME = "$result_of", "$outcome_of"


def names(value: Any) -> Iterator[str]:
    """Return the names of the steps that the placeholders within a JSON value refer to."""
    for kind, steps in _found(value):
        yield from _flat(kind, steps)


def resolve(value: Any, outcomes: Mapping[str, Mapping[str, Any]]) -> Any:
    """Replace every placeholder. `outcomes`: step name -> its outcome, including its `result`."""
    if isinstance(value, Mapping):
        if len(value) == 1:
            if RESULT in value:
                return _each(value[RESULT], lambda name: outcomes[name]["result"])
            if OUTCOME in value:
                return _each(value[OUTCOME], lambda name: dict(outcomes[name]))
        return {key: resolve(inner, outcomes) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(inner, outcomes) for inner in value]
    return value


def resolve_some(value: Any, outcomes: Mapping[str, Mapping[str, Any]]) -> Any:
    """Replace the placeholders of these steps; those of others stay."""
    if isinstance(value, Mapping):
        if len(value) == 1:
            for kind, get in ((RESULT, lambda name: outcomes[name]["result"]), (OUTCOME, lambda name: dict(outcomes[name]))):
                if kind in value:
                    known = outcomes.keys() & set(_flat(kind, value[kind]))
                    return _partly(kind, value[kind], get, known) if known else value
        return {key: resolve_some(inner, outcomes) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [resolve_some(inner, outcomes) for inner in value]
    return value


def is_one(value: Any) -> bool:
    """True if the value is itself a placeholder."""
    return isinstance(value, Mapping) and len(value) == 1 and (RESULT in value or OUTCOME in value)


def occur(value: Any) -> bool:
    """True if a JSON value contains a placeholder, or the look of one."""
    return any(True for _ in _found(value))


def _partly(kind: str, steps: Any, get: Callable[[str], Any], known: Collection[str]) -> Any:
    if isinstance(steps, str):
        return get(steps) if steps in known else {kind: steps}
    return [_partly(kind, each, get, known) for each in steps]


def _found(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        if is_one(value):
            yield next(iter(value.items()))
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _found(inner)


def _flat(kind: str, steps: Any) -> Iterator[str]:
    if isinstance(steps, str):
        yield steps
    elif isinstance(steps, list | tuple):
        for each in steps:
            yield from _flat(kind, each)
    else:
        raise ValueError(f"{kind} must name a step, or be a list of such names, not {steps!r:.60}")


def _each(steps: Any, get: Callable[[str], Any]) -> Any:
    return get(steps) if isinstance(steps, str) else [_each(inner, get) for inner in steps]
