"""Replacement of a running task by a signature: its steps take the task's place in its workflow, and its result is the task's."""

from __future__ import annotations

from typing import Any, cast
from uuid import NAMESPACE_OID, uuid5

from ...jobs.read.queries import find_many
from ...jobs.workflows import replacing
from ..core import sending
from ..core.request import Context
from ..exceptions import ImproperlyConfigured
from .elements import chunks
from .layout import Place, Plan
from .shapes import chain, chord, group
from .signatures import Signature

#: name of the task that returns its arguments as a list
ACCUMULATE = "celery.accumulate"


def whole(signature: Signature) -> Signature:
    """Return a signature that ends with one task: a group at its end is followed by one that collects the results."""
    if isinstance(signature, chain) and not signature.tasks:
        raise ImproperlyConfigured("Cannot replace with an empty chain")
    if isinstance(signature, chunks):
        signature = signature.group()
    if _ends_with_group(signature):
        return cast(Signature, signature | Signature(ACCUMULATE, kwargs={"index": 0}))
    return signature


def replace(request: Context, signature: Signature) -> str:
    """Insert the steps of a signature in place of the running job; return the id of the job whose result counts.

    A second attempt of the same job finds the steps of the first one and changes nothing.
    """
    id = str(uuid5(NAMESPACE_OID, f"replaces {request.id}"))
    with sending.session() as session:
        if find_many(session, [id]):
            return id
        place = replacing.place_of(session, str(request.id))
        plan = Plan(signature.task, {} if place is None else {id: place.name})
        plan.workflow.avoid(place.names if place else ())
        signature.freeze(id)
        plan.lay(signature, Place())
        with sending.published(plan.workflow):
            if place is None:
                plan.workflow.submit(session)
            else:
                replacing.take_over(session, place, plan.workflow.steps)
    return id


def join(request: Context, signature: Signature) -> Any:
    """Insert the steps of a signature beside the running job, as a further task of its chord's header; return the result.

    Raises ValueError if the job is in no header.
    """
    signature = whole(signature)
    with sending.session() as session:
        place = replacing.place_of(session, str(request.id))
        if place is None:
            raise ValueError("Current task is not member of any chord")
        plan = Plan(signature.task)
        plan.workflow.avoid(place.names)
        laid = plan.lay(signature, Place())
        with sending.published(plan.workflow):
            if not replacing.join(session, place, plan.workflow.steps, laid.end.name):  # type: ignore[union-attr]
                raise ValueError("Current task is not member of any chord")
    return laid.result


def _ends_with_group(signature: Any) -> bool:
    if isinstance(signature, chain):
        return _ends_with_group(signature.tasks[-1])
    if isinstance(signature, chord):
        return _ends_with_group(signature.required_body())
    return isinstance(signature, group)
