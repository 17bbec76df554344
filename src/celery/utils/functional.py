"""Helpers for iterables with Celery's names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from ..base.modules import absent

T = TypeVar("T")


def chunks(it: Iterable[T], n: int) -> Iterator[list[T]]:
    """Yield lists of `n` items; the last one may be shorter. Takes any iterable, where Celery needs an iterator."""
    rest = iter(it)
    while part := list(islice(rest, n)):
        yield part


def first(predicate: Callable[[T], Any] | None, it: Iterable[T]) -> T | None:
    """Return the first item that the predicate accepts, or without one the first that is not None."""
    return next((each for each in it if (each is not None if predicate is None else predicate(each))), None)


def maybe_list(value: Any, scalars: tuple[type, ...] = (dict, str)) -> Any:
    """Return a list of one for a single value; None and iterables stay."""
    return value if value is None or (isinstance(value, Iterable) and not isinstance(value, scalars)) else [value]


def noop(*_: Any, **__: Any) -> None:
    """Do nothing."""


def pass1(value: T, *_: Any, **__: Any) -> T:
    """Return the first argument."""
    return value


def uniq(it: Iterable[T]) -> Iterator[T]:
    """Yield each item once, in order."""
    return iter(dict.fromkeys(it))


__getattr__ = absent(__name__)
