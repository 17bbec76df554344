"""Entries: each periodic task of django-celery-beat as a draft of a schedule, with what cannot be kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ... import COMMAND
from ...jobs.core.errors import JobsError
from ...schedules.rows.drafts import Draft
from ..base.differences import Unsupported, unsupported
from ..core import registry
from ..schedules import crontab, schedule
from ..task.declaration import queue_of
from .database import Row

#: columns that a schedule has no place for, with the cure
_LOST = {
    "exchange": "a job goes to a queue by name",
    "routing_key": "a job goes to a queue by name",
    "priority": "set priority= of the task",
    "expire_seconds": "set expires= of the task",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One periodic task. `problem`: why it cannot be imported; `lost`: parts that a schedule does not keep."""

    name: str
    task: str
    enabled: bool
    draft: Draft | None = None
    problem: str | None = None
    lost: list[str] = field(default_factory=list)


def entry(row: Row, column: str, rule: Row) -> Entry:
    """Read one periodic task with its rule."""
    name, task, enabled = str(row["name"]), str(row["task"]), bool(row["enabled"])
    try:
        draft = replace(_timed(row, column, rule), name=name, actor=task, args=_json(row, "args", []), kwargs=_json(row, "kwargs", {}))
        draft.check()
    except (Unsupported, JobsError, TypeError, ValueError) as error:
        return Entry(name, task, enabled, problem=str(error))
    return Entry(name, task, enabled, draft, lost=_lost(row, task))


def _timed(row: Row, column: str, rule: Row) -> Draft:
    """Build a draft with the time rule. Raises for one that has no counterpart."""
    if column == "solar_id":
        raise unsupported("solar")
    if column == "clocked_id":
        return Draft("", "", at=_instant(rule["clocked_time"]))
    if row.get("one_off"):
        raise ValueError(f"it runs once, at the next time of its rule: create it with `{COMMAND} schedule create --at TIME`")
    bounds = {"starts_at": _instant(row.get("start_time")), "ends_at": _instant(row.get("expires"))}
    if column == "interval_id":
        return schedule(timedelta(**{rule["period"]: rule["every"]})).declaration(**bounds).draft
    if column == "crontab_id":
        fields = {name: rule[name] for name in ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")}
        return crontab(**fields).declaration(zone=str(rule.get("timezone") or "UTC"), **bounds).draft
    raise ValueError("it has no time rule")


def _lost(row: Row, task: str) -> list[str]:
    found = [
        f"{column}={row[column]} is not kept: {cure}" for column, cure in _LOST.items() if row.get(column) is not None and row[column] != ""
    ]
    if row.get("headers") not in (None, "", "{}"):
        found.append("headers are not kept: pass the values as arguments")
    known: Any = registry.find(task)
    if row.get("queue") and (known is None or queue_of(known) != row["queue"]):
        found.append(f"queue={row['queue']} is not kept: set queue= of the task, or its route")
    return found


def _json(row: Row, column: str, default: Any) -> Any:
    given = json.loads(row.get(column) or json.dumps(default))
    if not isinstance(given, type(default)):
        raise ValueError(f"{column} must be a JSON {'list' if default == [] else 'object'}, not {given!r:.60}")
    return given


def _instant(value: Any) -> datetime | None:
    """An instant of the database: SQLite has texts, and Django stores them in UTC."""
    if value is None:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
