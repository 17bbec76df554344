"""The tables of the mail room: composed emails, one delivery per recipient, and the built-in mailbox."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Enum, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..sql.columns import Base, UtcDateTime

#: SQLite autoincrements only a column of type INTEGER
_Key = BigInteger().with_variant(Integer(), "sqlite")


class DeliveryState(StrEnum):
    """Progress of an email towards one recipient."""

    QUEUED = "queued"  # not yet accepted by the mail server, or deferred (4xx)
    SENT = "sent"  # accepted by the mail server
    REFUSED = "refused"  # rejected permanently by the mail server (5xx)


_StateWord = Enum(
    DeliveryState, native_enum=False, length=16, create_constraint=False, values_callable=lambda states: [state.value for state in states]
)


class Mail(Base):
    """One email. `raw` is sent as it is; composed once, so that a repeated delivery sends the same email."""

    __tablename__ = "mails"
    __table_args__ = (Index("ix_mails_job", "job_id"), {"sqlite_autoincrement": True})

    seq: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    message_id: Mapped[str] = mapped_column(String(255), unique=True)
    sender: Mapped[str] = mapped_column(String(320))  # of the envelope: the bare address
    subject: Mapped[str] = mapped_column(Text)
    template: Mapped[str | None] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(Integer)  # bytes
    raw: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    job_id: Mapped[str | None] = mapped_column(String(255))  # of the job that wrote it
    delivery_job_id: Mapped[str | None] = mapped_column(String(255))  # of the newest job that delivers it
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)

    deliveries: Mapped[list[Delivery]] = relationship(order_by="Delivery.number", viewonly=True, lazy="selectin")


class Delivery(Base):
    """One email to one recipient."""

    __tablename__ = "mail_deliveries"
    __table_args__ = (Index("ix_mail_deliveries_open", "mail_seq", postgresql_where="state = 'queued'", sqlite_where="state = 'queued'"),)

    mail_seq: Mapped[int] = mapped_column(_Key, ForeignKey("mails.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    recipient: Mapped[str] = mapped_column(String(320))
    state: Mapped[DeliveryState] = mapped_column(_StateWord)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    answer: Mapped[str | None] = mapped_column(Text)  # the mail server's last answer, or why there was none
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ReceivedMail(Base):
    """An email received by the built-in mailbox."""

    __tablename__ = "mailbox"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    sender: Mapped[str] = mapped_column(Text)
    recipients: Mapped[str] = mapped_column(Text)  # of the envelope, separated by ", "
    subject: Mapped[str] = mapped_column(Text)
    message_id: Mapped[str | None] = mapped_column(Text)
    size: Mapped[int] = mapped_column(Integer)  # bytes
    raw: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
