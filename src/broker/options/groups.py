"""Dramatiq's `group(...).add_completion_callback(...)` on SQL: the middleware that groups require, and the membership of their messages."""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps
from typing import Any

import dramatiq
from dramatiq import Message, Middleware
from dramatiq.broker import MessageProxy
from dramatiq.middleware.group_callbacks import GroupCallbacks as StockGroupCallbacks

from ...jobs.attempts.current_job import current_job
from ...jobs.submit.requests import submission_of
from ...jobs.submit.submission import for_a_new_job, new_id
from ...jobs.workflows import message_groups
from ...jobs.workflows.message_groups import GroupMember
from ...sql.database import write
from ..compat.limiter_backend import SqlRateLimiterBackend
from .callbacks import check_following, placed


class _GroupRegister(SqlRateLimiterBackend):
    """Replaces the barrier that a group creates when it runs: here a row with the number of members to expect."""

    def add(self, key: str, value: int, ttl: int) -> bool:
        """Open a group of `value` members. It does not expire: a job may be due in a year."""
        running = current_job.job
        if running is not None and running.is_transactional:
            return message_groups.open_group(running.session, key, value)  # its members are submitted there too
        with write() as session:
            return message_groups.open_group(session, key, value)


class GroupCallbacks(StockGroupCallbacks):
    """Enable completion callbacks of groups: each is sent once, in the commit in which the last member succeeds."""

    def __init__(self) -> None:
        super().__init__(_GroupRegister())

    # Counting in a hook would count a redelivered member twice, and lose counts when a worker is killed.
    after_process_message = Middleware.after_process_message


def patch_groups() -> None:
    """Let groups and pipelines of any members end.

    Dramatiq passes callbacks on with the members, so those of an empty group would never be sent; and a member that
    occurs twice would count once, since a message's id is its job's.
    """
    run, run_pipeline = dramatiq.group.run, dramatiq.pipeline.run
    if getattr(run, "is_patched", False):
        return

    @wraps(run)
    def patched_run(self: dramatiq.group, *, delay: int | None = None) -> dramatiq.group:
        self.children = _members(self.children)
        if self.children:
            return run(self, delay=delay)  # type: ignore[no-any-return, no-untyped-call, unused-ignore]
        for callback in self.completion_callbacks:
            self.broker.enqueue(Message(**callback), delay=delay)
        return self

    @wraps(run_pipeline)
    def patched_run_pipeline(self: dramatiq.pipeline, *, delay: int | None = None) -> dramatiq.pipeline:
        return run_pipeline(self, delay=delay) if self.messages else self  # type: ignore[no-any-return, no-untyped-call, unused-ignore]

    patched_run.is_patched = True  # type: ignore[attr-defined]
    dramatiq.group.run = patched_run  # type: ignore[method-assign, unused-ignore]
    dramatiq.pipeline.run = patched_run_pipeline  # type: ignore[method-assign, unused-ignore]


def _members(children: Iterable[Any]) -> list[Any]:
    """Return the children without empty pipelines, each message with an id of its own."""
    members: list[Any] = []
    known: set[str] = set()
    for child in children:
        if isinstance(child, Message | MessageProxy):
            member = for_a_new_job(child)  # now, so that the group knows its id
            member = member.copy(message_id=new_id()) if member.message_id in known else member
            known.add(member.message_id)
            members.append(member)
        elif not isinstance(child, dramatiq.pipeline) or child.messages:
            members.append(child)
    return members


def membership(options: dict[str, Any]) -> GroupMember | None:
    """Return the group that a message with these options belongs to, with its callbacks."""
    group, callbacks = options.get("group_completion_uuid"), options.get("group_completion_callbacks")
    if not group or not callbacks:
        return None
    messages: list[Message[Any]] = [Message(**callback) for callback in callbacks]
    following = [submission_of(each, source="group") for each in messages]
    check_following(following)
    return GroupMember(group, tuple(placed(following)))
