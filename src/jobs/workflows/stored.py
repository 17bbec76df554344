"""Stored workflows: a workflow as plain JSON that can be saved, sent, edited and submitted elsewhere, any number of times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dramatiq import Message

from ..core.envelopes import dumps
from ..core.errors import JobsError
from ..options.job_options import OPTIONS
from ..submit.requests import Submission
from ..submit.submission import new_id
from .canvas import Part, Workflow

#: version of the JSON below; a reader rejects unknown ones
VERSION = 1
#: options that are stored: those valid for every submission, so no instants and no one-time keys
_KEPT = [option for option in OPTIONS if option.lasting]


def store(what: Workflow | Part) -> dict[str, Any]:
    """Return the JSON description of a workflow, or of one message or shape. Raises JobsError for arguments that JSON cannot hold."""
    workflow = what if isinstance(what, Workflow) else Workflow("workflow", what)
    described = {
        "version": VERSION,
        "name": workflow.name,
        "on_dead": workflow.on_dead.value,
        "steps": [_described(step) for step in workflow.steps],
    }
    try:
        dumps(described)
    except (TypeError, ValueError) as error:
        raise JobsError(f"this cannot be written as JSON ({error})", field="args") from None
    return described


def load(stored: Mapping[str, Any]) -> Workflow:
    """Build a new workflow from a description, with new job ids. Raises JobsError naming the invalid field."""
    if not isinstance(stored, Mapping) or stored.get("version") != VERSION:
        raise JobsError(f"no stored signature of version {VERSION}", field="version")
    workflow = Workflow(_text(stored, "name", "workflow"), on_dead=stored.get("on_dead", "wait"))
    steps = stored.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, Mapping) for step in steps):
        raise JobsError("steps must be a list of objects", field="steps")
    for step in steps:
        args, kwargs, options = step.get("args", []), step.get("kwargs", {}), step.get("options", {})
        if not isinstance(args, list) or not isinstance(kwargs, Mapping) or not isinstance(options, Mapping):
            raise JobsError("args must be a list, kwargs and options objects", field="args")
        message: Message[Any] = Message(
            queue_name=_text(step, "queue", "default"), actor_name=_text(step, "actor"), args=tuple(args), kwargs=dict(kwargs),
            options=dict(options), message_id=new_id(),
        )  # fmt: skip
        delay = step.get("delay")
        workflow.step(
            Submission(message, **{each.field: step[each.name] for each in _KEPT if step.get(each.name) is not None}),
            name=step.get("name"),
            after=step.get("after", ()),
            when=step.get("when", "success"),
            delay=None if delay is None else timedelta(milliseconds=delay),
        )
    return workflow


def _described(step: Any) -> dict[str, Any]:
    message = step.submission.message
    described = {
        "name": step.name,
        "actor": message.actor_name,
        "queue": message.queue_name,
        "args": list(message.args),
        "kwargs": message.kwargs,
        "options": message.options,
        "after": list(step.after),
        "when": step.when.value,
        "delay": None if step.delay is None else step.delay // timedelta(milliseconds=1),
        **{each.name: getattr(step.submission, each.field) for each in _KEPT},
    }
    return {name: value for name, value in described.items() if value is not None}


def _text(fields: Mapping[str, Any], name: str, otherwise: str | None = None) -> str:
    value = fields.get(name, otherwise)
    if not isinstance(value, str) or not value:
        raise JobsError(f"{name} must be a text, not {value!r:.60}", field=name)
    return value
