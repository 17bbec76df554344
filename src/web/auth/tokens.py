"""API tokens: what programs sign in with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src import audit
from src.database import UtcDateTime, now, write
from src.web.auth.keys import hash_key, new_key
from src.web.roles import Role
from src.web.tables import ApiToken

#: characters of a token that lists show, to tell one from another
PREFIX_LENGTH = 10
#: last_used_at is written at most this often, so that reading costs no write
USE_NOTED_EVERY = timedelta(minutes=5)


def create_token(name: str, role: str) -> str:
    """Make a token for programs and return it, this one time. Raises ValueError for a name that is taken or a role that is none."""
    if role not in list(Role):
        raise ValueError(f"There is no role {role!r}. The roles are: {', '.join(Role)}.")
    if not 0 < len(name) <= 150:
        raise ValueError("A token's name has 1 to 150 characters.")
    token = f"cb_{new_key()}"
    try:
        with write() as session:
            session.execute(
                insert(ApiToken).values(
                    name=name, prefix=token[:PREFIX_LENGTH], key_hash=hash_key(token), role=Role(role), created_at=now()
                )
            )
            audit.about("token", name, role=role)
    except IntegrityError:
        raise ValueError(f"There is a token named {name!r} already. Choose another name.") from None
    return token


class Known(NamedTuple):
    """What a request must know of its token."""

    id: int
    name: str
    role: Role
    last_used_at: datetime | None


#: made once: every request of a program asks this, and making the statement costs more than asking it
_FIND = select(ApiToken.id, ApiToken.name, ApiToken.role, ApiToken.last_used_at).where(
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
