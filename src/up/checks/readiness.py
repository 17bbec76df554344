"""Readiness checks: each returns None, or the missing piece as text."""

from __future__ import annotations

import socket
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from ...broker.core.connections import cannot_login
from ...jobs.leases.workers import alive
from ...sql.database import read


def broker_missing(urls: list[str]) -> str | None:
    """Check the login at one of the brokers."""
    refusals = [cannot_login(url) for url in urls]
    return None if None in refusals else "; ".join(str(refusal) for refusal in refusals)


def mailbox_missing(smtp_url: str) -> str | None:
    """Check that the mailbox is listening."""
    parts = urlsplit(smtp_url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5):
            return None
    except OSError as error:
        return f"the mailbox is not listening: {error}"


def workers_missing(since: datetime, wanted: int) -> str | None:
    """Check that the wanted number of workers started since then and sent a heartbeat."""
    try:
        with read() as session:
            here = sum(worker.started_at >= since for worker in alive(session))
    except SQLAlchemyError as error:
        return f"the workers table cannot be read: {error}"
    return None if here >= wanted else f"{here} of {wanted} workers have a heartbeat"
