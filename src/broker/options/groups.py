"""Dramatiq's `group(...).add_completion_callback(...)` on SQL: the middleware that groups require, and the membership of their messages."""

from __future__ import annotations

from functools import wraps
from typing import Any

import dramatiq
from dramatiq import Message, Middleware
from dramatiq.middleware.group_callbacks import GroupCallbacks as StockGroupCallbacks

from ...jobs.attempts.current_job import current_job
from ...jobs.submit.requests import submission_of
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


def patch_empty_groups() -> None:
    """Send the callbacks of an empty group at once: Dramatiq passes them on with the members, so they would never be sent."""
    run = dramatiq.group.run
    if getattr(run, "is_patched", False):
        return

    @wraps(run)
    def patched_run(self: dramatiq.group, *, delay: int | None = None) -> dramatiq.group:
        if self.children:
            return run(self, delay=delay)  # type: ignore[no-any-return, no-untyped-call, unused-ignore]
        for callback in self.completion_callbacks:
            self.broker.enqueue(Message(**callback), delay=delay)
        return self

    patched_run.is_patched = True  # type: ignore[attr-defined]
    dramatiq.group.run = patched_run  # type: ignore[method-assign, unused-ignore]


def membership(options: dict[str, Any]) -> GroupMember | None:
    """Return the group that a message with these options belongs to, with its callbacks."""
    group, callbacks = options.get("group_completion_uuid"), options.get("group_completion_callbacks")
    if not group or not callbacks:
        return None
    messages: list[Message[Any]] = [Message(**callback) for callback in callbacks]
    following = [submission_of(each, source="group") for each in messages]
    check_following(following)
    return GroupMember(group, tuple(placed(following)))
