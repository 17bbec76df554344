"""The tables of webhooks: subscriptions, and every delivery."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base, JsonText, UtcDateTime
from ..core.models import Sequence, words


class Kind(StrEnum):
    """Kind of event: ends of jobs or workflows, or alerts."""

    JOB = "job"
    WORKFLOW = "workflow"
    ALERT = "alert"


class Sent(StrEnum):
    """State of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Webhook(Base):
    """A subscribed URL."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    secret: Mapped[str] = mapped_column(String(100))  # the signing key of deliveries, in plain text because signing needs it
    kind: Mapped[Kind] = mapped_column(words(Kind))
    actor: Mapped[str | None] = mapped_column(String(255))  # only of this actor's jobs; None: of all
    states: Mapped[list[str]] = mapped_column(JsonText)  # the subscribed final states, or changes of alerts
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(255))


class WebhookDelivery(Base):
    """One event for one webhook."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_webhook", "webhook_id", "seq"),)

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    webhook_id: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(255))  # the id of the job or workflow
    payload: Mapped[str] = mapped_column(Text)  # the body, identical in every attempt
    state: Mapped[Sent] = mapped_column(words(Sent))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    answer: Mapped[str | None] = mapped_column(String(500))  # of the last attempt
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
