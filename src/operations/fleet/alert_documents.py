"""Documents of alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...jobs.alerts.models import Alert, AlertKind, AlertMute
from ...jobs.alerts.mutes import Subject
from ..format.document_fields import Instant
from ..format.instants import write_instant


class AlertDocument(TypedDict):
    """An alert with its mute."""

    id: str
    kind: AlertKind
    subject: Annotated[str | None, Field(description="name of the queue or schedule; null: the fleet")]
    text: str
    seen_at: Annotated[Instant, Field(description="start of the problem")]
    began_at: Annotated[Instant | None, Field(description="when it was notified; null: a mute kept it from beginning")]
    recovered_at: Instant | None
    muted_until: Instant | None
    muted_by: str | None


def document(alert: Alert, muted: Mapping[Subject, AlertMute]) -> AlertDocument:
    """The document of an alert."""
    mute = muted.get((alert.kind, alert.subject))
    return {
        "id": str(alert.id),
        "kind": alert.kind,
        "subject": alert.subject or None,
        "text": alert.text,
        "seen_at": write_instant(alert.seen_at),
        "began_at": write_instant(alert.began_at),
        "recovered_at": write_instant(alert.recovered_at),
        "muted_until": write_instant(mute.until) if mute else None,
        "muted_by": mute.muted_by if mute else None,
    }
