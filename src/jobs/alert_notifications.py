"""Webhook events of alerts: one delivery for each webhook that subscribed to the change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from src.jobs import ends
from src.jobs.alerts import Change
from src.jobs.states import Turn
from src.jobs.webhook_models import Kind
from src.settings import get_settings


def notify(session: Session, changes: Iterable[Change]) -> list[str]:
    """Write and submit the deliveries of these changes; return their ids."""
    hooks = ends.subscribed(session)
    documents = [(change, _document(change)) for change in changes]
    return ends.add(
        session,
        (
            (hook.id, f"alert.{change.turn}", str(change.id), ends.payload(f"alert.{change.turn}", change.at, document))
            for change, document in documents
            for hook in hooks
            if hook.wants(Kind.ALERT, None, change.turn.value)
        ),
    )


def _document(change: Change) -> dict[str, Any]:
    return {
        "id": str(change.id), "kind": change.kind.value, "subject": change.subject or None, "state": change.turn.value, "text": change.text,
        "began_at": ends.iso(change.began_at), "recovered_at": ends.iso(change.at) if change.turn is Turn.RECOVERED else None,
        "url": f"{get_settings().effective_public_url}/",
    }  # fmt: skip
