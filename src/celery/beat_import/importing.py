"""Importing: compares entries with the schedules that exist, and creates the missing ones. A second time changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import dramatiq
from sqlalchemy import select
from sqlalchemy.orm import Session

from ...broker.options import periodic
from ...jobs.core.errors import JobsError
from ...schedules import Declaration
from ...schedules.edit import declared_schedules, editing
from ...schedules.rows.drafts import Draft
from ...schedules.rows.models import Schedule
from ...scheduling.draft_validation import fitted
from ...sql.clock import now
from ..app import beat
from ..task.builtins import BACKEND_CLEANUP
from .entries import Entry

_DISABLED = "disabled in django-celery-beat"


class Step(StrEnum):
    """Outcome of one entry."""

    CREATE = "create"
    UNCHANGED = "unchanged"
    DIFFERS = "differs"
    REFUSED = "refused"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Planned:
    """One entry with its outcome, the reason or the rule in words, and the parts that are lost."""

    name: str
    step: Step
    text: str
    paused: bool = False
    lost: tuple[str, ...] = ()

    @property
    def must_change(self) -> bool:
        """True if a user must do something about it."""
        return self.step in (Step.DIFFERS, Step.REFUSED) or bool(self.lost)


def of_database(session: Session | None, entries: Iterable[Entry], *, by: str, apply: bool) -> list[Planned]:
    """Plan the import of django-celery-beat's entries, and with `apply` do it. Without a session none exists yet."""
    declared = periodic.declarations(dramatiq.get_broker())
    return [_of_entry(session, each, declared, by=by, apply=apply) for each in entries]


def of_code(session: Session | None, *, apply: bool) -> list[Planned]:
    """Plan the schedules that loaded Celery code declares, and with `apply` store them, as a scheduler does when it starts."""
    declared = periodic.declarations(dramatiq.get_broker())
    return list(_of_declarations(session, {name: declared[name] for name in beat.declared_names() if name in declared}, apply=apply))


def _of_declarations(session: Session | None, declared: dict[str, Declaration], *, apply: bool) -> Iterator[Planned]:
    for name, declaration in sorted(declared.items()):
        row = _row(session, Schedule.declared.is_(True), Schedule.actor == name)
        is_same = row is not None and row.code_draft is not None and not row.code_draft.differing(declaration.of(name))
        if apply and session is not None and not is_same:
            declared_schedules.register(session, name, declaration)
        yield Planned(name, Step.UNCHANGED if is_same else Step.CREATE, f"{declaration}, declared in code")


def _of_entry(session: Session | None, entry: Entry, declared: dict[str, Declaration], *, by: str, apply: bool) -> Planned:
    def planned(step: Step, text: str, lost: Iterable[str] = ()) -> Planned:
        return Planned(entry.name, step, text, not entry.enabled, tuple(lost))

    if entry.task == BACKEND_CLEANUP:
        return planned(Step.SKIPPED, "retention deletes jobs and results")
    if entry.draft is None:
        return planned(Step.REFUSED, str(entry.problem))
    if entry.name in declared:
        return planned(*_of_declared(session, entry, declared[entry.name], by=by, apply=apply))
    row = _row(session, Schedule.name == entry.name)
    if row is None and not entry.enabled and entry.draft.rule.next(now()) is None:
        return planned(Step.SKIPPED, "it has run")
    try:
        draft = fitted(entry.draft, dramatiq.get_broker())
    except JobsError as error:
        return planned(Step.REFUSED, str(error))
    if row is not None:
        fields = row.draft.differing(draft)
        text = (
            f"{', '.join(fields)} differ from the schedule of this name, which stays: delete it, then import again"
            if fields
            else _words(draft)
        )
        return planned(Step.DIFFERS if fields else Step.UNCHANGED, text, entry.lost)
    try:
        editing.check_ahead(draft)
    except JobsError as error:
        return planned(Step.REFUSED, str(error))
    if apply and session is not None:
        _create(session, draft, is_paused=not entry.enabled, by=by)
    return planned(Step.CREATE, _words(draft), entry.lost)


def _of_declared(session: Session | None, entry: Entry, declaration: Declaration, *, by: str, apply: bool) -> tuple[Step, str]:
    """Decide about an entry that beat copied from the code into its database: the code's holds, and a disabled one is paused."""
    if entry.enabled:
        return Step.SKIPPED, "the code declares a schedule of this name"
    row = _row(session, Schedule.declared.is_(True), Schedule.actor == entry.name)
    if row is not None:
        is_paused = row.paused_at is not None
        return (
            (Step.UNCHANGED, "declared in code")
            if is_paused
            else (Step.DIFFERS, "it is disabled in beat's database and runs here: pause it")
        )
    if apply and session is not None:
        row = declared_schedules.register(session, entry.name, declaration)
        editing.pause(session, row.id, by=by, reason=_DISABLED)
    return Step.CREATE, "declared in code"


def _row(session: Session | None, *conditions: Any) -> Schedule | None:
    return None if session is None else session.execute(select(Schedule).where(*conditions)).scalars().first()


def _create(session: Session, draft: Draft, *, is_paused: bool, by: str) -> None:
    created: Any = editing.create(session, draft, by=by)
    if is_paused:
        editing.pause(session, created.id, by=by, reason=_DISABLED)


def _words(draft: Draft) -> str:
    rule = draft.cron or (f"every {draft.every_s} s" if draft.every_s else f"at {draft.at.isoformat() if draft.at else '?'}")
    return f"{draft.actor}, {rule}{f' {draft.zone}' if draft.cron else ''}"
