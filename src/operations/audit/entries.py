"""Audit entries: filter for page and API, and the document of an entry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from ...audit import AuditEntry, Outcome, Via
from ...audit.queries import Wanted
from ...jobs.core.errors import JobsError
from ...settings import get_settings
from ..format.instants import parse_instant, write_instant

Word = TypeVar("Word", bound=StrEnum)

_TEXTS = ("who", "action", "kind", "subject", "address")
#: filter fields, in page order
FIELDS = (*_TEXTS, "outcome", "via", "since", "until")


def read(parameters: Mapping[str, str]) -> Wanted:
    """Parse the filter from URL parameters; raises JobsError naming the invalid one."""
    given = {name: parameters.get(name, "").strip() for name in FIELDS}
    return Wanted(
        **{name: given[name][:255] or None for name in _TEXTS},
        outcome=_word(Outcome, "outcome", given["outcome"]),
        via=_word(Via, "via", given["via"]),
        since=_instant("since", given["since"]),
        until=_instant("until", given["until"], ends=True),
    )


def document(line: AuditEntry) -> dict[str, Any]:
    """The document of an entry."""
    return {
        "id": line.seq,
        "at": write_instant(line.at),
        "who": line.who,
        "who_key": line.who_key,
        "role": line.role,
        "via": line.via.value,
        "address": line.address,
        "action": line.action,
        "kind": line.kind,
        "subject": line.subject,
        "outcome": line.outcome.value,
        "reason": line.reason,
        "details": line.details or {},
    }


def _word(kind: type[Word], field: str, text: str) -> Word | None:
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise JobsError(f"{field} must be one of {', '.join(kind)}, not {text!r:.40}.", field=field) from None


def _instant(field: str, text: str, *, ends: bool = False) -> datetime | None:
    """Parse a day in the display zone, or a time with zone. The last day of a range is included."""
    if not text:
        return None
    try:
        if len(text) == len("2030-01-31"):
            day = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(get_settings().timezone))
            return day + timedelta(days=1) if ends else day
        return parse_instant(text)
    except (ValueError, OverflowError):
        raise JobsError(
            f"{field} must be a day, e.g. 2030-01-31, or a time with time zone, e.g. 2030-01-31T18:00:00Z.", field=field
        ) from None
