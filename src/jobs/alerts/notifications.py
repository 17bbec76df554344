"""Webhook events of alerts: one delivery for each webhook that subscribed to the change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from ...settings import get_settings
from ..core.states import Turn
from ..webhooks import events
from ..webhooks.models import Kind
from .alerts import Change


def notify(session: Session, changes: Iterable[Change]) -> list[str]:
    """Write and submit the deliveries of these changes; return their ids."""
    hooks = events.subscribed(session)
    documents = [(change, _document(change)) for change in changes]
    return events.add(
        session,
        (
            (hook.id, f"alert.{change.turn}", str(change.id), events.payload(f"alert.{change.turn}", change.at, document))
            for change, document in documents
            for hook in hooks
            if hook.wants(Kind.ALERT, None, change.turn.value)
        ),
    )


def _document(change: Change) -> dict[str, Any]:
    return {
        "id": str(change.id), "kind": change.kind.value, "subject": change.subject or None, "state": change.turn.value, "text": change.text,
        "began_at": events.iso(change.began_at), "recovered_at": events.iso(change.at) if change.turn is Turn.RECOVERED else None,
        "url": f"{get_settings().effective_public_url}/",
    }  # fmt: skip
