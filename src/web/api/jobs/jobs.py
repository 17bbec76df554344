"""/api/v1/jobs: submit, list, show, edit and control jobs."""

from __future__ import annotations

from typing import Annotated, NotRequired

from flask import request, url_for
from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict
from werkzeug.exceptions import BadRequest

from ....broker.publish.group_commit import submit_now
from ....jobs import Receipt, State, search, submit_many
from ....jobs.control import edits
from ....jobs.core.errors import InvalidArguments, JobsError, UnknownJob
from ....jobs.read import queries
from ....operations.format.list_filters import JobsFilter, read_filter
from ....operations.jobs.documents import job_documents
from ....operations.jobs.documents.job_context import context_of
from ....operations.jobs.documents.job_documents import JobDocument, Page
from ....operations.jobs.requests import job_actions, job_request
from ....operations.jobs.requests.job_bodies import EditBody, JobBody, read_job
from ....operations.jobs.rows import Job
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...http.json_bodies import Answer, answer, read_json, read_limit
from ..requests import conditional_requests
from ..requests.routes import KEY, SUBMITTED, Routes, Tag

api = Routes(Tag.JOBS)
#: jobs of one bulk request: it is one transaction, and on SQLite other writers wait for it
BULK_LIMIT = 10_000
ACTIONS = {
    "retry": "Retry a dead, cancelled, expired or retrying job",
    "cancel": "Cancel a job",
    "run-now": "Queue a scheduled or retrying job now",
    "release": "Release a held job",
    "discard": "Discard a held job",
    "stack": "Write the stack trace of a running job into its log",
}


class ReceiptDocument(TypedDict):
    """A submitted job."""

    id: str
    state: State
    url: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    reason: NotRequired[Annotated[str, Field(description="why this is an earlier job: it has the same unique key")]]


class BulkReceipt(TypedDict):
    """Many submitted jobs."""

    ids: Annotated[list[str], Field(description="of the jobs, in the order of the request")]
    created: Annotated[
        int,
        Field(description="how many are new; the others have an idempotency key that was used before, or the unique key of an earlier job"),
    ]


class Acted(TypedDict):
    """A job after an action."""

    id: str
    state: State
    cancelling: Annotated[bool, Field(description="it still runs, and has been asked to stop")]
    cancel_requested: bool
    url: Annotated[str, Field(json_schema_extra={"format": "uri"})]


@api.post("/jobs", status=202, headers=(KEY,), sends=SUBMITTED, errors=(409, 422))
@allow(Role.SUBMITTER, action="job.submit")
def submit(body: JobBody) -> Answer[ReceiptDocument]:
    """Submit a job."""
    wanted = body.request(key=request.headers.get("Idempotency-Key"))
    submission = job_request.check(wanted, by=visitor(), source="api")
    return accepted(submit_now(submission))


@api.post("/jobs/bulk", status=202, body=Annotated[list[JobBody], Field(min_length=1, max_length=BULK_LIMIT)], errors=(409, 422))
@allow(Role.SUBMITTER, action="job.submit")
def submit_bulk() -> Answer[BulkReceipt]:
    """Submit many jobs in one transaction: all of them or none."""
    wanted = read_json(many=True)
    if not isinstance(wanted, list) or not 0 < len(wanted) <= BULK_LIMIT:
        raise BadRequest(f"Send a JSON list of 1 to {BULK_LIMIT} jobs.")
    submissions = []
    for index, document in enumerate(wanted):
        try:
            submissions.append(job_request.check(read_job(document).request(), by=visitor(), source="api"))
        except JobsError as error:
            raise _at(index, error) from None
    with database.write() as session:
        receipts = submit_many(session, submissions)
    return answer({"ids": [receipt.id for receipt in receipts], "created": sum(receipt.created for receipt in receipts)}, 202)


@api.get("/jobs", query=JobsFilter, errors=(422,))
@allow(Role.VIEWER)
def index() -> Answer[Page]:
    """List jobs, newest first, in pages."""
    wanted = read_filter(request.args)
    with database.read() as session:
        page = search.find(session, wanted.query, after=wanted.after, limit=read_limit())
    return answer(
        {
            "jobs": [job_documents.summary(job) for job in page.jobs],
            "next": None if page.next is None else str(page.next),
            "partial": page.searched_to is not None,
        }
    )


@api.get("/jobs/<id>", errors=(404, 409))
@allow(Role.VIEWER)
def show(id: str) -> Answer[JobDocument]:
    """One job, by its id or a prefix of at least eight characters."""
    with database.read() as session:
        job = _find(session, id)
        document = job_documents.whole(job, context_of(session, job))
    return conditional_requests.tagged(answer(document), document)


@api.patch("/jobs/<id>", headers=(conditional_requests.IF_MATCH,), errors=(404, 409, 412, 422))
@allow(Role.OPERATOR, action="job.edit")
def edit(id: str, body: EditBody) -> Answer[JobDocument]:
    """Edit the arguments, due time, expiry or priority of a waiting job."""
    change = body.change()
    with database.write() as session:
        found = _find(session, id)
        conditional_requests.require_match(job_documents.whole(found, context_of(session, found)))
        job = edits.edit(session, found.id, job_request.check_edit(found, change))
        document = job_documents.whole(job, context_of(session, job))
    return conditional_requests.tagged(answer(document), document)


@api.post("/jobs/<id>/<action>", words=ACTIONS, errors=(404, 409))
@allow(Role.OPERATOR, action="job.{action}")
def act(id: str, action: str) -> Answer[Acted]:
    """Retry, cancel, run now, release or discard a job, or request its stack trace."""
    with database.write() as session:
        found = queries.find(session, id)
        job = job_actions.act(session, found.id if found else id, action)
    return answer(
        {
            "id": job.id,
            "state": job.state,
            "cancelling": job.is_cancelling,
            "cancel_requested": job.cancel_requested,
            "url": _url(job.id),
        }
    )


def accepted(receipt: Receipt) -> Answer[ReceiptDocument]:
    """The response to a submission: id, state and URL of the job."""
    document: ReceiptDocument = {"id": receipt.id, "state": receipt.state, "url": _url(receipt.id)}
    if receipt.reason is not None:
        document["reason"] = receipt.reason
    response = answer(document, 202)
    response.headers["Location"] = _url(receipt.id)
    if not receipt.created and receipt.reason is None:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _find(session: Session, id: str) -> Job:
    job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return job


def _url(id: str) -> str:
    return url_for("api.show", id=id, _external=True)


def _at(index: int, error: JobsError) -> InvalidArguments:
    """The error, prefixed with its index in the list."""
    fields = error.located if isinstance(error, InvalidArguments) else {error.field: str(error)} if error.field else {}
    return InvalidArguments(f"Job {index} of the list: {error}", errors={f"{index}.{name}": text for name, text in fields.items()})
