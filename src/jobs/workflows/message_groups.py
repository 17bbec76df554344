"""Dramatiq's groups with completion callbacks: counted in the commit that ends a member, so that each callback is sent once.

A member counts when its job moves to succeeded, which happens once, however often it failed or was delivered before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.upsert import upsert
from ..core.workflow_models import MessageGroup
from ..submit.requests import Submission


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
