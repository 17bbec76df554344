"""Slows down guessing: after some refused passwords an address, and a name from that address, must wait."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from src.database import now
from src.web.tables import FailedSignIn

WINDOW = timedelta(minutes=5)
#: refused passwords within the window: for one name from one address (so that nobody can lock another person out) …
PER_NAME = 5
#: … and for all names from one address
PER_ADDRESS = 30


def is_throttled(session: Session, name: str, address: str) -> bool:
    """Must the next try wait?"""
    return any(_failures(session, who) >= limit for who, limit in _who(name, address).items())


def note_failure(session: Session, name: str, address: str) -> None:
    """Write down a refused password; what no longer counts is forgotten on the way."""
    present = now()
    session.execute(delete(FailedSignIn).where(FailedSignIn.failed_at <= present - WINDOW))
    session.execute(insert(FailedSignIn), [{"who": who, "failed_at": present} for who in _who(name, address)])


def _who(name: str, address: str) -> dict[str, int]:
    return {f"{address} {name}"[:255]: PER_NAME, address[:255]: PER_ADDRESS}


def _failures(session: Session, who: str) -> int:
    statement = select(func.count()).select_from(FailedSignIn).where(FailedSignIn.who == who, FailedSignIn.failed_at > now() - WINDOW)
    return session.execute(statement).scalar_one()
