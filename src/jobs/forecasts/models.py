"""The table of recorded forecasts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base, UtcDateTime
from ..core.models import Sequence, partial


class Forecast(Base):
    """A sampled forecast of a job's end, and how long it took. Durations in microseconds since `asked_at`."""

    __tablename__ = "forecasts"
    __table_args__ = (
        Index("ix_forecasts_actor", "actor", "asked_at"),
        Index("ix_forecasts_asked", "asked_at"),
        partial("ix_forecasts_open", "asked_at", where="took_us IS NULL"),
    )

    job_seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=False)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    actor: Mapped[str] = mapped_column(String(255))
    fixed_us: Mapped[int] = mapped_column(BigInteger)  # certain beforehand: until the due time, or the end of a pause
    raw_p50_us: Mapped[int] = mapped_column(BigInteger)  # before calibration
    raw_p90_us: Mapped[int] = mapped_column(BigInteger)
    p90_us: Mapped[int] = mapped_column(BigInteger)
    took_us: Mapped[int | None] = mapped_column(BigInteger)  # None: not ended, or not judged yet
    judged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the end of its job
