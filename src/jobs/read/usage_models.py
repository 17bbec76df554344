"""The table of usage: the resources of ended jobs, summed by minute and hour."""

from __future__ import annotations

from sqlalchemy import BigInteger, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base


class Usage(Base):
    """Sums over the jobs of one actor, source and submitter that ended within a minute, or within an hour; times in microseconds.

    Kept when the jobs are deleted. A job that ends again after an operator's retry adds its new attempts only.
    """

    __tablename__ = "job_usage"

    span: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)  # in minutes: 1 or 60
    minute: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # its first one, counted from 1970
    actor: Mapped[str] = mapped_column(String(255), primary_key=True)  # ?: of no known one
    source: Mapped[str] = mapped_column(String(16), primary_key=True)
    submitted_by: Mapped[str] = mapped_column(String(255), primary_key=True)  # "": not known
    jobs: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(BigInteger)
    measured: Mapped[int] = mapped_column(BigInteger)  # attempts whose CPU time is known
    cpu_us: Mapped[int] = mapped_column(BigInteger)
    run_us: Mapped[int] = mapped_column(BigInteger)
    wait_us: Mapped[int] = mapped_column(BigInteger)  # until the first attempt, since it could have started
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)  # greatest peak of an isolated attempt
