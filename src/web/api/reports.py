"""/api/v1/reports: the archive of reports, as documents."""

from __future__ import annotations

from typing import Annotated, Any

from flask import request, url_for
from pydantic import Field
from typing_extensions import TypedDict

from ...actors.publishing import declared
from ...operations.format.document_fields import Instant, Next
from ...operations.format.instants import write_instant
from ...operations.format.list_filters import After, read_filter
from ...operations.people import permissions
from ...operations.people.roles import Role
from ...reports import archive
from ...reports.archive import Report, UnknownReport
from ...reports.document import Document
from ...sql import database
from ..auth import allow
from ..http.json_bodies import Answer, answer
from .requests.routes import Routes, Tag

api = Routes(Tag.REPORTS)
ROWS = 50


class Issue(TypedDict):
    """An issue of a report."""

    name: str
    id: str
    title: str
    summary: str
    period: str
    made_at: Instant
    job: Annotated[str | None, Field(description="id of the job that made it")]
    mail: Annotated[str | None, Field(description="id of the email that carries it")]
    url: Annotated[str, Field(description="of its page", json_schema_extra={"format": "uri"})]


class Shelf(TypedDict):
    """A report: the number of its issues and the newest one."""

    name: str
    issues: int
    newest: Issue | None


class Shelves(TypedDict):
    """The reports by name."""

    reports: list[Shelf]


class IssuesPage(TypedDict):
    """A page of the issues of a report, newest first."""

    issues: list[Issue]
    next: Next


class WholeIssue(Issue):
    """An issue with its content."""

    document: Document


@api.get("/reports")
@allow(Role.VIEWER)
def list_reports() -> Answer[Shelves]:
    """List the reports, each with its newest issue."""
    with database.read() as session:
        shelves = archive.shelves(session)
    limited = permissions.in_force()
    names = [name for name in declared() if permissions.fits(limited, name)]
    listed: dict[str, Shelf] = {name: {"name": name, "issues": 0, "newest": None} for name in names}
    for shelf in shelves:
        name = shelf.newest.name
        listed[name] = {"name": name, "issues": shelf.issues, "newest": _summary(shelf.newest)}
    return answer({"reports": [listed[name] for name in sorted(listed)]})


@api.get("/reports/<name>", query=After, errors=(404, 422))
@allow(Role.VIEWER)
def list_issues(name: str) -> Answer[IssuesPage]:
    """List the issues of a report, newest first."""
    with database.read() as session:
        found, next = archive.issues(session, name, after=read_filter(request.args).after, limit=ROWS)
    if not found and name not in declared():
        raise UnknownReport(f"There is no report {name}.", field="name")
    return answer({"issues": [_summary(report) for report in found], "next": None if next is None else str(next)})


@api.get("/reports/<name>/<id>", errors=(404,))
@allow(Role.VIEWER)
def show_report(name: str, id: str) -> Answer[WholeIssue]:
    """One issue of a report with its content."""
    with database.read() as session:
        report = archive.find(session, name, id)
        document = archive.document_of(session, report)
    content: Any = document.model_dump(mode="json")
    return answer({**_summary(report), "document": content})


def _summary(report: Report) -> Issue:
    return {
        "name": report.name,
        "id": report.id,
        "title": report.title,
        "summary": report.summary,
        "period": report.period,
        "made_at": write_instant(report.made_at),
        "job": report.job_id,
        "mail": report.mail_id,
        "url": url_for("reports.show", name=report.name, id=report.id, _external=True),
    }
