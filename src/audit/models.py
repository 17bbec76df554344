"""The table of audit entries. Only this room writes it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Enum, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from ..sql.columns import Base, JsonText, UtcDateTime

_Key = BigInteger().with_variant(Integer(), "sqlite")


class Via(StrEnum):
    """The channel an actor came through: page, API or terminal."""

    PAGE = "page"
    API = "api"
    COMMAND = "command"


class Outcome(StrEnum):
    """The outcome of an action."""

    DONE = "done"
    REFUSED = "refused"


def _words(kind: type[StrEnum]) -> Enum:
    return Enum(kind, native_enum=False, length=16, create_constraint=False, values_callable=lambda words: [word.value for word in words])


class AuditEntry(Base):
    """One action, or one refusal. `who` is the name at that time; `who_key` distinguishes equal names (user 3, token 5, command:name)."""

    __tablename__ = "audit_lines"
    __table_args__ = (
        Index("ix_audit_lines_subject", "kind", "subject", "seq"),
        Index("ix_audit_lines_who", "who", "seq"),
        Index("ix_audit_lines_at", "at"),
        Index("ix_audit_lines_refused", "seq", sqlite_where=text("outcome = 'refused'"), postgresql_where=text("outcome = 'refused'")),
    )

    seq: Mapped[int] = mapped_column(_Key, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(150))
    who_key: Mapped[str | None] = mapped_column(String(170))
    role: Mapped[str | None] = mapped_column(String(16))
    via: Mapped[Via] = mapped_column(_words(Via))
    address: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str | None] = mapped_column(String(32))
    subject: Mapped[str | None] = mapped_column(String(255))
    outcome: Mapped[Outcome] = mapped_column(_words(Outcome))
    reason: Mapped[str | None] = mapped_column(String(500))
    details: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
