"""Arguments of Python calls: an unknown keyword, or a text or mapping in place of a list, is refused with the cure."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Set
from difflib import get_close_matches
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def named_as(
    elsewhere: Mapping[str, str], *, like: Callable[..., object] | None = None, cure: str = ""
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function so that an unknown keyword names the right one: by other systems' names, then by spelling.

    `like`: another function whose keywords it takes too. `cure`: what to write instead, where it has no keywords.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        named = [
            each.name
            for source in (function, like or function)
            for each in inspect.signature(source).parameters.values()
            if each.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        ]
        known = list(dict.fromkeys(named))

        @wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if name not in known:
                    raise TypeError(f"{function.__name__}() has no argument {name!r}{_meant(name, known, elsewhere, cure)}")
            return function(*args, **kwargs)

        return called

    return decorate


def positional(args: Any) -> tuple[Any, ...]:
    """Return a job's positional arguments as a tuple. Raises TypeError for what would come apart into characters or keys."""
    if isinstance(args, tuple):  # first: each message that is sent comes by here
        return tuple(args)
    if not args:
        return ()
    if isinstance(args, Mapping | Set | str | bytes | bytearray) or not hasattr(args, "__iter__"):
        cure = f"write ({args!r:.60},)"
        if isinstance(args, Mapping):
            cure = "pass it as kwargs="
        elif isinstance(args, Set):
            cure = "write a list, which has an order"
        raise TypeError(f"args must be a list or tuple, not {args!r:.60}: {cure}")
    return tuple(args)


def named(kwargs: Any) -> dict[str, Any]:
    """Return a job's keyword arguments as a dictionary of its own. Raises TypeError for another thing than a mapping."""
    if kwargs and not isinstance(kwargs, Mapping):
        raise TypeError(f"kwargs must be a mapping, not {kwargs!r:.60}")
    return dict(kwargs or {})


def _meant(name: str, known: list[str], elsewhere: Mapping[str, str], cure: str) -> str:
    if name in elsewhere:
        return f": write {elsewhere[name]}."
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f": do you mean {near[0]}?"
    return f". {cure.format(name=name)}" if cure else f". The arguments are: {', '.join(known)}."
