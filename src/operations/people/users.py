"""Users and their passwords (argon2)."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Sequence
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ...sql.database import read, write
from . import sessions, tokens
from .models import SignInLink, User
from .roles import Patterns, Role
from .weak_passwords import is_weak

ADMIN = sessions.ADMIN
NAME_CHARACTER, LONGEST_NAME = r"[\w.@+-]", 150
NAME = re.compile(f"{NAME_CHARACTER}{{1,{LONGEST_NAME}}}")
#: length limits of a password
SHORTEST, LONGEST = 12, 1024


class UserError(ValueError):
    """A user operation is rejected; `field` is the invalid input."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class UnknownUser(UserError):
    """No user with this id exists."""


_hasher = PasswordHasher()
#: limits parallel hashes: each takes 64 MiB, and a flood of sign-ins must not exhaust memory
_checks = threading.Semaphore(2)


def ensure_admin() -> str | None:
    """Create the user `admin` if missing and return its password, stored only as a hash; else None."""
    with read() as session:
        if session.execute(select(User.id).where(User.name == ADMIN)).first() is not None:
            return None
    password = secrets.token_urlsafe(15)
    try:
        with write() as session:
            add(session, ADMIN, password, Role.ADMIN)
    except IntegrityError:
        return None  # a concurrent process created it and has shown the password
    return password


def add(session: Session, name: str, password: str, role: Role) -> None:
    """Insert a user."""
    session.execute(insert(User).values(name=name, password_hash=_hasher.hash(password), role=role, created_at=now()))
    audit.about("user", name, role=role.value)


def invite(session: Session, name: str, role: str, actors: Patterns | None) -> str:
    """Create a user without a password; return the key of the one-time link to set one. Raises UserError."""
    if not NAME.fullmatch(name):
        raise UserError("name", "A name has 1 to 150 letters, digits or . _ - @ +.")
    if session.execute(select(User.id).where(User.name == name)).first() is not None:
        raise UserError("name", f"A user {name} already exists. Choose another name.")
    row = {"name": name, "password_hash": "", "role": _checked(role, actors), "created_at": now(), "actors": _stored(actors)}
    user_id = session.execute(insert(User).values(**row).returning(User.id)).scalar_one()
    audit.about("user", name, role=role, actors=_stored(actors))
    return sessions.new_link(session, user_id, sessions.INVITATION_LIFE)


def change_rights(session: Session, id: int, role: str, actors: Patterns | None) -> User:
    """Change a user's role and actors. Revokes the user's tokens: they carry the old permissions."""
    user = require(session, id)
    wanted = _checked(role, actors)
    if (wanted, _stored(actors)) != (user.role, user.actors):
        _keep_an_admin(session, user, stays=wanted is Role.ADMIN)
        tokens.revoke_all_of(session, id)
        session.execute(update(User).where(User.id == id).values(role=wanted, actors=_stored(actors)))
    audit.about("user", user.name, role=role, actors=_stored(actors), before=user.role.value)
    return user


def disable(session: Session, id: int) -> User:
    """Disable a user; ends the sessions and revokes the tokens immediately."""
    user = require(session, id)
    _keep_an_admin(session, user, stays=False)
    sessions.end_all(session, id)
    tokens.revoke_all_of(session, id)
    session.execute(delete(SignInLink).where(SignInLink.user_id == id))
    session.execute(update(User).where(User.id == id).values(disabled_at=now()))
    audit.about("user", user.name)
    return user


def enable(session: Session, id: int) -> User:
    """Enable a disabled user."""
    user = require(session, id)
    session.execute(update(User).where(User.id == id).values(disabled_at=None))
    audit.about("user", user.name)
    return user


def reset(session: Session, id: int) -> tuple[User, str]:
    """Reset a user's password and end the sessions; return the user and the key of the one-time link."""
    user = require(session, id)
    if user.disabled_at is not None:
        raise UserError("name", f"{user.name} is disabled. Enable the user first.")
    sessions.end_all(session, id)
    session.execute(update(User).where(User.id == id).values(password_hash=""))
    audit.about("user", user.name)
    return user, sessions.new_link(session, id, sessions.INVITATION_LIFE)


def set_password(session: Session, id: int, password: str, again: str) -> None:
    """Set a password; ends all sessions and one-time links of the user, also the current session. Raises UserError."""
    user = require(session, id)
    if len(password) < SHORTEST or len(password) > LONGEST:
        raise UserError("new", f"A password needs at least {SHORTEST} characters, and at most {LONGEST}.")
    if is_weak(password, user.name, *re.split(r"\W+", user.name)):
        raise UserError("new", "This password is too easy to guess. Choose another one.")
    if password != again:
        raise UserError("again", "The passwords do not match.")
    with _checks:
        hashed = _hasher.hash(password)
    sessions.end_all(session, id)
    session.execute(delete(SignInLink).where(SignInLink.user_id == id))
    session.execute(update(User).where(User.id == id).values(password_hash=hashed))
    audit.about("user", user.name)


def require(session: Session, id: int) -> User:
    """The user with this id; raises UserError."""
    user = session.execute(select(User).where(User.id == min(id, 2**63 - 1)).with_for_update()).scalar_one_or_none()
    if user is None:
        raise UnknownUser("id", f"There is no user {id}.")
    return user


def named(session: Session, name: str) -> User:
    """The user with this name."""
    return session.execute(select(User).where(User.name == name)).scalar_one()


def listed(session: Session) -> Sequence[User]:
    """List the users by name, disabled ones last."""
    return session.execute(select(User).order_by(User.disabled_at.is_not(None), User.name)).scalars().all()


def has_password(session: Session, id: int) -> bool:
    """True if the user has a password."""
    return bool(session.execute(select(User.password_hash).where(User.id == id)).scalar_one())


def _checked(role: str, actors: Patterns | None) -> Role:
    if role not in list(Role):
        raise UserError("role", f"There is no role {role!r:.40}. The roles are: {', '.join(Role)}.")
    if actors is not None and role == Role.ADMIN:
        raise UserError("actors", "An administrator has access to all actors: remove the limit or choose another role.")
    return Role(role)


def _stored(actors: Patterns | None) -> list[str] | None:
    return None if actors is None else list(actors)


def _keep_an_admin(session: Session, user: User, *, stays: bool) -> None:
    """Raise UserError if this is the last administrator, without whom no user can be managed."""
    if stays or user.role is not Role.ADMIN:
        return
    # Lock the rows: two administrators who disable each other concurrently must not both succeed.
    admins = session.execute(select(User.id).where(User.role == Role.ADMIN, User.disabled_at.is_(None)).with_for_update()).scalars().all()
    if set(admins) <= {user.id}:
        raise UserError("role", f"{user.name} is the last administrator. Create another one first.")


def name_of(session: Session, id: int) -> str:
    """The user's name."""
    return session.execute(select(User.name).where(User.id == id)).scalar_one()


def check_password(session: Session, name: str, password: str) -> User | None:
    """Authenticate by name and password; None: wrong. Takes equally long for an unknown name."""
    user = session.execute(select(User).where(User.name == name, User.disabled_at.is_(None))).scalar_one_or_none()
    has_password = user is not None and user.password_hash != ""  # hash anyway, else the response time reveals that the user exists
    with _checks:
        hashed = _dummy_hash()
        try:
            _hasher.verify(user.password_hash if user is not None and has_password else hashed, password)
        except (VerifyMismatchError, InvalidHashError):
            return None
    return user if has_password else None


@lru_cache(maxsize=1)
def _dummy_hash() -> str:
    """A dummy hash for unknown users."""
    return _hasher.hash(secrets.token_urlsafe(15))
