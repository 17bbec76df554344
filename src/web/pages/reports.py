"""/reports: reports, their issues, and an issue as page, CSV and PDF."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from ...actor_schema.signature import Signature
from ...actors.publishing import declared
from ...operations.format.list_filters import read_filter
from ...operations.jobs import actor_catalogue
from ...operations.people.roles import Role
from ...reports import archive, forms, pdf
from ...sql import database
from ..auth import allow
from ..render.emails import download

blueprint = Blueprint("reports", __name__)

ROWS = 50


@blueprint.get("/reports")
@allow(Role.VIEWER)
def index() -> str:
    """List the reports, each with its newest issue."""
    with database.read() as session:
        shelves = {shelf.newest.name: shelf for shelf in archive.shelves(session)}
    known = {actor.actor_name: Signature.of(actor).title for actor in actor_catalogue.entries() if actor.actor_name in declared()}
    names = sorted({*shelves, *known})
    return render_template("reports/index.html", names=names, shelves=shelves, known=known, pdf_missing=pdf.missing())


@blueprint.get("/reports/<name>")
@allow(Role.VIEWER)
def issues(name: str) -> str:
    """List the issues of a report, newest first."""
    with database.read() as session:
        found, next = archive.issues(session, name, after=read_filter(request.args).after, limit=ROWS)
    if not found and name not in declared():
        raise NotFound(f"There is no report {name}.")
    return render_template("reports/issues.html", name=name, issues=found, next=next, can_be_made=name in declared())


@blueprint.get("/reports/<name>/latest")
@allow(Role.VIEWER)
def latest(name: str) -> AnyResponse:
    """Redirect to the newest issue."""
    with database.read() as session:
        report = archive.newest(session, name)
    if report is None:
        raise NotFound(f"There is no issue of {name} yet.")
    return redirect(url_for("reports.show", name=name, id=report.id))


@blueprint.get("/reports/<name>/<id>")
@allow(Role.VIEWER)
def show(name: str, id: str) -> str:
    """One issue."""
    with database.read() as session:
        report = archive.find(session, name, id)
        document = archive.document_of(session, report)
        has_pdf = archive.pdf_of(session, report) is not None
    return render_template("reports/show.html", report=report, document=document, blocks=forms.blocks(document), has_pdf=has_pdf)


@blueprint.get("/reports/<name>/<id>.<any(csv, pdf, txt):form>")
@allow(Role.VIEWER)
def save(name: str, id: str, form: str) -> Response:
    """Download an issue as CSV, text or PDF."""
    with database.read() as session:
        report = archive.find(session, name, id)
        document = archive.document_of(session, report)
        paper = archive.pdf_of(session, report)
    file = f"{name}-{id}.{form}"
    if form == "csv":
        return download(forms.spreadsheet(document), file, "text/csv; charset=utf-8")
    if form == "txt":
        return download(forms.text(document).encode(), file, "text/plain; charset=utf-8")
    if paper is None:
        raise NotFound(report.pdf_note or "This report has no PDF.")
    return download(paper, file, "application/pdf")
