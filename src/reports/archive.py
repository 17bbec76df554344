"""Report archive: every report that was made, under a permanent address."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Boolean, Index, Integer, LargeBinary, String, Text, delete, func, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..formats.url_segments import segment
from ..jobs.core.errors import JobsError
from ..sql.clock import now
from ..sql.columns import Base, JsonText, UtcDateTime
from .document import Document

#: SQLite autoincrements only a column of type INTEGER
_Key = BigInteger().with_variant(Integer(), "sqlite")


class UnknownReport(JobsError):
    """The archive has no such report."""


class Report(Base):
    """One issue of a report. Its address is its name and its id."""

    __tablename__ = "reports"
    __table_args__ = (
        Index("ix_reports_name", "name", "seq"),
        Index("uq_reports_address", "name", "id", unique=True),
        {"sqlite_autoincrement": True},
    )

    seq: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(255))  # of the actor that made it
    id: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text)
    period: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    job_id: Mapped[str | None] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(String(64))
    is_empty: Mapped[bool] = mapped_column(Boolean)
    document: Mapped[str] = mapped_column(JsonText, deferred=True)
    pdf: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    pdf_note: Mapped[str | None] = mapped_column(Text)  # why there is no PDF
    mail_id: Mapped[str | None] = mapped_column(String(36))

    @property
    def path(self) -> str:
        return path_of(self.name, self.id)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The issues of one report: their number, and the newest."""

    newest: Report
    issues: int


def new_id(document: Document) -> str:
    """Return an id for a report: its day, and a digest that distinguishes it from others of that day."""
    return f"{document.made_at:%Y-%m-%d}-{secrets.token_hex(4)}"


def path_of(name: str, id: str) -> str:
    """Return the path of a report in the console."""
    return f"/reports/{segment(name)}/{segment(id)}"


def keep(
    session: Session,
    name: str,
    id: str,
    document: Document,
    *,
    job_id: str | None,
    pdf: bytes | None,
    pdf_note: str | None,
    mail_id: str | None,
) -> None:
    """Store a report."""
    values = {
        "id": id, "pdf": pdf, "pdf_note": pdf_note, "mail_id": mail_id,
        "name": name, "title": document.title, "summary": document.summary, "period": document.period, "made_at": document.made_at, "job_id": job_id,
        "digest": document.digest, "is_empty": document.is_empty, "document": document.model_dump(mode="json"),
    }  # fmt: skip
    session.execute(insert(Report).values(**values))


def find(session: Session, name: str, id: str) -> Report:
    """Return one issue; raises UnknownReport."""
    report = session.execute(select(Report).where(Report.name == name, Report.id == id)).scalars().first()
    if report is None:
        raise UnknownReport(f"There is no report {name}/{id}; it may have been deleted by retention (CALLBOARD_KEEP_REPORTS).", field="id")
    return report


def newest(session: Session, name: str) -> Report | None:
    """Return the newest issue of a report."""
    return session.execute(select(Report).where(Report.name == name).order_by(Report.seq.desc()).limit(1)).scalars().first()


def document_of(session: Session, report: Report) -> Document:
    """Return an issue's document."""
    text = session.execute(select(Report.document).where(Report.seq == report.seq)).scalar_one()
    return Document.model_validate(text)


def pdf_of(session: Session, report: Report) -> bytes | None:
    """Return an issue's PDF, if it has one."""
    return session.execute(select(Report.pdf).where(Report.seq == report.seq)).scalar()


def issues(session: Session, name: str, *, after: int | None = None, limit: int = 50) -> tuple[Sequence[Report], int | None]:
    """Return issues of a report, newest first, and the seq to pass as `after` for the next page."""
    statement = select(Report).where(Report.name == name).order_by(Report.seq.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(Report.seq < after)
    found = session.execute(statement).scalars().all()
    return found[:limit], found[limit - 1].seq if len(found) > limit else None


def shelves(session: Session) -> list[Shelf]:
    """Return every report that has an issue, by name."""
    counted = select(func.max(Report.seq).label("newest"), func.count().label("issues")).group_by(Report.name).subquery()
    statement = select(Report, counted.c.issues).join(counted, counted.c.newest == Report.seq).order_by(Report.name)
    return [Shelf(report, issues) for report, issues in session.execute(statement)]


def prune(session: Session, *, keep: timedelta, batch: int = 200) -> int:
    """Delete up to `batch` issues older than `keep`, but never the newest of a report; return their number."""
    last = select(func.max(Report.seq)).group_by(Report.name)
    over = select(Report.seq).where(Report.made_at < now() - keep, Report.seq.not_in(last)).order_by(Report.seq).limit(batch)
    seqs = list(session.execute(over).scalars())
    session.execute(delete(Report).where(Report.seq.in_(seqs)))
    return len(seqs)
