"""Failure texts: an error's line, its traceback from the actor on, and whether the call itself was at fault."""

from __future__ import annotations

import inspect
import traceback as tracebacks
from collections.abc import Collection
from typing import Any

from ...actor_schema.signature import Signature
from ...jobs.core.errors import InvalidArguments
from ...jobs.core.values import text_of
from ..consume.deliveries import Delivery


def describe(error: BaseException) -> str:
    """Format one line: the exception's type and message."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def trace(error: BaseException, *, above: Collection[str]) -> str:
    """Format the traceback from the actor on, without frames of the files `above` it."""
    found = error.__traceback__
    while found is not None and found.tb_frame.f_code.co_filename in above:
        found = found.tb_next
    try:
        return "".join(tracebacks.format_exception(type(error), error, found or error.__traceback__))
    except Exception:  # noqa: BLE001 - e.g. a SyntaxError of the actor's own with fields of the wrong types
        return "".join([*tracebacks.format_tb(found or error.__traceback__), describe(error)])


def misfit(actor: Any, delivery: Delivery, error: BaseException) -> str | None:
    """Return the problem if the call itself failed because the stored arguments do not fit the function, else None.

    Only then does the traceback contain no frame of the actor, so a TypeError from inside the actor never counts.
    """
    if isinstance(error, InvalidArguments):
        return f"the arguments do not fit {actor.actor_name}: {error}"
    if not isinstance(error, TypeError):
        return None
    # Unwrapped: Dramatiq's wrapper of a coroutine function accepts any arguments and is in every traceback.
    own = getattr(inspect.unwrap(actor.fn), "__code__", None)
    found = error.__traceback__
    while found is not None:
        if found.tb_frame.f_code is own:
            return None
        found = found.tb_next
    problem = Signature.of(actor).fits(delivery.args, delivery.kwargs)
    return None if problem is None else f"the arguments do not fit {actor.actor_name}: {problem}"
