"""Saved views: named queries, private or shared."""

from __future__ import annotations

from sqlalchemy import delete as deleting
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ....jobs.core.errors import JobsError
from ....jobs.search import parse
from ....operations.people import permissions
from ....operations.people.caller import Caller, Forbidden
from ....operations.people.models import SavedView
from ....operations.people.roles import Role
from ....sql.clock import now

#: views per user
MOST = 50


def of(session: Session, visitor: Caller) -> list[SavedView]:
    """List the visitor's views and the shared ones by name; visitors with limited actors see only shared views about those."""
    mine = or_(SavedView.owner == visitor.key, SavedView.is_shared)
    found, limited = session.execute(select(SavedView).where(mine).order_by(SavedView.name, SavedView.id)).scalars(), permissions.in_force()
    return [each for each in found if limited is None or each.owner == visitor.key or limited.takes_query(parse(each.query))]


def save(session: Session, visitor: Caller, *, name: str, query: str, is_shared: bool) -> None:
    """Save a query; replaces the owner's view of that name."""
    name = " ".join(name.split())
    if not 0 < len(name) <= 60:
        raise JobsError("Give the view a name of at most 60 characters.", field="name")
    if is_shared and not visitor.role.includes(Role.OPERATOR):
        raise Forbidden("Sharing a view requires role operator.")
    parse(query)
    session.execute(deleting(SavedView).where(SavedView.owner == visitor.key, SavedView.name == name))
    if len(session.execute(select(SavedView.id).where(SavedView.owner == visitor.key).limit(MOST)).all()) == MOST:
        raise JobsError(f"You have {MOST} views: delete one first.", field="name")
    session.add(
        SavedView(owner=visitor.key, owner_name=visitor.name, name=name, query=query.strip(), is_shared=is_shared, created_at=now())
    )


def delete(session: Session, visitor: Caller, number: int) -> None:
    """Delete the visitor's view; an administrator may delete any shared one."""
    chosen = deleting(SavedView).where(SavedView.id == number)
    if not visitor.role.includes(Role.ADMIN):
        chosen = chosen.where(SavedView.owner == visitor.key)
    session.execute(chosen.where(or_(SavedView.owner == visitor.key, SavedView.is_shared)))
