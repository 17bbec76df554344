"""Signed-in browsers and the links that sign one in once. All keys are random and kept as hashes."""

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

#: the first user, whom `./run up` makes
ADMIN = "admin"
#: how long a browser stays signed in …
SESSION_LIFE = timedelta(days=14)
#: … if it is used, and how long if it is not
IDLE_LIFE = timedelta(days=3)
#: a session's use is written down at most this often, so that reading costs no write
USE_NOTED_EVERY = timedelta(minutes=10)
#: how long the link in the ready line works
LINK_LIFE = timedelta(hours=1)
#: how long the link works that an administrator gives to a user
INVITATION_LIFE = timedelta(days=1)
#: sessions that a page lists
LISTED = 500


def start(session: Session, user_id: int, *, address: str, browser: str, by_link: bool = False) -> str:
    """Sign a browser in and return its key; sessions that have run out are forgotten on the way."""
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
    """The session of this browser's key, if it signs somebody in."""
    row = current(session, key)
    return row if row is not None and row.user.disabled_at is None else None


def needs_noting(found: BrowserSession) -> bool:
    """True if the session's use has been noted too long ago, and its end can be put off."""
    return min(now() + IDLE_LIFE, found.created_at + SESSION_LIFE) - found.expires_at > USE_NOTED_EVERY


def note_use(session: Session, found: BrowserSession) -> None:
    """Put the end of an idle session off: it was used just now."""
    until = min(now() + IDLE_LIFE, found.created_at + SESSION_LIFE)
    session.execute(update(BrowserSession).where(BrowserSession.id == found.id).values(expires_at=until))


def current(session: Session, key: str) -> BrowserSession | None:
    """The session of this key, while it lasts."""
    statement = select(BrowserSession).where(BrowserSession.key_hash == hash_key(key), BrowserSession.expires_at > now())
    return session.execute(statement).scalar_one_or_none()


def listed(session: Session, user_id: int | None = None) -> Sequence[BrowserSession]:
    """The sessions that last, the newest first: of one user, or all."""
    statement = select(BrowserSession).where(BrowserSession.expires_at > now()).order_by(BrowserSession.id.desc()).limit(LISTED)
    return session.execute(statement if user_id is None else statement.where(BrowserSession.user_id == user_id)).scalars().all()


def end(session: Session, key: str) -> None:
    """Sign the browser out."""
    session.execute(delete(BrowserSession).where(BrowserSession.key_hash == hash_key(key)))


def end_one(session: Session, id: int, *, user_id: int | None = None) -> bool:
    """Sign a browser out from elsewhere; with `user_id` only if it is his."""
    found = session.get(BrowserSession, id)
    if found is None or user_id not in (None, found.user_id):
        return False
    audit.about("session", id, name=found.user.name, browser_at=found.address)
    session.execute(delete(BrowserSession).where(BrowserSession.id == id))
    return True


def end_all(session: Session, user_id: int, *, but: str = "") -> None:
    """Sign a user's browsers out, but the one with this key."""
    session.execute(delete(BrowserSession).where(BrowserSession.user_id == user_id, BrowserSession.key_hash != hash_key(but)))


def one_time_link(base_url: str) -> str:
    """A link below `base_url` that signs one browser in as `admin`, once, within the hour. Needs ensure_admin() before."""
    with write() as session:
        user_id = session.execute(select(User.id).where(User.name == ADMIN)).scalar_one()
        key = new_link(session, user_id, LINK_LIFE)
        audit.about("link", ADMIN)
    return f"{base_url.rstrip('/')}/sign-in/link?t={quote(key)}"


def new_link(session: Session, user_id: int, life: timedelta) -> str:
    """The key of a link that signs the user in, once; older links of the user work no more."""
    key = new_key()
    session.execute(delete(SignInLink).where(or_(SignInLink.expires_at <= now(), SignInLink.user_id == user_id)))
    session.execute(insert(SignInLink).values(key_hash=hash_key(key), user_id=user_id, expires_at=now() + life))
    return key


def redeem(session: Session, key: str) -> int | None:
    """The id of the user whom this link signs in, once: the link is gone afterwards."""
    statement = delete(SignInLink).where(SignInLink.key_hash == hash_key(key), SignInLink.expires_at > now())
    return session.execute(statement.returning(SignInLink.user_id)).scalar_one_or_none()
