"""An actor's declared submission defaults: options, expiry, keys, required roles. Applied by submit().

Roles are enforced where users and tokens are known: src/operations/people/permissions.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from dramatiq import Message

from ... import early_actors
from ..core.errors import JobsError
from ..core.values import dumps, fitting, text_of
from ..options.job_options import FIELDS, JobOptions, given


@dataclass(frozen=True, slots=True)
class Defaults:
    """One actor's declarations; a call may override them."""

    options: JobOptions = field(default_factory=JobOptions)  # it is unique if unique_until or unique_for is set
    expires_after: timedelta | None = None
    unique_by: Callable[..., Any] | None = None  # computed from the arguments; None: all of them
    fair_by: Callable[..., Any] | None = None
    submit_role: str | None = None  # the minimum role to submit, retry and change its jobs; None: the default
    view_role: str | None = None  # the minimum role to see them
    seal: Callable[[Message[Any]], Message[Any]] = lambda message: message  # its secret arguments
    usual: Mapping[str, Any] = field(init=False, compare=False)  # values of the options by field: the actor's, else the default

    def __post_init__(self) -> None:
        declared = given(self.options)
        usual = {name: option.default if declared[name] is None else declared[name] for name, option in FIELDS.items()}
        object.__setattr__(self, "usual", usual)

    def unique_key(self, message: Message[Any]) -> str | None:
        """Return the key computed from the arguments, or None if the actor is not unique or its function returns None."""
        if self.options.unique_until is None and self.options.unique_for is None:
            return None
        text = dumps([message.args, message.kwargs]) if self.unique_by is None else _computed("unique_by", self.unique_by, message)
        if text is None:
            return None
        if len(text) > 100:
            text = hashlib.sha256(text.encode()).hexdigest()
        return fitting(f"{message.actor_name}:{text}", 255)

    def fair_key(self, message: Message[Any]) -> str | None:
        """Return the key computed from the arguments, or None if the actor has no function for it or that returns None."""
        text = None if self.fair_by is None else _computed("fair_by", self.fair_by, message)
        return None if text is None else fitting(text, 255)


def _computed(name: str, key_of: Callable[..., Any], message: Message[Any]) -> str | None:
    try:
        key = key_of(*message.args, **message.kwargs)
    except BaseException as error:
        line = f"{type(error).__name__}: {text_of(error, 200)}"
        raise JobsError(f"{name} of {message.actor_name} cannot compute a key from the arguments ({line})", field="args") from error
    return None if key is None else text_of(key)


def keys(actor: str, queue: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys, by field, that the actor computes from stored arguments. Raises JobsError."""
    declared, message = of(actor), Message[Any](queue, actor, tuple(args), dict(kwargs), {})
    found = {"unique_key": declared.unique_key(message), "fair_key": declared.fair_key(message)}
    return {name: key for name, key in found.items() if key is not None}


NOTHING = Defaults()
_declared: dict[str, Defaults] = {}
_guarded: dict[str, Defaults] = {}


def declare(actor: str, defaults: Defaults) -> None:
    """Register an actor's defaults when it is declared."""
    _declared[actor] = defaults
    if defaults.submit_role or defaults.view_role:
        _guarded[actor] = defaults
    else:
        _guarded.pop(actor, None)


def of(actor: str) -> Defaults:
    """Return an actor's defaults, or empty ones."""
    if actor not in _declared:
        early_actors.adopt(actor)  # it is declared then: its key would be missing, and its secrets would be stored as they are
    return _declared.get(actor, NOTHING)


def sealed(message: Message[Any]) -> Message[Any]:
    """Return the message with its secret arguments sealed, also those of the messages in its options, which follow it."""
    message = of(message.actor_name).seal(message)
    options = message.options
    target, callbacks = options.get("pipe_target"), options.get("group_completion_callbacks")
    following: dict[str, Any] = {}
    if target:
        following["pipe_target"] = _sealed_document(target)
    if callbacks and isinstance(callbacks, list | tuple):
        following["group_completion_callbacks"] = [_sealed_document(each) for each in callbacks]
    return replace(message, options={**options, **following}) if following else message


def _sealed_document(document: Any) -> Any:
    try:
        return sealed(Message(**document)).asdict()
    except TypeError:  # not a message: refused when it is to follow
        return document


def guarded() -> Mapping[str, Defaults]:
    """Return the actors that declare required roles."""
    return _guarded
