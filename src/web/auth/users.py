"""The people who sign in, and their passwords (argon2)."""

from __future__ import annotations

import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database import now, read, write
from src.web.roles import Role
from src.web.tables import User

ADMIN = "admin"
_hasher = PasswordHasher()
#: each check takes 64 MiB for a moment: a flood of sign-ins must not take all memory
_checks = threading.Semaphore(2)


def ensure_admin() -> str | None:
    """Make the user `admin` if there is none and return its password, this one time."""
    with read() as session:
        if session.execute(select(User.id).where(User.name == ADMIN)).first() is not None:
            return None
    password = secrets.token_urlsafe(15)
    try:
        with write() as session:
            add(session, ADMIN, password, Role.ADMIN)
    except IntegrityError:
        return None  # another process made it in this moment and has told its password
    return password


def add(session: Session, name: str, password: str, role: Role) -> None:
    """Write a new user."""
    session.execute(insert(User).values(name=name, password_hash=_hasher.hash(password), role=role, created_at=now()))


def name_of(session: Session, id: int) -> str:
    """The user's name."""
    return session.execute(select(User.name).where(User.id == id)).scalar_one()


def check_password(session: Session, name: str, password: str) -> User | None:
    """The user of this name and password, or None; takes the same time whether the name or the password is wrong."""
    user = session.execute(select(User).where(User.name == name, User.disabled_at.is_(None))).scalar_one_or_none()
    with _checks:
        try:
            _hasher.verify(user.password_hash if user else _nobody(), password)
        except (VerifyMismatchError, InvalidHashError):
            return None
    return user


_nobody_hash: str | None = None


def _nobody() -> str:
    global _nobody_hash
    if _nobody_hash is None:
        _nobody_hash = _hasher.hash(secrets.token_urlsafe(15))
    return _nobody_hash
