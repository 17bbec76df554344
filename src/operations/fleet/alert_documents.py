"""Documents of alerts."""

from __future__ import annotations

from collections.abc import Mapping

from ...jobs.alerts.models import Alert, AlertMute
from ...jobs.alerts.mutes import Subject
from ..format.instants import write_instant


def document(alert: Alert, muted: Mapping[Subject, AlertMute]) -> dict[str, str | None]:
    """An alert with its mute; `began_at` is null if the mute kept it from beginning."""
    mute = muted.get((alert.kind, alert.subject))
    return {
        "id": str(alert.id),
        "kind": alert.kind.value,
        "subject": alert.subject or None,
        "text": alert.text,
        "seen_at": write_instant(alert.seen_at),
        "began_at": write_instant(alert.began_at),
        "recovered_at": write_instant(alert.recovered_at),
        "muted_until": write_instant(mute.until) if mute else None,
        "muted_by": mute.muted_by if mute else None,
    }
