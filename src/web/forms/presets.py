"""Presets: saved values of an actor's form, private or shared. They never contain secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.orm import Session

from ...jobs.core.errors import JobsError
from ...operations.people.caller import Caller
from ...operations.people.models import FormPreset
from ...operations.people.roles import Role
from ...sql.clock import now

#: presets per actor and user
MOST = 100
NAME_LENGTH = 100


class UnknownPreset(JobsError):
    """No preset with this number is visible to the caller."""


def save(session: Session, actor: str, name: str, values: Mapping[str, Any], *, shared: bool, by: Caller) -> FormPreset:
    """Save values under a name; replaces the user's preset of that name. Raises JobsError with the cure."""
    name = name.strip()
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise JobsError(f"Give the preset a name of 1 to {NAME_LENGTH} characters.", field="preset-name")
    mine = select(FormPreset).where(FormPreset.actor == actor, FormPreset.owner_key == by.key)
    found = session.execute(mine.where(FormPreset.name == name)).scalars().first()
    if found is None:
        if session.execute(select(func.count()).select_from(mine.subquery())).scalar_one() >= MOST:
            raise JobsError(f"You already have {MOST} presets of this actor: delete one first.", field="preset-name")
        found = FormPreset(actor=actor, name=name, owner=by.name, owner_key=by.key)
        session.add(found)
    found.values, found.shared, found.saved_at = dict(values), shared, now()
    session.flush()
    return found


def listed(session: Session, actor: str, by: Caller) -> list[FormPreset]:
    """List an actor's presets visible to the caller, by name."""
    return list(session.execute(_seen(by).where(FormPreset.actor == actor).order_by(FormPreset.name, FormPreset.id)).scalars())


def find(session: Session, id: int, by: Caller) -> FormPreset:
    """A preset visible to the caller. Raises UnknownPreset."""
    found = session.execute(_seen(by).where(FormPreset.id == id)).scalars().first()
    if found is None:
        raise UnknownPreset("No such preset, or it is another user's private preset.", field="preset")
    return found


def remove(session: Session, id: int, by: Caller) -> FormPreset:
    """Delete the caller's preset; administrators may delete shared ones too. Raises UnknownPreset."""
    found = find(session, id, by)
    if not may_remove(found, by):
        raise UnknownPreset("Only the owner of this preset or an administrator can delete it.", field="preset")
    session.execute(delete(FormPreset).where(FormPreset.id == id))
    return found


def may_remove(preset: FormPreset, by: Caller) -> bool:
    """True if the caller owns the preset or is an administrator."""
    return preset.owner_key == by.key or by.role.includes(Role.ADMIN)


def _seen(by: Caller) -> Select[FormPreset]:
    return select(FormPreset).where(or_(FormPreset.owner_key == by.key, FormPreset.shared.is_(True)))
