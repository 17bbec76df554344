"""Presets: values of an actor's form that somebody saved, for himself or for everybody. Secrets are never part of one."""

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

#: of one actor and person
MOST = 100
NAME_LENGTH = 100


class UnknownPreset(JobsError):
    """There is no preset of this number that the asker may see."""


def save(session: Session, actor: str, name: str, values: Mapping[str, Any], *, shared: bool, by: Caller) -> FormPreset:
    """Keep values under a name; the same name of the same person again replaces them. Raises JobsError naming the cure."""
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
    """Those of an actor that somebody may use, by name."""
    return list(session.execute(_seen(by).where(FormPreset.actor == actor).order_by(FormPreset.name, FormPreset.id)).scalars())


def find(session: Session, id: int, by: Caller) -> FormPreset:
    """A preset that somebody may use. Raises UnknownPreset."""
    found = session.execute(_seen(by).where(FormPreset.id == id)).scalars().first()
    if found is None:
        raise UnknownPreset("No such preset, or it is another user's private preset.", field="preset")
    return found


def remove(session: Session, id: int, by: Caller) -> FormPreset:
    """Delete a preset of one's own; an administrator deletes shared ones of others too. Raises UnknownPreset."""
    found = find(session, id, by)
    if not may_remove(found, by):
        raise UnknownPreset("Only the owner of this preset or an administrator can delete it.", field="preset")
    session.execute(delete(FormPreset).where(FormPreset.id == id))
    return found


def may_remove(preset: FormPreset, by: Caller) -> bool:
    """Is it one's own, or is one the administrator?"""
    return preset.owner_key == by.key or by.role.includes(Role.ADMIN)


def _seen(by: Caller) -> Select[FormPreset]:
    return select(FormPreset).where(or_(FormPreset.owner_key == by.key, FormPreset.shared.is_(True)))
