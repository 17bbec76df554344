"""Readiness checks: each returns None, or the missing piece as text."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from ... import COMMAND
from ...broker.core.connections import cannot_login
from ...formats.quantities import counted
from ...jobs.leases.workers import alive
from ...sql.clock import now
from ...sql.database import get_database, read
from ..data.configuration import masked
from ..errors import UpError
from . import web_answers

#: seconds between checks of what is not ready yet
SOON_S = 0.03


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
    return None if here >= wanted else f"{here} of {counted(wanted, 'worker')} {'has' if 1 in (here, wanted) else 'have'} a heartbeat"


def wait_for_workers(since: str, wanted: int, timeout_s: float) -> None:
    """Wait for the heartbeats of so many workers that started since then. Raises UpError."""
    _wait("Workers", lambda: workers_missing(datetime.fromisoformat(since), wanted), timeout_s)


def wait_for_mailbox(smtp_url: str, timeout_s: float) -> None:
    """Wait until the mailbox listens. Raises UpError."""
    _wait("Mailbox", lambda: mailbox_missing(smtp_url), timeout_s)


def wait_for_web(url: str, timeout_s: float) -> None:
    """Wait until the web front end is ready. Raises UpError."""
    _wait("Web", lambda: web_answers.web_missing(url), timeout_s)


def database_time() -> str:
    """Return the database's time."""
    get_database()  # corrects now() to PostgreSQL's clock
    return now().isoformat()


def _wait(what: str, missing: Callable[[], str | None], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while reason := missing():
        if time.monotonic() > deadline:
            raise UpError(
                f"{what} did not become ready within {timeout_s:.0f} s: {masked('', reason)}.\nCheck:  {COMMAND} logs   {COMMAND} doctor"
            )
        time.sleep(SOON_S)
