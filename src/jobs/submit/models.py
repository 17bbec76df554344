"""Tables of the SQL door: actors whose jobs SQL may submit, and its requests that are not jobs yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ...sql.columns import Base, JsonText, UtcDateTime
from ..core.models import Sequence


class SqlActor(Base):
    """An actor with the JSON Schema of a request for its jobs."""

    __tablename__ = "sql_actors"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    schema: Mapped[Any] = mapped_column(JsonText)
    refusal: Mapped[str | None] = mapped_column(Text)  # why SQL cannot submit its jobs
    max_bytes: Mapped[int] = mapped_column(BigInteger)


class SqlRequest(Base):
    """A request that SQL has made and no relay has turned into a job yet."""

    __tablename__ = "sql_requests"

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36))  # the job's id
    actor: Mapped[str] = mapped_column(String(255))
    request: Mapped[str] = mapped_column(Text)  # JSON, parsed one by one: PostgreSQL takes what Python cannot read
    submitted_by: Mapped[str] = mapped_column(String(255))  # the user of PostgreSQL
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
