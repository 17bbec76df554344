"""Tables of limits: overrides, rates, slots, circuit breakers, and the values of Dramatiq's own limiters."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base, JsonText, UtcDateTime
from ..core.models import Sequence


class Control(Base):
    """An operator's override: a pause, or a limit in place of the actor's own."""

    __tablename__ = "controls"

    scope: Mapped[str] = mapped_column(String(16), primary_key=True)  # all, queue, actor
    name: Mapped[str] = mapped_column(String(255), primary_key=True)  # "" for all
    setting: Mapped[str] = mapped_column(String(32), primary_key=True)  # paused, rate_limit, concurrency
    value: Mapped[Any] = mapped_column(JsonText, nullable=True)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    set_by: Mapped[str | None] = mapped_column(String(255))
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RateLimit(Base):
    """The next free slot of a rate-limited key, in microseconds since 1970."""

    __tablename__ = "rate_limits"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    next_us: Mapped[int] = mapped_column(BigInteger)


class Slot(Base):
    """A slot that a running job holds under a concurrency limit."""

    __tablename__ = "slots"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    job_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False, index=True)


class BreakerState(Base):
    """An actor's circuit breaker after its first failure; open if `opened_at` is set."""

    __tablename__ = "breakers"

    actor: Mapped[str] = mapped_column(String(255), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LimiterValue(Base):
    """A value of Dramatiq's own rate limiters and barriers; an expired one counts as absent."""

    __tablename__ = "limiter_values"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
