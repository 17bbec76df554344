"""Browser sessions and one-time sign-in links. All keys are random and stored as hashes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ...sql.database import write
from .models import BrowserSession, SignInLink, User
from .random_keys import hash_key, new_key

#: the first user, created by `./run up`
ADMIN = "admin"
#: maximum lifetime of a session …
SESSION_LIFE = timedelta(days=14)
#: … and its idle timeout
IDLE_LIFE = timedelta(days=3)
#: minimum interval between writes of a session's last use, so that reads cost no write
USE_NOTED_EVERY = timedelta(minutes=10)
#: lifetime of the link printed by `./run up`
LINK_LIFE = timedelta(hours=1)
#: lifetime of a link that an administrator creates
INVITATION_LIFE = timedelta(days=1)
#: sessions per page
LISTED = 500


def start(session: Session, user_id: int, *, address: str, browser: str, by_link: bool = False) -> str:
    """Create a session and return its key; deletes expired sessions."""
    present, key = now(), new_key()
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= present))
    session.execute(
        insert(BrowserSession).values(
            key_hash=hash_key(key),
            user_id=user_id,
            created_at=present,
            expires_at=present + IDLE_LIFE,
            address=address[:64],
            browser=browser[:255],
            by_link=by_link,
        )
    )
    return key


def find(session: Session, key: str) -> BrowserSession | None:
    """The valid session of this key with its user, or None."""
    row = current(session, key)
    return row if row is not None and row.user.disabled_at is None else None


def needs_noting(found: BrowserSession) -> bool:
    """True if the session's last use must be written again to extend it."""
    return min(now() + IDLE_LIFE, found.created_at + SESSION_LIFE) - found.expires_at > USE_NOTED_EVERY


def note_use(session: Session, found: BrowserSession) -> None:
    """Extend the idle timeout of a session that is in use."""
    until = min(now() + IDLE_LIFE, found.created_at + SESSION_LIFE)
    session.execute(update(BrowserSession).where(BrowserSession.id == found.id).values(expires_at=until))


def current(session: Session, key: str) -> BrowserSession | None:
    """The unexpired session of this key."""
    statement = select(BrowserSession).where(BrowserSession.key_hash == hash_key(key), BrowserSession.expires_at > now())
    return session.execute(statement).scalar_one_or_none()


def listed(session: Session, user_id: int | None = None) -> Sequence[BrowserSession]:
    """List the unexpired sessions, newest first: of one user, or all."""
    statement = select(BrowserSession).where(BrowserSession.expires_at > now()).order_by(BrowserSession.id.desc()).limit(LISTED)
    return session.execute(statement if user_id is None else statement.where(BrowserSession.user_id == user_id)).scalars().all()


def end(session: Session, key: str) -> None:
    """End the session of this key."""
    session.execute(delete(BrowserSession).where(BrowserSession.key_hash == hash_key(key)))


def end_one(session: Session, id: int, *, user_id: int | None = None) -> bool:
    """End a session by id; with `user_id` only if that user owns it."""
    found = session.get(BrowserSession, id)
    if found is None or user_id not in (None, found.user_id):
        return False
    audit.about("session", id, name=found.user.name, browser_at=found.address)
    session.execute(delete(BrowserSession).where(BrowserSession.id == id))
    return True


def end_all(session: Session, user_id: int) -> None:
    """End a user's sessions."""
    session.execute(delete(BrowserSession).where(BrowserSession.user_id == user_id))


def one_time_link(base_url: str) -> str:
    """Create a one-time link below `base_url` that signs in as `admin`, valid for an hour. Call ensure_admin() first."""
    with write() as session:
        user_id = session.execute(select(User.id).where(User.name == ADMIN)).scalar_one()
        key = new_link(session, user_id, LINK_LIFE)
        audit.about("link", ADMIN)
    return f"{base_url.rstrip('/')}/sign-in/link?t={quote(key)}"


def new_link(session: Session, user_id: int, life: timedelta) -> str:
    """Create the key of a one-time link for the user; invalidates older links."""
    key = new_key()
    session.execute(delete(SignInLink).where(or_(SignInLink.expires_at <= now(), SignInLink.user_id == user_id)))
    session.execute(insert(SignInLink).values(key_hash=hash_key(key), user_id=user_id, expires_at=now() + life))
    return key


def redeem(session: Session, key: str) -> int | None:
    """Redeem a one-time link: delete it and return its user id."""
    statement = delete(SignInLink).where(SignInLink.key_hash == hash_key(key), SignInLink.expires_at > now())
    return session.execute(statement.returning(SignInLink.user_id)).scalar_one_or_none()
