"""API tokens: what programs sign in with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ...sql.columns import UtcDateTime
from ...sql.database import write
from .models import ApiToken
from .random_keys import hash_key, new_key
from .roles import Role

#: characters of a token that lists show, to tell one from another
PREFIX_LENGTH = 10
#: tokens that a page lists
LISTED = 500
#: last_used_at is written at most this often, so that reading costs no write
USE_NOTED_EVERY = timedelta(minutes=5)


def create_token(
    name: str, role: str, *, actors: Sequence[str] | None = None, expires_at: datetime | None = None, user_id: int | None = None
) -> str:
    """Make a token for programs and return it, this one time. `actors`: the only ones it may use; `user_id`: whose own it is.

    Raises ValueError for a name that is taken, a role that is none, an end that is past.
    """
    if role not in list(Role):
        raise ValueError(f"There is no role {role!r}. The roles are: {', '.join(Role)}.")
    if not 0 < len(name) <= 150 or not name.isprintable():
        raise ValueError("A token name has 1 to 150 characters.")
    if actors is not None and role == Role.ADMIN:
        raise ValueError("An administrator has access to all actors. Choose another role, or remove the limit.")
    if expires_at is not None and expires_at <= now():
        raise ValueError("The expiry is in the past. Choose a later time.")
    token = f"cb_{new_key()}"
    row = {
        "name": name, "prefix": token[:PREFIX_LENGTH], "key_hash": hash_key(token), "role": Role(role), "created_at": now(),
        "expires_at": expires_at, "actors": None if actors is None else list(actors), "user_id": user_id,
    }  # fmt: skip
    try:
        with write() as session:
            session.execute(insert(ApiToken).values(**row))
            audit.about("token", name, role=role, actors=row["actors"], expires=expires_at and expires_at.isoformat(timespec="seconds"))
    except IntegrityError:
        raise ValueError(f"A token named {name!r} already exists. Choose another name.") from None
    return token


class Known(NamedTuple):
    """What a request must know of its token."""

    id: int
    name: str
    role: Role
    last_used_at: datetime | None
    actors: list[str] | None


#: made once: every request of a program asks this, and making the statement costs more than asking it
_FIND = select(ApiToken.id, ApiToken.name, ApiToken.role, ApiToken.last_used_at, ApiToken.actors).where(
    ApiToken.key_hash == bindparam("key_hash"),
    ApiToken.revoked_at.is_(None),
    or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > bindparam("now", type_=UtcDateTime)),
)


def find(session: Session, token: str) -> Known | None:
    """The valid token of this text."""
    row = session.connection().execute(_FIND, {"key_hash": hash_key(token), "now": now()}).one_or_none()
    return Known(*row) if row else None


def needs_noting(token: Known) -> bool:
    """Has its last use been noted too long ago?"""
    return token.last_used_at is None or token.last_used_at < now() - USE_NOTED_EVERY


def note_use(session: Session, token_id: int) -> None:
    """Write down that the token was used just now."""
    session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now()))


def listed(session: Session, user_id: int | None = None) -> Sequence[ApiToken]:
    """The tokens, the newest first: a user's own, or all."""
    statement = select(ApiToken).order_by(ApiToken.revoked_at.is_not(None), ApiToken.id.desc()).limit(LISTED)
    return session.execute(statement if user_id is None else statement.where(ApiToken.user_id == user_id)).scalars().all()


def revoke(session: Session, id: int, *, user_id: int | None = None) -> bool:
    """Let a token work no more; with `user_id` only if it is his own."""
    found = session.get(ApiToken, id)
    if found is None or user_id not in (None, found.user_id):
        return False
    audit.about("token", found.name)
    session.execute(update(ApiToken).where(ApiToken.id == id, ApiToken.revoked_at.is_(None)).values(revoked_at=now()))
    return True


def revoke_all_of(session: Session, user_id: int) -> None:
    """Let a user's own tokens work no more."""
    session.execute(update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None)).values(revoked_at=now()))
