"""Dramatiq's groups with completion callbacks: counted in the commit that ends a member, so that each callback is sent once.

A member counts when its job moves to succeeded, which happens once, however often it failed or was delivered before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.upsert import upsert
from ..core.states import State
from ..core.workflow_models import MessageGroup
from ..submit.requests import Submission

#: age before which a group is not looked at: its members may not be submitted yet
_YOUNG = timedelta(days=1)
#: options of jobs that belong to a group, or that a member of one follows; jobs that have succeeded are counted
_OPTIONS = f"""SELECT options FROM jobs WHERE state <> '{State.SUCCEEDED}' AND options LIKE '%"group_completion_uuid"%'"""
_GROUP = re.compile(r'"group_completion_uuid":\s*"([^"]+)"')


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A message's group membership: the group, and the callbacks to send when all members have succeeded."""

    group: str
    callbacks: tuple[Submission, ...]


def open_group(session: Session, id: str, size: int) -> bool:
    """Register a group of this size; False: it was registered before."""
    statement = upsert(session, MessageGroup).values(id=id, size=size, succeeded=0, created_at=now()).on_conflict_do_nothing()
    return session.execute(statement.returning(MessageGroup.id)).first() is not None


def note_succeeded(session: Session, members: Sequence[GroupMember]) -> list[Submission]:
    """Count these members, whose jobs succeed in this transaction; return the callbacks of groups that are now complete."""
    counts = Counter(member.group for member in members)
    callbacks = {member.group: member.callbacks for member in members}
    complete: list[Submission] = []
    for group, count in sorted(counts.items()):  # in a fixed order, to prevent deadlocks between commits that share two groups
        counted = (
            update(MessageGroup)
            .where(MessageGroup.id == group)
            .values(succeeded=MessageGroup.succeeded + count)
            .returning(MessageGroup.succeeded, MessageGroup.size)
            .execution_options(synchronize_session=False)
        )
        found = session.execute(counted).first()
        if found is not None and found.succeeded >= found.size:
            session.execute(delete(MessageGroup).where(MessageGroup.id == group))
            complete.extend(callbacks[group])
    return complete


def prune(session: Session, *, batch: int) -> int:
    """Delete up to `batch` groups that cannot complete, for retention has deleted a member; return their number."""
    old = set(session.execute(select(MessageGroup.id).where(MessageGroup.created_at < now() - _YOUNG)).scalars())
    if old:
        old -= {group for (options,) in session.execute(text(_OPTIONS)) for group in _GROUP.findall(options)}
    over = sorted(old)[:batch]
    session.execute(delete(MessageGroup).where(MessageGroup.id.in_(over)))
    return len(over)
