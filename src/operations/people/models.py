"""Tables of users, sessions, links, tokens, saved views and presets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Enum, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ...sql.columns import Base, JsonText, UtcDateTime
from .roles import Role

#: SQLite auto-increments only columns of type INTEGER
_Key = BigInteger().with_variant(Integer(), "sqlite")
_RoleWord = Enum(Role, native_enum=False, length=16, create_constraint=False, values_callable=lambda roles: [role.value for role in roles])


class User(Base):
    """A user who signs in with name and password."""

    __tablename__ = "console_users"

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(150), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(_RoleWord)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    actors: Mapped[list[str] | None] = mapped_column(JsonText)  # limit to these actors; None: all


class BrowserSession(Base):
    """A browser session. The cookie holds a random key, this row its hash: deleting the row signs out."""

    __tablename__ = "console_sessions"

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("console_users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    address: Mapped[str] = mapped_column(String(64))
    browser: Mapped[str] = mapped_column(String(255))
    by_link: Mapped[bool | None]  # True: signed in by link, may set a password without the old one

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class SignInLink(Base):
    """A one-time sign-in link, as printed by `./run up`."""

    __tablename__ = "console_sign_in_links"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("console_users.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FailedSignIn(Base):
    """A failed password attempt, kept while it counts towards throttling."""

    __tablename__ = "console_failed_sign_ins"
    __table_args__ = (Index("ix_console_failed_sign_ins_who", "who", "failed_at"),)

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    who: Mapped[str] = mapped_column(String(255))
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiToken(Base):
    """An API token: shown once, stored as a hash, identified by its prefix."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(150), unique=True)
    prefix: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[Role] = mapped_column(_RoleWord)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    actors: Mapped[list[str] | None] = mapped_column(JsonText)  # limit to these actors; None: all
    user_id: Mapped[int | None] = mapped_column(BigInteger)  # owner; None: not a personal token


class SavedView(Base):
    """A saved view: a named query of the jobs list."""

    __tablename__ = "saved_views"
    __table_args__ = (Index("ix_saved_views_owner", "owner", "name", unique=True),)

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))  # key of the caller
    owner_name: Mapped[str] = mapped_column(String(150))
    name: Mapped[str] = mapped_column(String(60))
    query: Mapped[str] = mapped_column(Text)
    is_shared: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FormPreset(Base):
    """A preset: named values of an actor's form."""

    __tablename__ = "form_presets"
    __table_args__ = (Index("uq_form_presets_name", "actor", "owner_key", "name", unique=True),)

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    actor: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(100))
    owner: Mapped[str] = mapped_column(String(150))
    owner_key: Mapped[str] = mapped_column(String(170))  # key of the caller, because names can be reused
    shared: Mapped[bool] = mapped_column(Boolean)
    values: Mapped[Any] = mapped_column(JsonText)  # by parameter
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)
