"""Submission options of an actor: the middleware that owns them. Enforced by submit()."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from dramatiq import Actor, Message, Middleware
from dramatiq.broker import Broker

from ...actor_schema.signature import Signature
from ...actor_schema.type_hints import misdeclared
from ...jobs.core.errors import JobsError
from ...jobs.core.states import Unique
from ...jobs.core.values import dumps, plain
from ...jobs.options.job_options import OPTIONS, JobOptions
from ...jobs.options.option_kinds import OptionKind, Period
from ...jobs.submit import defaults
from ...jobs.submit.defaults import Defaults
from .errors import InvalidOption

#: all roles, each including the rights of those before it (src/operations/people/roles.py)
ROLES = ("viewer", "submitter", "operator", "admin")


#: job options whose default an actor declares, by the name of its own option
DECLARABLE = {option.actor: option for option in OPTIONS if option.actor is not None}


class SubmissionOptions(Middleware):
    """Declare `broker_priority` (0 to 9), `expires` and `unique_for` (milliseconds), `unique`, `unique_by`, `fair_by`.

    `internal=True`: only Callboard's own code submits its jobs; users and tokens are refused
    (src/operations/jobs/actor_catalogue.py). `unique`: True or "finished": no second job of its key until the first has
    ended; "waiting": until it starts. `submit_role` and `view_role`: the minimum role to submit, retry and change its
    jobs, and to see them. `unique_by` and `fair_by` are functions of the actor's arguments that return the key, or None.
    """

    @property
    def actor_options(self) -> set[str]:
        return {"expires", "internal", "submit_role", "unique_by", "fair_by", "view_role", *DECLARABLE}

    def before_declare_actor(self, broker: Broker, actor: Actor[Any, Any]) -> None:
        name, options = actor.actor_name, actor.options
        if isinstance(actor.priority, bool) or not isinstance(actor.priority, int):
            raise InvalidOption(name, f"priority must be a whole number, of which the lowest is first, not {actor.priority!r}")
        if not isinstance(options.get("internal", False), bool):
            raise InvalidOption(name, f"internal must be True or False, not {options['internal']!r}")
        for option in ("unique_by", "fair_by"):
            if options.get(option) is not None and not callable(options[option]):
                raise InvalidOption(name, f"{option} must be a function of the actor's arguments")
        if options.get("unique_by") is not None and not options.get("unique") and options.get("unique_for") is None:
            raise InvalidOption(name, "unique_by needs unique or unique_for: alone it makes nothing unique")
        if (problem := misdeclared(actor.fn)) is not None:
            raise InvalidOption(name, problem)
        defaults.declare(
            name,
            Defaults(
                options=JobOptions(**{each.field: _default(name, own, each.kind, options.get(own)) for own, each in DECLARABLE.items()}),
                expires_after=_default(name, "expires", Period(), options.get("expires")),
                unique_by=options.get("unique_by") or partial(_all_arguments, actor.fn),
                fair_by=options.get("fair_by"),
                submit_role=_role(name, "submit_role", options.get("submit_role")),
                view_role=_role(name, "view_role", options.get("view_role")),
                seal=partial(_seal, actor),
            ),
        )


def _seal(actor: Actor[Any, Any], message: Message[Any]) -> Message[Any]:
    """Seal the message's secret arguments and make its generated defaults, however it was submitted; idempotent."""
    signature = Signature.of(actor)
    if not signature.secrets and not signature.generates:
        return message
    args, kwargs = signature.seal(message.args, message.kwargs)
    return replace(message, args=tuple(args), kwargs=kwargs)


def _all_arguments(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Return the same text for one call, whether its arguments are positional (`send(1, 2)`) or named (a form)."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return dumps([args, kwargs])  # the arguments do not fit: the executor holds the job for that
    bound.apply_defaults()
    return json.dumps(plain(bound.arguments), sort_keys=True)


def _role(actor: str, option: str, value: Any) -> str | None:
    if value is not None and value not in ROLES:
        raise InvalidOption(actor, f"{option} must be one of {', '.join(ROLES)}, not {value!r}")
    return None if value is None else str(value)


def _default(actor: str, name: str, kind: OptionKind, value: Any) -> Any:
    if name == "unique" and isinstance(value, bool):
        value = Unique.FINISHED if value else None
    try:
        return None if value is None else kind.read(name, value)
    except JobsError as error:
        raise InvalidOption(actor, str(error)) from None
