"""The tables of batches: the rows of an uploaded file, one job for each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base, JsonText, UtcDateTime
from ..core.models import words


class Stage(StrEnum):
    """Stage of a batch."""

    DRAFT = "draft"  # parsed and validated; nothing submitted
    SUBMITTED = "submitted"  # each valid row has its job


class Batch(Base):
    """The rows of one file for one actor."""

    __tablename__ = "batches"
    __table_args__ = (Index("ix_batches_created", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    actor: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))  # of the file
    stage: Mapped[Stage] = mapped_column(words(Stage))
    header: Mapped[Any] = mapped_column(JsonText)  # the columns' names as in the file
    dialect: Mapped[Any] = mapped_column(JsonText, nullable=True)  # how the file was written: separator, encoding, byte order mark
    rows: Mapped[int] = mapped_column(Integer)
    bad: Mapped[int] = mapped_column(Integer)  # number of invalid rows
    created_by: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    submitted_by: Mapped[str | None] = mapped_column(String(255))
    submitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class BatchRow(Base):
    """One row: its values as uploaded (secrets masked), and its arguments or problems."""

    __tablename__ = "batch_rows"

    batch_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)  # as in a spreadsheet: the header is row 1
    cells: Mapped[Any] = mapped_column(JsonText)
    args: Mapped[Any] = mapped_column(JsonText, nullable=True)
    kwargs: Mapped[Any] = mapped_column(JsonText, nullable=True)
    problems: Mapped[Any] = mapped_column(
        JsonText, nullable=True
    )  # [column, message] pairs; None: valid; with a job: why that is an earlier one
    job_id: Mapped[str | None] = mapped_column(String(255), index=True)
