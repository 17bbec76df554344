"""/api/v1/jobs: submit, list, show, edit and control jobs."""

from __future__ import annotations

from flask import Response, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest

from ....broker.publish.group_commit import submit_now
from ....jobs import Receipt, search, submit_many
from ....jobs.control import edits
from ....jobs.core.errors import InvalidArguments, JobsError, UnknownJob
from ....jobs.read import queries
from ....operations.format.list_filters import read_filter
from ....operations.format.request_values import read
from ....operations.jobs import job_actions, job_documents, job_request
from ....operations.jobs.job_bodies import EditBody, read_job
from ....operations.jobs.job_context import context_of
from ....operations.jobs.rows import Job
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...http.json_bodies import answer, read_json, read_limit
from ..requests import conditional_requests
from ..requests.blueprint import blueprint

#: jobs of one bulk request: it is one transaction, and on SQLite other writers wait for it
BULK_LIMIT = 10_000


@blueprint.post("/jobs")
@allow(Role.SUBMITTER, action="job.submit")
def submit() -> Response:
    """Submit one job."""
    wanted = read_job(read_json()).request(key=request.headers.get("Idempotency-Key"))
    submission = job_request.check(wanted, by=visitor(), source="api")
    return accepted(submit_now(submission))


@blueprint.post("/jobs/bulk")
@allow(Role.SUBMITTER, action="job.submit")
def submit_bulk() -> Response:
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


@blueprint.get("/jobs")
@allow(Role.VIEWER)
def index() -> Response:
    """List jobs, newest first, in pages."""
    wanted = read_filter(request.args)
    with database.read() as session:
        page = search.find(session, wanted.query, after=wanted.after, limit=read_limit())
    document = {"jobs": [job_documents.summary(job) for job in page.jobs], "next": None if page.next is None else str(page.next)}
    # The search ran out of time: `next` continues where it stopped.
    return answer({**document, "partial": page.searched_to is not None})


@blueprint.get("/jobs/<id>")
@allow(Role.VIEWER)
def show(id: str) -> Response:
    """One job, by its id or a prefix of at least eight characters."""
    with database.read() as session:
        job = _find(session, id)
        document = job_documents.whole(job, context_of(session, job))
    return conditional_requests.tagged(answer(document), document)


@blueprint.patch("/jobs/<id>")
@allow(Role.OPERATOR, action="job.edit")
def edit(id: str) -> Response:
    """Edit the arguments, due time, expiry or priority of a waiting job."""
    change = read(EditBody, read_json(), example='{"priority": 9}').change()
    with database.write() as session:
        found = _find(session, id)
        conditional_requests.require_match(job_documents.whole(found, context_of(session, found)))
        job = edits.edit(session, found.id, job_request.check_edit(found, change))
        document = job_documents.whole(job, context_of(session, job))
    return conditional_requests.tagged(answer(document), document)


@blueprint.post("/jobs/<id>/<any(retry, cancel, 'run-now', release, discard, stack):action>")
@allow(Role.OPERATOR, action="job.{action}")
def act(id: str, action: str) -> Response:
    """Retry, cancel, run now, release or discard a job, or request its stack trace."""
    with database.write() as session:
        found = queries.find(session, id)
        job = job_actions.act(session, found.id if found else id, action)
    return answer(
        {
            "id": job.id,
            "state": job.state.value,
            "cancelling": job.is_cancelling,
            "cancel_requested": job.cancel_requested,
            "url": _url(job.id),
        }
    )


def accepted(receipt: Receipt) -> Response:
    """The response to a submission: id, state and URL of the job."""
    response = answer({"id": receipt.id, "state": receipt.state.value, "url": _url(receipt.id)}, 202)
    response.headers["Location"] = _url(receipt.id)
    if not receipt.created:
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
    fields = error.errors if isinstance(error, InvalidArguments) else {error.field: str(error)} if error.field else {}
    return InvalidArguments(f"Job {index} of the list: {error}", errors={f"{index}.{name}": text for name, text in fields.items()})
