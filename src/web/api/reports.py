"""/api/v1/reports: the archive of reports, as documents."""

from __future__ import annotations

from typing import Any

from flask import Response, request, url_for

from ...actors.publishing import declared
from ...operations.format.instants import write_instant
from ...operations.format.list_filters import read_filter
from ...operations.people.roles import Role
from ...reports import archive
from ...reports.archive import Report, UnknownReport
from ...sql import database
from ..auth import allow
from ..http.json_bodies import answer
from .requests.blueprint import blueprint

ROWS = 50


@blueprint.get("/reports")
@allow(Role.VIEWER)
def list_reports() -> Response:
    """List the reports, each with its newest issue."""
    with database.read() as session:
        shelves = archive.shelves(session)
    listed = {shelf.newest.name: {"issues": shelf.issues, "newest": _summary(shelf.newest)} for shelf in shelves}
    names = sorted({*listed, *declared()})
    return answer({"reports": [{"name": name, **listed.get(name, {"issues": 0, "newest": None})} for name in names]})


@blueprint.get("/reports/<name>")
@allow(Role.VIEWER)
def list_issues(name: str) -> Response:
    """List the issues of a report, newest first."""
    with database.read() as session:
        found, next = archive.issues(session, name, after=read_filter(request.args).after, limit=ROWS)
    if not found and name not in declared():
        raise UnknownReport(f"There is no report {name}.", field="name")
    return answer({"issues": [_summary(report) for report in found], "next": None if next is None else str(next)})


@blueprint.get("/reports/<name>/<id>")
@allow(Role.VIEWER)
def show_report(name: str, id: str) -> Response:
    """One issue with its document."""
    with database.read() as session:
        report = archive.find(session, name, id)
        document = archive.document_of(session, report)
    return answer({**_summary(report), "document": document.model_dump(mode="json")})


def _summary(report: Report) -> dict[str, Any]:
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
