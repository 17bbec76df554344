"""Tables of users, sessions, links, tokens, saved views and presets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Enum, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ...sql.columns import Base, JsonText, UtcDateTime
from .roles import Role

#: SQLite counts rows only in a column of type INTEGER
_Key = BigInteger().with_variant(Integer(), "sqlite")
_RoleWord = Enum(Role, native_enum=False, length=16, create_constraint=False, values_callable=lambda roles: [role.value for role in roles])


class User(Base):
    """A person who signs in with a name and a password."""

    __tablename__ = "console_users"

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(150), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(_RoleWord)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    actors: Mapped[list[str] | None] = mapped_column(JsonText)  # the only ones he may use; None: all


class BrowserSession(Base):
    """One signed-in browser. The cookie holds a random key, this row its hash: deleting the row signs out."""

    __tablename__ = "console_sessions"

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("console_users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    address: Mapped[str] = mapped_column(String(64))
    browser: Mapped[str] = mapped_column(String(255))
    by_link: Mapped[bool | None]  # who came by a link may set a password without knowing the old one

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class SignInLink(Base):
    """A link that signs in once, as printed by `./run up`."""

    __tablename__ = "console_sign_in_links"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("console_users.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FailedSignIn(Base):
    """One refused password, kept for as long as it slows the next try down."""

    __tablename__ = "console_failed_sign_ins"
    __table_args__ = (Index("ix_console_failed_sign_ins_who", "who", "failed_at"),)

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    who: Mapped[str] = mapped_column(String(255))
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiToken(Base):
    """A program's key to the API; shown once, kept as a hash, recognised by its prefix."""

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
    actors: Mapped[list[str] | None] = mapped_column(JsonText)  # the only ones it may use; None: all
    user_id: Mapped[int | None] = mapped_column(BigInteger)  # whose it is; None: nobody's own


class SavedView(Base):
    """A query of the jobs list under a name."""

    __tablename__ = "saved_views"
    __table_args__ = (Index("ix_saved_views_owner", "owner", "name", unique=True),)

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))  # a visitor's key
    owner_name: Mapped[str] = mapped_column(String(150))
    name: Mapped[str] = mapped_column(String(60))
    query: Mapped[str] = mapped_column(Text)
    is_shared: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FormPreset(Base):
    """Values of an actor's form, saved by somebody under a name."""

    __tablename__ = "form_presets"
    __table_args__ = (Index("uq_form_presets_name", "actor", "owner_key", "name", unique=True),)

    id: Mapped[int] = mapped_column(_Key, primary_key=True)
    actor: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(100))
    owner: Mapped[str] = mapped_column(String(150))
    owner_key: Mapped[str] = mapped_column(String(170))  # of the visitor: a name may be given again
    shared: Mapped[bool] = mapped_column(Boolean)
    values: Mapped[Any] = mapped_column(JsonText)  # by parameter
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)
