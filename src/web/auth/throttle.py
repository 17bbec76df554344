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
from ipaddress import IPv6Address, IPv6Network

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from ...configuration import ip_networks
from ...operations.people.models import BrowserSession, FailedSignIn, User
from ...sql.clock import now

WINDOW = timedelta(minutes=5)
#: wrong passwords within the window per name and address (per name alone, an attacker could lock a user out) …
PER_NAME = 5
#: … and per address for all names, or for keys
PER_ADDRESS = 30
#: … and per name for all addresses from which its user is not signed in
PER_NAME_ELSEWHERE = 100
#: bits of an IPv6 address that count: a single client has the other 64 to itself
IPV6_BITS = 64
#: addresses remembered for invalid keys
MOST_ADDRESSES = 10_000
TOO_MANY = "Too many attempts. Wait five minutes, then try again."

Try = Sequence[int]


def begin(session: Session, name: str, address: str) -> Try | None:
    """Count an attempt as failed; the transaction must end before the password is checked. None: throttled."""
    present, client = now(), _client(address)
    counted = {f"{client} {name}"[:255]: PER_NAME, client[:255]: PER_ADDRESS}
    if not _is_known(session, name, address):
        counted[f"elsewhere {name}"[:255]] = PER_NAME_ELSEWHERE
    if session.get_bind().dialect.name == "postgresql":  # SQLite has a single writer anyway
        for who in (client, name):
            session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:who))"), {"who": f"callboard sign-in {who}"})
    session.execute(delete(FailedSignIn).where(FailedSignIn.failed_at <= present - WINDOW))
    if any(_count(session, who) >= limit for who, limit in counted.items()):
        return None
    rows = [{"who": who, "failed_at": present} for who in counted]
    return session.execute(insert(FailedSignIn).returning(FailedSignIn.id), rows).scalars().all()


def take_back(session: Session, counted: Try) -> None:
    """Remove an attempt whose password was right."""
    session.execute(delete(FailedSignIn).where(FailedSignIn.id.in_(counted)))


def _client(address: str) -> str:
    """The address of a client, or the network that it has to itself."""
    found = ip_networks.read_address(address)
    return str(IPv6Network((int(found), IPV6_BITS), strict=False)) if isinstance(found, IPv6Address) else str(found or address)


def _is_known(session: Session, name: str, address: str) -> bool:
    """True if the user is signed in from this address: guesses from elsewhere must not lock the user out there."""
    signed_in = select(BrowserSession.id).join(User, User.id == BrowserSession.user_id)
    wanted = (User.name == name, BrowserSession.address == address[:64], BrowserSession.expires_at > now())
    return session.execute(signed_in.where(*wanted).limit(1)).first() is not None


def _count(session: Session, who: str) -> int:
    return session.execute(select(func.count()).select_from(FailedSignIn).where(FailedSignIn.who == who)).scalar_one()


_refused: dict[str, deque[float]] = {}
_lock = threading.Lock()


def refuse_key(address: str) -> int:
    """Count an invalid token or link; return the seconds its address must wait (0: below the limit of this process)."""
    present, window_s, address = time.monotonic(), WINDOW.total_seconds(), _client(address)
    with _lock:
        if len(_refused) >= MOST_ADDRESSES and address not in _refused:
            del _refused[next(iter(_refused))]
        instants = _refused.setdefault(address, deque(maxlen=PER_ADDRESS))
        wait_s = instants[0] + window_s - present if len(instants) == PER_ADDRESS else 0
        if wait_s <= 0:
            instants.append(present)
    return int(wait_s) + 1 if wait_s > 0 else 0
