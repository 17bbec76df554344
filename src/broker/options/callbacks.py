"""Dramatiq's callbacks and pipelines: the jobs that follow an attempt, submitted in the commit that ends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dramatiq import Actor, Message, Middleware
from dramatiq.broker import Broker, MessageProxy

from ...jobs.core.errors import JobsError
from ...jobs.core.values import plain, storable, text_of
from ...jobs.finish.settle import ERROR_LIMIT
from ...jobs.submit.requests import Submission, submission_of
from ...jobs.submit.submission import check, new_id
from ...telemetry import tracing
from ..core.encoding import UnstorableResult
from .retries import DEFAULT_MAX_RETRIES


class FollowUps(Middleware):
    """Declares `pipe_target`, `pipe_ignore`, `on_success`, `on_failure` as Dramatiq's Pipelines and Callbacks do."""

    @property
    def actor_options(self) -> set[str]:
        return {"pipe_ignore", "pipe_target", "on_failure", "on_success"}


def after_success(broker: Broker, actor: Actor[Any, Any], message: MessageProxy, encoded: str) -> list[Submission]:
    """Return the next step of a pipeline and the success callback, with the result as its row stores it, `encoded`.

    Raises UnstorableResult if one of them cannot accept it.
    """
    options = message.options
    following = []
    callback = options.get("on_success") or actor.options.get("on_success")
    if callback:
        following.append(_callback(broker, callback, message, _plain(message), json.loads(encoded)))
    target = options.get("pipe_target")
    if target is not None:
        step: Message[Any] = Message(**target)
        if not (step.options.get("pipe_ignore") or actor.options.get("pipe_ignore")):
            step = step.copy(args=(*step.args, json.loads(encoded)))
        following.append(submission_of(step, source="pipeline"))
    if not following:
        return following  # the message's id takes longer than all of this: the whole message is built for it
    check_following(following)
    return placed(following, message.message_id)


def check_following(following: Sequence[Submission]) -> None:
    """Raise UnstorableResult if a follow-up cannot be submitted: as any other error it would run the finished attempt again."""
    for each in following:
        try:
            check(each)
        except JobsError as error:
            raise UnstorableResult(f"{each.message.actor_name}, which follows it, cannot take its result: {error}") from None


def after_failure(
    broker: Broker,
    actor: Actor[Any, Any],
    message: MessageProxy,
    exception: BaseException,
    *,
    exhausted: bool,
    failures: int,
    mask: Callable[[str], str],
) -> tuple[list[Submission], str]:
    """Return the failure callback of this attempt and, after its last retry, the actor named for that; and why others are missing.

    A callback that cannot be stored does not change how the attempt ends.
    """
    options = message.options
    following = []
    callback = options.get("on_failure") or actor.options.get("on_failure")
    if callback:
        following.append(
            _callback(
                broker,
                callback,
                message,
                _plain(message),
                {"type": type(exception).__name__, "message": storable(mask(text_of(exception)), ERROR_LIMIT)},
            )
        )
    last = options.get("on_retry_exhausted") or actor.options.get("on_retry_exhausted")
    if exhausted and last:
        most = options.get("max_retries", actor.options.get("max_retries", DEFAULT_MAX_RETRIES))
        following.append(_callback(broker, last, message, _plain(message), {"retries": failures, "max_retries": most}))
    missing = []
    for each in following[:]:
        try:
            check(each)
        except JobsError as error:
            following.remove(each)
            missing.append(f"; its callback {each.message.actor_name} could not be submitted: {error}")
    return placed(following, message.message_id), "".join(missing)


def placed(following: Sequence[Submission], parent_id: str | None = None) -> list[Submission]:
    """Return these submissions with the job that they follow, and the trace context of its attempt."""
    following = [replace(each, parent_id=parent_id) for each in following] if parent_id is not None else list(following)
    spans = tracing.active()
    if spans is None:
        return following
    carrier = spans.carrier()
    return [replace(each, trace=carrier) for each in following]


def _callback(broker: Broker, actor: str | Actor[Any, Any], follows: MessageProxy, *args: Any) -> Submission:
    name = actor if isinstance(actor, str) else actor.actor_name
    # An actor of another deploy: its job is held in the queue of the one it follows, until a worker has that actor.
    queue = broker.actors[name].queue_name if name in broker.actors else follows.queue_name
    return Submission(
        Message(queue_name=queue, actor_name=name, args=args, kwargs={}, options={}, message_id=new_id()),
        source="callback",
    )


def _plain(message: MessageProxy) -> dict[str, Any]:
    fields: dict[str, Any] = plain(message._message.asdict())
    return fields
