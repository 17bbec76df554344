"""Throttle sign-in attempts: count each one before checking it, so that parallel guesses gain nothing.

Passwords are counted in the database for all web processes. Tokens and one-time links are random keys of 256 bits: invalid ones
are counted in memory, and a valid one is never delayed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from ...operations.people.models import FailedSignIn
from ...sql.clock import now

WINDOW = timedelta(minutes=5)
#: wrong passwords within the window per name and address (per name alone, an attacker could lock a user out) …
PER_NAME = 5
#: … and per address for all names, or for keys
PER_ADDRESS = 30
#: addresses remembered for invalid keys
MOST_ADDRESSES = 10_000
TOO_MANY = "Too many attempts. Wait five minutes, then try again."

Try = Sequence[int]


def begin(session: Session, name: str, address: str) -> Try | None:
    """Count an attempt as failed; the transaction must end before the password is checked. None: throttled."""
    present = now()
    if session.get_bind().dialect.name == "postgresql":  # SQLite has a single writer anyway
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:address))"), {"address": f"callboard sign-in {address}"})
    session.execute(delete(FailedSignIn).where(FailedSignIn.failed_at <= present - WINDOW))
    counted = {f"{address} {name}"[:255]: PER_NAME, address[:255]: PER_ADDRESS}
    if any(_count(session, who) >= limit for who, limit in counted.items()):
        return None
    rows = [{"who": who, "failed_at": present} for who in counted]
    return session.execute(insert(FailedSignIn).returning(FailedSignIn.id), rows).scalars().all()


def take_back(session: Session, counted: Try) -> None:
    """Remove an attempt whose password was right."""
    session.execute(delete(FailedSignIn).where(FailedSignIn.id.in_(counted)))


def _count(session: Session, who: str) -> int:
    return session.execute(select(func.count()).select_from(FailedSignIn).where(FailedSignIn.who == who)).scalar_one()


_refused: dict[str, deque[float]] = {}
_lock = threading.Lock()


def refuse_key(address: str) -> int:
    """Count an invalid token or link; return the seconds its address must wait (0: below the limit of this process)."""
    present, window_s = time.monotonic(), WINDOW.total_seconds()
    with _lock:
        if len(_refused) >= MOST_ADDRESSES and address not in _refused:
            del _refused[next(iter(_refused))]
        instants = _refused.setdefault(address, deque(maxlen=PER_ADDRESS))
        wait_s = instants[0] + window_s - present if len(instants) == PER_ADDRESS else 0
        if wait_s <= 0:
            instants.append(present)
    return int(wait_s) + 1 if wait_s > 0 else 0
