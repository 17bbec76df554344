"""/api/v1/workflows: submit, list, show, cancel and retry workflows."""

from __future__ import annotations

from flask import Response, request, url_for
from werkzeug.exceptions import ServiceUnavailable

from ...jobs.control import workflows
from ...jobs.control.workflows import Found
from ...jobs.core.errors import UnknownJob
from ...operations.format import json_documents
from ...operations.format.list_filters import read_filter
from ...operations.jobs import job_request
from ...operations.people.roles import Role
from ...operations.workflows import workflow_documents
from ...operations.workflows.workflow_request import read_workflow
from ...sql import database
from ..auth import allow, visitor
from ..http.json_bodies import answer, read_json, read_limit
from ..live.job_watcher import TooManyStreams
from ..live.workflow_stream import stream
from .requests.blueprint import blueprint


@blueprint.post("/workflows")
@allow(Role.SUBMITTER, action="workflow.submit")
def submit_workflow() -> Response:
    """Submit a workflow: one transaction writes a row per step."""
    workflow = read_workflow(read_json(many=True), by=visitor())
    key = job_request.own_key(request.headers.get("Idempotency-Key"), visitor())
    with database.write() as session:
        receipt = workflow.submit(session, submitted_by=visitor().name, idempotency_key=key)
    response = answer({"id": receipt.id, "jobs": receipt.jobs, "url": _url(receipt.id)}, 202)
    response.headers["Location"] = _url(receipt.id)
    if not receipt.created:
        response.headers["Idempotency-Replayed"] = "true"
    return response


@blueprint.get("/workflows")
@allow(Role.VIEWER)
def list_workflows() -> Response:
    """List workflows, newest first, in pages."""
    with database.read() as session:
        page = workflows.page(session, after=read_filter(request.args).after, limit=read_limit())
    listed = [workflow_documents.summary(each) for each in page.workflows]
    return answer({"workflows": listed, "next": None if page.next is None else str(page.next)})


@blueprint.get("/workflows/<id>")
@allow(Role.VIEWER)
def show_workflow(id: str) -> Response:
    """One workflow with the live state of every step."""
    return answer(workflow_documents.whole(_find(id)))


@blueprint.get("/workflows/<id>/events")
@allow(Role.VIEWER)
def workflow_events(id: str) -> Response:
    """Stream the workflow now and at each change (event `workflow`), then `done`."""
    _find(id)
    try:
        return stream(id, lambda found: json_documents.dump(workflow_documents.whole(found)), event="workflow")
    except TooManyStreams:
        raise ServiceUnavailable("Too many open streams. Poll the workflow every few seconds instead.") from None


@blueprint.post("/workflows/<id>/<any(cancel, retry):action>")
@allow(Role.OPERATOR, action="workflow.{action}")
def act_on_workflow(id: str, action: str) -> Response:
    """Cancel the unfinished steps, or retry the failed ones."""
    with database.write() as session:
        touched = workflows.cancel(session, id) if action == "cancel" else workflows.retry(session, id)
    return answer({"id": id, "state": _find(id).state, "steps": touched, "url": _url(id)})


def _find(id: str) -> Found:
    with database.read() as session:
        found = workflows.find(session, id)
    if found is None:
        raise UnknownJob(f"There is no workflow {id}.", field="id")
    return found


def _url(id: str) -> str:
    return url_for("api.show_workflow", id=id, _external=True)
