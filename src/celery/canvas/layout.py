"""Layout: a signature becomes the steps of one workflow, and the results of its caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dramatiq import Message

from ...jobs.core.workflow_models import OnDead, When
from ...jobs.read.queries import find_many
from ...jobs.submit.submission import new_id
from ...jobs.workflows.canvas import End, Workflow, outcome_of, result_of
from ...jobs.workflows.canvas import group as empty
from ...sql.database import read
from ..base import values
from ..core import messages, registry, request, sending
from ..result import AsyncResult, GroupResult
from .elements import chunks
from .shapes import chain, chord, group
from .signatures import FROZEN, Signature, linked

#: tag of the outcome that an error callback gets; task/errbacks.py reads it
OUTCOME = "outcome"
#: options that concern the first tasks of a shape
_OF_FIRST = ("countdown", "eta")


@dataclass(frozen=True, slots=True)
class Laid:
    """A part of a workflow: its end, the names of its steps, and its result."""

    end: End
    steps: tuple[str, ...]
    result: Any
    root: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Position of a part: arguments that come before its own, and the steps that it waits for."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None
    after: tuple[str, ...] = ()
    when: When = When.SUCCESS
    options: Mapping[str, Any] | None = None
    parent: Any = None
    root: str | None = None
    scope: int | None = None  # number of the first step whose failure runs its error callbacks; None: its own first


def send(signature: Signature, args: Iterable[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Send a signature as one job, or as one workflow; with task_always_eager, run it here."""
    messages.check({**signature.options, **options})
    if registry.conf_of(signature.task)["task_always_eager"]:
        return signature.apply(tuple(args), dict(kwargs), **options)
    given = signature.clone()
    given.options.update(options)
    if type(given) is Signature or not isinstance(given, chain | chord | chunks | group):
        args, kwargs, whole = given.merged(tuple(args), kwargs)
        has_own_id = _is_own(given, whole.get("task_id"))
        whole["task_id"] = _id_of_job(given, whole.get("task_id"))
        if not linked(whole, "link") and not linked(whole, "link_error"):
            message = messages.message(given.task, args, kwargs, whole)
            sending.send(message, has_own_id=has_own_id)
            return _result(message)
        given = Signature(given.task, args, kwargs, whole, immutable=True)
        args, kwargs = (), {}
    plan = Plan(signature.task)
    laid = plan.lay(given, Place(tuple(args), kwargs))
    id = sending.send_all(plan.workflow, plan.own_ids)
    if not isinstance(laid.result, GroupResult) or type(given) is not group:
        return laid.result
    if len(laid.result) == 1 and isinstance(laid.result[0], GroupResult):
        return laid.result[0]  # of a single chain that ends with a group: as in Celery, the results of that group
    laid.result.id = id
    return laid.result


def workflow_of(signature: Signature, body: Signature | None = None) -> Workflow:
    """Lay out a signature that has its ids and all arguments. `body`: follows it as that of a chord follows the header."""
    plan = Plan(signature.task)
    laid = plan.lay(signature, Place())
    if body is not None:
        plan.lay(body, replace(_behind(laid), scope=0))
    return plan.workflow


