"""Error callbacks: tasks that run with the request, exception and traceback of a failed job, or with its id alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dramatiq.middleware import SkipMessage

from ...jobs.core.states import State
from ...jobs.read.queries import find_many
from ...sql import database
from ..base import values
from ..canvas.layout import OUTCOME
from ..canvas.signatures import Signature
from ..core.request import Context
from ..exceptions import TaskError
from ..result import failures


@dataclass(frozen=True, slots=True)
class Failed:
    """The job whose failure an error callback follows."""

    request: Context
    exception: BaseException
    traceback: str


def read(outcome: Any) -> Any:
    """Read the outcome of a step, or the first failed one of several."""
    outcomes = _flat(outcome)
    failed = [each for each in outcomes if each.get("state") != State.SUCCEEDED]
    if not failed:
        return outcome
    first = next((each for each in failed if each.get("error")), failed[0])
    with database.read() as session:
        found = find_many(session, [first["id"]])
    if not found:  # deleted by retention
        return Failed(Context(id=first["id"], task=first.get("actor")), TaskError(str(first.get("error") or first.get("reason"))), "")
    [job] = found
    request = Context(id=job.id, task=job.actor, args=values.decode(job.args), kwargs=values.decode(job.kwargs))
    return Failed(request, failures.of(job), failures.traceback_of(job) or "")


#: reader of the tag, for values.decode
READERS: dict[str, Callable[[Any], Any]] = {OUTCOME: read}


def require_own_failure(about: Mapping[str, Any]) -> None:
    """Skip an error callback of tasks that did not run, since a task before them had failed. `about`: the fields of its request."""
    watched = about.get("errback_of")
    if watched is not None and not failures.has_failed_between(*watched):
        raise SkipMessage("the task of this error callback did not run")


def spread(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the arguments with a leading failure in the form that the function takes beside its own: three of them, or the id."""
    if not args or not isinstance(args[0], Failed):
        return tuple(args)
    first = args[0]
    taken = (first.request, first.exception, first.traceback) if _takes_several(function, len(args) - 1, kwargs) else (first.request.id,)
    return (*taken, *args[1:])


def call(errback: Signature, request: Context, exception: BaseException, traceback: str) -> None:
    """Run an error callback in this process."""
    function = errback.type.run if hasattr(errback.type, "run") else errback.type
    args = spread(function, [Failed(request, exception, traceback), *errback.args], errback.kwargs)
    errback.apply(args[: len(args) - len(errback.args)])


def _takes_several(function: Any, stored: int, kwargs: Mapping[str, Any]) -> bool:
    """True if more than one positional parameter is left beside `stored` arguments and `kwargs` of the callback's own."""
    parameters = inspect.signature(function).parameters.values()
    positional = [
        each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) and each.name not in kwargs
    ]
    return len(positional) - stored > 1 or any(each.kind is each.VAR_POSITIONAL for each in parameters)


def _flat(outcome: Any) -> list[Mapping[str, Any]]:
    if isinstance(outcome, Mapping):
        return [outcome]
    return [each for inner in outcome for each in _flat(inner)] if isinstance(outcome, list) else []
