"""Values of Dramatiq's own rate limiters and barriers: counters with a bound and a time to live.

Each function is one statement, or a few behind one lock, so any number of processes may call it concurrently. An
expired value counts as absent, and an absent one as 0. Times to live are in milliseconds, as in Dramatiq.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, select, text, update
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.statements import is_sqlite
from ...sql.upsert import upsert
from .models import LimiterValue

#: maximum length of a key stored as it is; a longer one is stored as its digest
KEY_LIMIT = 200


def add(session: Session, key: str, value: int, ttl: int) -> bool:
    """Set a value unless a live one exists; return whether it was set."""
    present = now()
    insert = upsert(session, LimiterValue).values(key=_kept(key), value=value, expires_at=present + timedelta(milliseconds=ttl))
    statement = insert.on_conflict_do_update(
        index_elements=["key"],
        set_={"value": insert.excluded.value, "expires_at": insert.excluded.expires_at},
        where=LimiterValue.expires_at <= present,
    )
    return session.execute(statement.returning(LimiterValue.key)).first() is not None


def change(session: Session, key: str, by: int, ttl: int, *, least: int | None = None, most: int | None = None) -> bool:
    """Add `by` to a value unless the sum would exceed its bounds; return whether it was added. Success renews the time to live."""
    present = now()
    expires_at = present + timedelta(milliseconds=ttl)
    live = case((LimiterValue.expires_at > present, LimiterValue.value), else_=0)
    bounds: list[ColumnElement[bool]] = []
    if least is not None:
        bounds.append(live + by >= least)
    if most is not None:
        bounds.append(live + by <= most)
    if (least is None or by >= least) and (most is None or by <= most):
        insert = upsert(session, LimiterValue).values(key=_kept(key), value=by, expires_at=expires_at)
        statement: Any = insert.on_conflict_do_update(
            index_elements=["key"], set_={"value": live + by, "expires_at": expires_at}, where=_all(bounds)
        )
    else:
        # An absent value would exceed the bounds: only an existing one can be changed.
        statement = update(LimiterValue).where(LimiterValue.key == _kept(key), *bounds).values(value=live + by, expires_at=expires_at)
    statement = statement.returning(LimiterValue.key).execution_options(synchronize_session=False)
    return session.execute(statement).first() is not None


def add_within_sum(session: Session, key: str, keys: Callable[[], Sequence[str]], amount: int, maximum: int, ttl: int) -> bool:
    """Add `amount` to a value unless it, or the sum over `keys`, would exceed the maximum.

    The keys of a window change with time: lock their common prefix first, and call `keys` while it is held.
    """
    if not is_sqlite(session):
        shared = key.rpartition("@")[0] or key
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 7237))"), {"key": shared})
    names = {_kept(name) for name in keys()}
    statement = select(func.coalesce(func.sum(LimiterValue.value), 0)).where(LimiterValue.key.in_(names), LimiterValue.expires_at > now())
    if int(session.execute(statement).scalar_one()) + amount > maximum:
        return False
    return change(session, key, amount, ttl, most=maximum)


def notify(session: Session, key: str, ttl: int) -> None:
    """Record an event; waiters within `ttl` see it."""
    expires_at = now() + timedelta(milliseconds=ttl)
    insert = upsert(session, LimiterValue).values(key=_kept(key), value=1, expires_at=expires_at)
    session.execute(insert.on_conflict_do_update(index_elements=["key"], set_={"value": 1, "expires_at": expires_at}))


def exists(session: Session, key: str) -> bool:
    """True if a live value or an event exists."""
    statement = select(LimiterValue.key).where(LimiterValue.key == _kept(key), LimiterValue.expires_at > now())
    return session.execute(statement).first() is not None


def _kept(key: str) -> str:
    if len(key) <= KEY_LIMIT and "\x00" not in key:
        return key
    return f"{key[:64]}:{hashlib.sha256(key.encode()).hexdigest()}".replace("\x00", "")


def _all(bounds: Sequence[ColumnElement[bool]]) -> ColumnElement[bool] | None:
    if not bounds:
        return None
    both = bounds[0]
    for bound in bounds[1:]:
        both = both & bound
    return both