class Plan:
    """Builds one workflow. Steps behind one that failed are cancelled, and come back when an operator retries that one.

    `names` gives steps their names, by the ids of their jobs. `own_ids`: ids of jobs that the caller chose.
    """

    def __init__(self, name: str, names: Mapping[str, str] | None = None) -> None:
        self.names = names or {}
        self.own_ids: list[str] = []
        self.workflow = Workflow(name, on_dead=OnDead.CANCEL)
        self.workflow.add(empty())  # a workflow without steps has succeeded

    def lay(self, signature: Signature, place: Place) -> Laid:
        """Add the steps of a signature and those of its links."""
        scope = len(self.workflow.steps) if place.scope is None else place.scope
        if isinstance(signature, chunks):
            signature = signature.group()
        if isinstance(signature, chord):
            signature = _with_errbacks_in_body(signature)
        if isinstance(signature, chain):
            laid = self._lay_chain(signature, place)
        elif isinstance(signature, chord):
            laid = self._lay_chord(signature, place)
        elif isinstance(signature, group):
            laid = self._lay_group(signature, place)
        else:
            laid = self._lay_task(signature, place)
        for callback in linked(signature.options, "link"):
            self.lay(callback, _behind(laid))
        for errback in linked(signature.options, "link_error"):
            self._lay_errback(errback, laid, scope)
        return laid

    def _lay_task(self, signature: Signature, place: Place) -> Laid:
        args, kwargs, options = signature.merged(place.args, place.kwargs, place.options)
        if _is_own(signature, options.get("task_id")):
            self.own_ids.append(options["task_id"])
        options["task_id"] = id = _id_of_job(signature, options.get("task_id")) or new_id()
        root = options.get("root_id") or place.root or request.family().get("root_id") or id
        family = {"root_id": root, "parent_id": _id_of(place.parent) or options.get("parent_id")}
        message = messages.message(
            signature.task,
            args,
            kwargs,
            {**{name: value for name, value in options.items() if name not in ("link", "link_error")}, **family},
        )
        step = self.workflow.step(message, name=self.names.get(id), after=place.after, when=place.when)
        return Laid(step, (step.name,), _result(message, place.parent), root)

    def _lay_chain(self, given: chain, place: Place) -> Laid:
        if not given.tasks:
            raise ValueError("A chain needs at least one task.")
        steps: list[str] = []
        first = {**given.options, **(place.options or {})}
        id = _id_of_job(given, first.pop("task_id", None))
        here = replace(
            place,
            args=(*place.args, *given.args),
            options={name: value for name, value in first.items() if name not in ("link", "link_error")},
        )
        laid = None
        for number, task in enumerate(given.tasks, 1):
            if number == len(given.tasks) and id is not None:
                here = replace(here, options={**(here.options or {}), "task_id": id})
            laid = self.lay(task, here)
            steps.extend(laid.steps)
            here = _behind(laid, here)
        assert laid is not None
        return Laid(laid.end, tuple(steps), laid.result, laid.root)

    def _lay_chord(self, given: chord, place: Place) -> Laid:
        scope = len(self.workflow.steps) if place.scope is None else place.scope
        options = {**given.options, **(place.options or {})}
        header = self.lay(_with_args(given.header, given.args), replace(place, options=options, scope=None))
        others = {name: value for name, value in options.items() if name not in (*_OF_FIRST, "link", "link_error")}
        behind = _behind(header, place)
        body = self.lay(given.required_body(), replace(behind, options=others, scope=scope))
        return Laid(body.end, (*header.steps, *body.steps), body.result, body.root)

    def _lay_group(self, given: group, place: Place) -> Laid:
        id = new_id()
        options = {
            name: value
            for name, value in {**given.options, **(place.options or {})}.items()
            if name not in ("link", "link_error", "task_id")
        }
        members = [
            self.lay(task, replace(place, args=(*place.args, *given.args), options={**options, "group_id": id, "group_index": number}))
            for number, task in enumerate(given.unrolled())
        ]
        steps = tuple(name for member in members for name in member.steps)
        result = GroupResult(id, [member.result for member in members], parent=place.parent)
        return Laid([member.end for member in members], steps, result, members[0].root if members else place.root)

    def _lay_errback(self, errback: Signature, laid: Laid, scope: int) -> None:
        """Add an error callback, which runs if a step since `scope` failed itself; one behind them may only be cancelled for it."""
        watched = [step.submission.message.message_id for step in self.workflow.steps[scope:]]
        if not watched:
            return  # an empty group cannot fail
        outcome = outcome_of(list(laid.steps) if len(laid.steps) > 1 else laid.end)
        options = {"errback_of": [watched[0], watched[-1]]}
        self.lay(errback, Place((values.tag(OUTCOME, outcome),), None, laid.steps, When.ERROR, options, laid.result, laid.root))


def _behind(laid: Laid, before: Place | None = None) -> Place:
    """Return the place after a part, with its result. An empty group has no members to wait for: then wait for the steps `before` it."""
    names = _names(laid.end)
    if names:
        return Place((result_of(laid.end),), None, names, parent=laid.result, root=laid.root)
    before = before or Place()
    return Place((laid.end,), None, before.after, before.when, parent=laid.result, root=laid.root)


def _is_own(signature: Signature, id: str | None) -> bool:
    """True if the caller chose the id, and freeze() did not."""
    return id is not None and signature.get(FROZEN) != id


def _id_of_job(signature: Signature, id: str | None) -> str | None:
    """Return the id of a call, or a new one for a frozen signature that was sent before: an id is that of one job."""
    if id is None or _is_own(signature, id):
        return id
    with read() as session:
        return new_id() if find_many(session, [id]) else id


def _result(message: Message[Any], parent: Any = None) -> AsyncResult:
    return AsyncResult(message.message_id, task_name=message.actor_name, parent=parent, ignored=messages.is_ignored(message))


def _id_of(result: Any) -> str | None:
    """Return the id of the task that comes before; of a group's, its last one."""
    while isinstance(result, GroupResult):
        result = result.results[-1] if result.results else result.parent
    return None if result is None else str(result.id)


def _names(end: Any) -> tuple[str, ...]:
    if isinstance(end, str):
        return (end,)
    return (end.name,) if hasattr(end, "name") else tuple(name for each in end for name in _names(each))


def _with_args(header: group, args: tuple[Any, ...]) -> group:
    if not args:
        return header
    copy = group(list(header.tasks))
    copy.update(args=args, options=dict(header.options))
    return copy


def _with_errbacks_in_body(given: chord) -> chord:
    """Return a chord whose body has its error callbacks: each task of a group, as after link_error()."""
    errbacks = linked(given.options, "link_error")
    if not errbacks:
        return given
    copy = given.clone()
    assert isinstance(copy, chord)
    del copy.options["link_error"]
    for errback in errbacks:
        copy.required_body().link_error(errback)
    return copy
