"""Draft validation: the actor exists, accepts the arguments, and every callback accepts a notification."""

from __future__ import annotations

from dataclasses import replace

from dramatiq.broker import Broker

from .. import ACTOR_MODULES
from ..actor_schema.signature import Signature
from ..jobs.core.errors import InvalidArguments, JobsError, UnknownActor
from ..schedules.rows.drafts import Draft
from ..schedules.rows.vocabulary import Event

#: shape of the notification that callback actors receive
TOLD = {"event": Event.FAILED.value, "text": "", "schedule": "", "schedule_id": 0, "actor": "", "failures": 1, "scheduled_for": None,
        "job_id": None, "state": None, "error": None}  # fmt: skip


def fitted(draft: Draft, broker: Broker) -> Draft:
    """Validate the draft's arguments; raises InvalidArguments naming every invalid field."""
    problems: dict[str, str] = {}
    places: dict[str, str] = {}
    actor = broker.actors.get(draft.actor)
    if actor is None:
        raise UnknownActor(f"No actor named {draft.actor!r}. Add its module to {ACTOR_MODULES}.", field="actor")
    try:
        args, kwargs = Signature.of(actor).check(draft.args, draft.kwargs)
        draft = replace(draft, args=args, kwargs=kwargs)
    except InvalidArguments as error:
        problems.update(error.errors)
        places = error.places
    for field, name in draft.callbacks.items():
        problem = _cannot_be_notified(name, broker)
        if problem is not None:
            problems[field] = problem
    try:
        draft.check()
    except InvalidArguments as error:
        problems.update(error.errors)
    if problems:
        raise InvalidArguments("; ".join(f"{name}: {text}" for name, text in problems.items()), errors=problems, places=places)
    return draft


def _cannot_be_notified(name: str, broker: Broker) -> str | None:
    actor = broker.actors.get(name)
    if actor is None:
        return f"There is no actor named {name!r}."
    try:
        Signature.of(actor).check([TOLD], {})
    except JobsError:
        return f"{name} must accept one argument: an object that describes the event."
    return None
