"""Failures of each error group per day."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base


class FailureDay(Base):
    """Number of failed attempts of an error group that ended on a day; counted with the group."""

    __tablename__ = "failure_days"

    fingerprint: Mapped[str] = mapped_column(String(16), primary_key=True)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)  # days since 1970, UTC
    failures: Mapped[int] = mapped_column(BigInteger)
