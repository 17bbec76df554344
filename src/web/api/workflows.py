"""/api/v1/workflows: submit, list, show, cancel and retry workflows."""

from __future__ import annotations

from typing import Annotated

from flask import Response, request, url_for
from pydantic import Field
from typing_extensions import TypedDict
from werkzeug.exceptions import ServiceUnavailable

from ...jobs.control import workflow_reruns, workflows
from ...jobs.control.workflows import Found
from ...jobs.core.errors import UnknownJob
from ...operations.format import json_documents
from ...operations.format.list_filters import Paging, read_filter
from ...operations.jobs.requests import job_request
from ...operations.people.roles import Role
from ...operations.workflows import workflow_documents
from ...operations.workflows.workflow_documents import WorkflowDocument, WorkflowsPage
from ...operations.workflows.workflow_request import RerunBody, WorkflowBody, read_workflow
from ...sql import database
from ..auth import allow, visitor
from ..http.json_bodies import Answer, answer, read_json, read_limit
from ..live.stream_room import TooManyStreams
from ..live.workflow_stream import stream
from .requests.routes import KEY, SUBMITTED, Routes, Tag

api = Routes(Tag.WORKFLOWS)
ACTIONS = {"cancel": "Cancel the unfinished steps", "retry": "Retry the failed steps"}


class WorkflowReceipt(TypedDict):
    """A submitted workflow."""

    id: str
    jobs: Annotated[dict[str, str], Field(description="id of the job of each step, by the step's name")]
    url: Annotated[str, Field(json_schema_extra={"format": "uri"})]


class ActedOnWorkflow(TypedDict):
    """A workflow after an action."""

    id: str
    state: str
    steps: Annotated[int, Field(description="number of steps that the action changed")]
    url: Annotated[str, Field(json_schema_extra={"format": "uri"})]


@api.post("/workflows", status=202, body=WorkflowBody, headers=(KEY,), sends=SUBMITTED, errors=(409, 422))
@allow(Role.SUBMITTER, action="workflow.submit")
def submit_workflow() -> Answer[WorkflowReceipt]:
    """Submit a workflow: one transaction writes a row per step."""
    workflow = read_workflow(read_json(many=True), by=visitor())
    key = job_request.own_key(request.headers.get("Idempotency-Key"), visitor())
    with database.write() as session:
        receipt = workflow.submit(session, submitted_by=visitor().name, idempotency_key=key)
    document: WorkflowReceipt = {"id": receipt.id, "jobs": receipt.jobs, "url": _url(receipt.id)}
    response = answer(document, 202)
    response.headers["Location"] = _url(receipt.id)
    if not receipt.created:
        response.headers["Idempotency-Replayed"] = "true"
    return response


@api.get("/workflows", query=Paging, errors=(422,))
@allow(Role.VIEWER)
def list_workflows() -> Answer[WorkflowsPage]:
    """List workflows, newest first, in pages."""
    with database.read() as session:
        page = workflows.page(session, after=read_filter(request.args).after, limit=read_limit())
    listed = [workflow_documents.summary(each) for each in page.workflows]
    return answer({"workflows": listed, "next": None if page.next is None else str(page.next)})


@api.get("/workflows/<id>", errors=(404,))
@allow(Role.VIEWER)
def show_workflow(id: str) -> Answer[WorkflowDocument]:
    """One workflow with the live state of every step."""
    return answer(workflow_documents.whole(_find(id)))


_EVENTS = Annotated[str, Field(description="events: `workflow` with a Workflow, `done` with the final state")]


@api.get("/workflows/<id>/events", answer=_EVENTS, media="text/event-stream", errors=(404,))
@allow(Role.VIEWER)
def workflow_events(id: str) -> Response:
    """Stream a workflow now and at each change, as server-sent events."""
    _find(id)
    try:
        return stream(id, lambda found: json_documents.dump(workflow_documents.whole(found)), event="workflow")
    except TooManyStreams:
        raise ServiceUnavailable("Too many open streams. Poll the workflow every few seconds instead.") from None


@api.post("/workflows/<id>/<action>", words=ACTIONS, errors=(404, 409))
@allow(Role.OPERATOR, action="workflow.{action}")
def act_on_workflow(id: str, action: str) -> Answer[ActedOnWorkflow]:
    """Cancel the unfinished steps, or retry the failed ones."""
    with database.write() as session:
        touched = workflows.cancel(session, id) if action == "cancel" else workflows.retry(session, id)
    return answer({"id": id, "state": _find(id).state, "steps": touched, "url": _url(id)})


@api.post("/workflows/<id>/re-run", status=202, headers=(KEY,), sends=("Location",), errors=(404, 409, 422))
@allow(Role.OPERATOR, action="workflow.re-run")
def rerun_workflow(id: str, body: RerunBody) -> Answer[WorkflowReceipt]:
    """Run a step and all that follow it again, as a new workflow; results of other steps are kept."""
    key = job_request.own_key(request.headers.get("Idempotency-Key"), visitor())
    with database.write() as session:
        receipt = workflow_reruns.rerun(session, id, body.step, by=visitor().name, key=key)
    document: WorkflowReceipt = {"id": receipt.id, "jobs": receipt.jobs, "url": _url(receipt.id)}
    response = answer(document, 202)
    response.headers["Location"] = _url(receipt.id)
    return response


def _find(id: str) -> Found:
    with database.read() as session:
        found = workflows.find(session, id)
    if found is None:
        raise UnknownJob(f"There is no workflow {id}.", field="id")
    return found


def _url(id: str) -> str:
    return url_for("api.show_workflow", id=id, _external=True)
