"""API tokens: create, authenticate, revoke."""

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

#: length of the visible prefix
PREFIX_LENGTH = 10
#: tokens per page
LISTED = 500
#: minimum interval between writes of last_used_at, so that reads cost no write
USE_NOTED_EVERY = timedelta(minutes=5)


def create_token(
    name: str, role: str, *, actors: Sequence[str] | None = None, expires_at: datetime | None = None, user_id: int | None = None
) -> str:
    """Create a token and return its text, stored only as a hash. `actors`: limit; `user_id`: owner.

    Raises ValueError for a taken name, an unknown role or a past expiry.
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
    """The columns of a token that a request needs."""

    id: int
    name: str
    role: Role
    last_used_at: datetime | None
    actors: list[str] | None


#: built once: every API request runs it, and building costs more than running it
_FIND = select(ApiToken.id, ApiToken.name, ApiToken.role, ApiToken.last_used_at, ApiToken.actors).where(
    ApiToken.key_hash == bindparam("key_hash"),
    ApiToken.revoked_at.is_(None),
    or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > bindparam("now", type_=UtcDateTime)),
)


def find(session: Session, token: str) -> Known | None:
    """Authenticate a token text; None: invalid, revoked or expired."""
    row = session.connection().execute(_FIND, {"key_hash": hash_key(token), "now": now()}).one_or_none()
    return Known(*row) if row else None


def needs_noting(token: Known) -> bool:
    """True if last_used_at must be written again."""
    return token.last_used_at is None or token.last_used_at < now() - USE_NOTED_EVERY


def note_use(session: Session, token_id: int) -> None:
    """Write last_used_at."""
    session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now()))


def listed(session: Session, user_id: int | None = None) -> Sequence[ApiToken]:
    """List the tokens, newest first: of one user, or all."""
    statement = select(ApiToken).order_by(ApiToken.revoked_at.is_not(None), ApiToken.id.desc()).limit(LISTED)
    return session.execute(statement if user_id is None else statement.where(ApiToken.user_id == user_id)).scalars().all()


def revoke(session: Session, id: int, *, user_id: int | None = None) -> bool:
    """Revoke a token; with `user_id` only if that user owns it."""
    found = session.get(ApiToken, id)
    if found is None or user_id not in (None, found.user_id):
        return False
    audit.about("token", found.name)
    session.execute(update(ApiToken).where(ApiToken.id == id, ApiToken.revoked_at.is_(None)).values(revoked_at=now()))
    return True


def revoke_all_of(session: Session, user_id: int) -> None:
    """Revoke all tokens of a user."""
    session.execute(update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None)).values(revoked_at=now()))
