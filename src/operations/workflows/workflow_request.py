"""Workflow request: a list of steps with dependencies, or the shapes chain, group and chord.

{"name": "nightly", "steps": [
    {"name": "a", "actor": "add", "args": [1, 2]},
    {"name": "b", "actor": "mul", "args": [{"$result_of": "a"}, 3]},
    {"actor": "notify", "after": ["a", "b"], "when": "always"}]}
{"chain": [{"actor": "add", "args": [1, 2]}, {"group": [{"actor": "mul", "args": [3]}, …], "on_error": {"actor": "alarm"}}]}
{"chord": [{"actor": …}, …], "callback": {"actor": "xsum"}}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from dramatiq import Message
from pydantic import Field, create_model

from ...jobs import Submission
from ...jobs.core.errors import InvalidArguments, JobsError
from ...jobs.options.job_options import Place, refuse_early_expiry
from ...jobs.submit.submission import new_id
from ...jobs.workflows import canvas
from ...jobs.workflows.canvas import Workflow
from ...sql.clock import now
from ..format.request_values import RequestBody, duration, example, read
from ..jobs import actor_catalogue
from ..jobs.option_bodies import values_of, with_options
from ..jobs.requests import job_request
from ..people.caller import Caller

#: maximum steps of a workflow: they are one transaction, and on SQLite other writers wait for it
STEP_LIMIT = 2_000
#: maximum nesting of shapes
DEPTH_LIMIT = 20


@with_options(Place.STEP)
class StepBody(RequestBody):
    """A step: a job and its dependencies."""

    model_config = example({"actor": "add", "args": [1, 2]})

    actor: str = Field(description="name of the actor")
    args: list[Any] = Field(
        [], description='arguments by position, any JSON; {"$result_of": "name"} stands for the result of an earlier step'
    )
    kwargs: dict[str, Any] = Field({}, description="arguments by name, any JSON; may contain $result_of too")
    name: str | None = Field(None, min_length=1, max_length=255, description="name for later steps to refer to; null: the actor's name")
    after: list[str] | str = Field([], description="earlier steps to wait for, besides those named in the arguments; only in steps")
    when: Literal["success", "error", "always"] = Field("success", description="outcome of the earlier steps on which this step runs")
    delay: str | float | None = Field(None, description="delay after the step is released: seconds, or a text such as 10m")
    queue: str | None = Field(None, description="overrides the actor's queue")
    pipe_ignore: bool = Field(False, description="in a chain or chord: do not pass the previous result to this step")


class _Steps(RequestBody):
    name: str = Field("workflow", min_length=1, max_length=255)
    on_dead: Literal["wait", "cancel"] = Field("wait", description="handling of later steps if a step is dead")
    steps: list[StepBody] | None = Field(None, description="steps in order; a step refers to earlier ones only")


class ShapeBody(RequestBody):
    """A shape of steps; exactly one of chain (or pipeline), group, chord."""

    chain: list[Part] | None = Field(None, description="in sequence; each step gets the result of the previous one")
    pipeline: list[Part] | None = Field(None, description="alias of chain")
    group: list[Part] | None = Field(None, description="in parallel")
    on_success: Part | list[Part] | None = Field(
        None, description="with group: a step or shape, or a list of them, run once after all steps have succeeded"
    )
    on_error: Part | list[Part] | None = Field(None, description="… after all have finished and at least one has not succeeded")
    always: Part | list[Part] | None = Field(None, description="… after all have finished")
    chord: list[Part] | None = Field(None, description="in parallel, then callback with the list of their results")
    callback: Part | None = Field(None, description="with chord")


#: a part of a shape
Part = StepBody | ShapeBody


class WorkflowBody(ShapeBody, _Steps):
    """Body of a workflow; exactly one of steps, chain (or pipeline), group, chord."""

    model_config = example({"steps": [{"actor": "add", "args": [1, 2]}]})


class RerunBody(RequestBody):
    """Body of a re-run."""

    model_config = example({"step": "parse"})

    step: str = Field(min_length=1, max_length=255, description="name of the step to run again, with all that follow it")


_UNREAD: dict[str, Any] = {
    **dict.fromkeys(("steps", "chain", "pipeline", "group", "chord"), (list[dict[str, Any]] | None, None)),
    **dict.fromkeys(("on_success", "on_error", "always"), (Any, None)),
    "callback": (dict[str, Any] | None, None),
}
#: the same with its parts unread: each is validated later, where the error can name its place
_UnreadBody = create_model("_UnreadBody", __base__=WorkflowBody, **_UNREAD)

#: shapes with their optional members
_SHAPES: dict[str, set[str]] = {
    "chain": set(),
    "pipeline": set(),
    "group": {"on_success", "on_error", "always"},
    "chord": {"callback"},
}


def read_workflow(document: Any, *, by: Caller) -> Workflow:
    """Build and validate the workflow of a body; raises JobsError naming the invalid part."""
    body = read(_UnreadBody, document)
    asked = {name: value for name, value in body.model_dump(exclude_unset=True).items() if name not in ("name", "on_dead")}
    workflow = Workflow(body.name, on_dead=body.on_dead)
    if body.steps is not None:
        if set(asked) != {"steps"}:
            raise JobsError("Give steps, or one of chain, group and chord, not both.", field="steps")
        for index, step in enumerate(body.steps):
            _add(workflow, f"steps.{index}", step, by)
    else:
        workflow.add(_shape(asked, "", by, 0))
    if not 0 < len(workflow.steps) <= STEP_LIMIT:
        raise JobsError(f"A workflow has 1 to {STEP_LIMIT} steps, not {len(workflow.steps)}.", field="steps")
    workflow.steps = [replace(step, submission=job_request.check_step(step)) for step in workflow.steps]
    return workflow


def _add(workflow: Workflow, place: str, document: Any, by: Caller) -> None:
    body = _read_step(document, place)
    after = [body.after] if isinstance(body.after, str) else body.after
    submission, delay = _submission(body, place, by)
    try:
        workflow.step(submission, name=body.name, after=after, when=body.when, delay=delay)
    except JobsError as error:
        raise _at(place, error) from None


def _shape(node: Any, place: str, by: Caller, depth: int) -> Any:
    """Build a shape, or a step as its leaf."""
    if depth > DEPTH_LIMIT:
        raise JobsError(f"Shapes can be nested at most {DEPTH_LIMIT} levels deep.", field=place)
    if not isinstance(node, dict):
        raise JobsError("Each part must be a step with an actor, or a chain, group or chord.", field=place or "steps")
    kinds = [kind for kind in _SHAPES if node.get(kind) is not None]
    if not kinds:
        if not node or "actor" not in node:
            raise JobsError("Give steps, chain, group or chord; each part of a shape needs an actor or a shape.", field=place or "steps")
        return _leaf(node, place, by)
    kind = kinds[0]
    if len(kinds) > 1 or set(node) - {kind} - _SHAPES[kind]:
        odd = sorted(set(node) - {kind} - _SHAPES[kind])
        raise JobsError(f"A {kind} has no {', '.join(odd)}.", field=_join(place, odd[0]))
    if not isinstance(node[kind], list) or not node[kind]:
        raise JobsError(f"A {kind} must be a list of at least one part.", field=_join(place, kind))
    parts = [_shape(part, _join(place, f"{kind}.{index}"), by, depth + 1) for index, part in enumerate(node[kind])]
    if kind == "chord":
        if node.get("callback") is None:
            raise JobsError("A chord needs its callback.", field=_join(place, "callback"))
        return canvas.chord(parts, _shape(node["callback"], _join(place, "callback"), by, depth + 1))
    if kind != "group":
        return canvas.chain(*parts)
    callbacks = {name: _callbacks(node.get(name), _join(place, name), by, depth + 1) for name in ("on_success", "on_error", "always")}
    return canvas.group(*parts, **callbacks)


def _callbacks(node: Any, place: str, by: Caller, depth: int) -> Sequence[Any]:
    if node is None:
        return ()
    nodes = node if isinstance(node, list) else [node]
    return [_shape(each, f"{place}.{index}", by, depth) for index, each in enumerate(nodes)]


def _leaf(document: Any, place: str, by: Caller) -> Submission:
    body = _read_step(document, place)
    if body.after or body.when != "success" or body.name is not None:
        raise JobsError("A step in a shape cannot have name, after or when: the shape defines the order. Use steps instead.", field=place)
    submission, delay = _submission(body, place, by)
    options: dict[str, Any] = {"pipe_ignore": True} if body.pipe_ignore else {}
    if delay is not None:
        options["delay"] = delay // timedelta(milliseconds=1)
    return replace(submission, message=submission.message.copy(options=options))


def _read_step(document: Any, place: str) -> StepBody:
    try:
        return read(StepBody, document)
    except JobsError as error:
        raise _at(place, error) from None


def _submission(body: StepBody, place: str, by: Caller) -> tuple[Submission, timedelta | None]:
    """Build a step's submission, and its delay. Its arguments are not validated: results of other steps are still missing from them."""
    try:
        actor = actor_catalogue.submittable(body.actor)
        message: Message[Any] = Message(
            queue_name=job_request.queue(body.queue or actor.queue_name), actor_name=actor.actor_name, args=tuple(body.args), kwargs=body.kwargs,
            options={}, message_id=new_id(),
        )  # fmt: skip
        submission = Submission(message, submitted_by=by.name, **values_of(body, Place.STEP))
        delay = duration("delay", body.delay)
        refuse_early_expiry(now() + (delay or timedelta()), submission.expires_at)
        return submission, delay
    except JobsError as error:
        raise _at(place, error) from None


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _at(place: str, error: JobsError) -> InvalidArguments:
    """The error with its path in the request."""
    fields = error.located if isinstance(error, InvalidArguments) else {error.field: str(error)} if error.field else {}
    return InvalidArguments(f"{place}: {error}", errors={_join(place, str(name)): text for name, text in fields.items()})
