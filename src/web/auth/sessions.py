"""Signed-in browsers and the links that sign one in once. All keys are random and kept as hashes."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from src import audit
from src.database import now, write
from src.web.auth.keys import hash_key, new_key
from src.web.auth.users import ADMIN
from src.web.tables import BrowserSession, SignInLink, User

#: how long a browser stays signed in
SESSION_LIFE = timedelta(days=14)
#: how long the link in the ready line works
LINK_LIFE = timedelta(hours=1)


def start(session: Session, user_id: int, *, address: str, browser: str) -> str:
    """Sign a browser in and return its key; sessions that have run out are forgotten on the way."""
    present, key = now(), new_key()
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= present))
    session.execute(
        insert(BrowserSession).values(
            key_hash=hash_key(key),
            user_id=user_id,
            created_at=present,
            expires_at=present + SESSION_LIFE,
            address=address[:64],
            browser=browser[:255],
        )
    )
    return key


def find(session: Session, key: str) -> User | None:
    """The user whom this browser's key signs in."""
    statement = select(BrowserSession).where(BrowserSession.key_hash == hash_key(key), BrowserSession.expires_at > now())
    row = session.execute(statement).scalar_one_or_none()
    return row.user if row is not None and row.user.disabled_at is None else None


def end(session: Session, key: str) -> None:
    """Sign the browser out."""
    session.execute(delete(BrowserSession).where(BrowserSession.key_hash == hash_key(key)))


def one_time_link(base_url: str) -> str:
    """A link below `base_url` that signs one browser in as `admin`, once, within the hour. Needs ensure_admin() before."""
    key = new_key()
    with write() as session:
        user_id = session.execute(select(User.id).where(User.name == ADMIN)).scalar_one()
        session.execute(delete(SignInLink).where(SignInLink.expires_at <= now()))
        session.execute(insert(SignInLink).values(key_hash=hash_key(key), user_id=user_id, expires_at=now() + LINK_LIFE))
        audit.about("link", ADMIN)
    return f"{base_url.rstrip('/')}/sign-in/link?t={quote(key)}"


def redeem(session: Session, key: str) -> int | None:
    """The id of the user whom this link signs in, once: the link is gone afterwards."""
    statement = delete(SignInLink).where(SignInLink.key_hash == hash_key(key), SignInLink.expires_at > now())
    return session.execute(statement.returning(SignInLink.user_id)).scalar_one_or_none()
