"""Audit entries: filter for page and API, and the document of an entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field
from typing_extensions import TypedDict

from ...audit import AuditEntry, Outcome, Via
from ...audit.queries import Wanted
from ...jobs.core.errors import JobsError
from ...settings import get_settings
from ..format.document_fields import Instant
from ..format.instants import parse_instant, write_instant
from ..format.list_filters import Paging

Word = TypeVar("Word", bound=StrEnum)

_TEXTS = ("who", "action", "kind", "subject", "address")
#: filter fields, in page order
FIELDS = (*_TEXTS, "outcome", "via", "since", "until")


#: entries read for a page: those of a bulk action are shown as one row
READ = 1_000


@dataclass(slots=True)
class Row:
    """A row of the page: an entry, or the entries of one bulk action, which follow each other."""

    entry: AuditEntry
    bulk: str | None  # id of the bulk job
    number: int = 1


def rows(lines: Sequence[AuditEntry], *, limit: int) -> tuple[list[Row], int | None]:
    """Fold the entries into rows, up to `limit`; return the position after which the next page begins, None if all are shown."""
    found: list[Row] = []
    for at, line in enumerate(lines):
        bulk = str((line.details or {}).get("bulk") or "") or None
        if found and bulk is not None and found[-1].bulk == bulk and found[-1].entry.action == line.action:
            found[-1].number += 1
        elif len(found) == limit:
            return found, lines[at - 1].seq
        else:
            found.append(Row(line, bulk))
    return found, None


class AuditFilter(Paging, total=False):
    """Query parameters of the audit log."""

    who: str
    action: str
    kind: str
    subject: str
    address: str
    outcome: Annotated[str, Field(json_schema_extra={"enum": list(Outcome)})]
    via: Annotated[str, Field(json_schema_extra={"enum": list(Via)})]
    since: Annotated[str, Field(description="a day, or a time with time zone")]
    until: Annotated[str, Field(description="a day, which is included, or a time with time zone")]


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


class AuditEntryDocument(TypedDict):
    """An entry of the audit log."""

    id: int
    at: Instant
    who: str
    who_key: Annotated[str | None, Field(description="user N or token N; null: a terminal, or not signed in")]
    role: str | None
    via: Via
    address: str | None
    action: Annotated[str, Field(description="e.g. job.retry")]
    kind: Annotated[str | None, Field(description="kind of the subject, e.g. job")]
    subject: Annotated[str | None, Field(description="id or name of the subject")]
    outcome: Outcome
    reason: Annotated[str | None, Field(description="why it was refused")]
    details: Annotated[dict[str, Any], Field(description="further values of the action: any JSON")]


def document(line: AuditEntry) -> AuditEntryDocument:
    """The document of an entry."""
    return {
        "id": line.seq,
        "at": write_instant(line.at),
        "who": line.who,
        "who_key": line.who_key,
        "role": line.role,
        "via": line.via,
        "address": line.address,
        "action": line.action,
        "kind": line.kind,
        "subject": line.subject,
        "outcome": line.outcome,
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
