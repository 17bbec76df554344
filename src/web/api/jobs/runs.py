"""/api/v1/jobs/{id}: attempts, timeline, lineage, runs with the same arguments, and the comparison with another run."""

from __future__ import annotations

from flask import request
from sqlalchemy.orm import Session

from ....jobs.core.errors import UnknownJob
from ....jobs.read import attempts, queries
from ....jobs.search import runs
from ....operations.format.list_filters import Paging, read_after
from ....operations.jobs.documents import comparison, job_documents, job_timeline, lineage
from ....operations.jobs.documents.comparison import ComparisonDocument
from ....operations.jobs.documents.job_documents import AttemptsPage, Page
from ....operations.jobs.documents.job_timeline import TimelineDocument
from ....operations.jobs.documents.lineage import LineageDocument
from ....operations.jobs.rows import Job
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...http.json_bodies import Answer, answer, read_limit
from ..requests.routes import Routes, Tag

api = Routes(Tag.JOBS)


@api.get("/jobs/<id>/attempts", query=Paging, errors=(404, 409, 422))
@allow(Role.VIEWER)
def list_attempts(id: str) -> Answer[AttemptsPage]:
    """The ended attempts of a job, newest first, in pages."""
    after, limit = read_after(request.args.get("after")), read_limit()
    with database.read() as session:
        found = attempts.of(session, _find(session, id), before=after, limit=limit + 1)
    return answer(
        {
            "attempts": [job_documents.attempt_document(each) for each in found[:limit]],
            "next": str(found[limit - 1].number) if len(found) > limit else None,
        }
    )


@api.get("/jobs/<id>/timeline", errors=(404, 409))
@allow(Role.VIEWER)
def timeline(id: str) -> Answer[TimelineDocument]:
    """The timeline of a job's newest attempts: waits, attempts, back-offs and pauses, and the pace of a running attempt."""
    with database.read() as session:
        return answer(job_timeline.document(session, _find(session, id)))


@api.get("/jobs/<id>/lineage", errors=(404, 409))
@allow(Role.VIEWER)
def show_lineage(id: str) -> Answer[LineageDocument]:
    """Where a job comes from, and the jobs that followed from it."""
    with database.read() as session:
        return answer(lineage.document(session, _find(session, id)))


@api.get("/jobs/<id>/runs", query=Paging, errors=(404, 409, 422))
@allow(Role.VIEWER)
def same_arguments(id: str) -> Answer[Page]:
    """Other runs with the same arguments, newest first; `partial`: `next` searches older jobs of the actor."""
    after, limit = read_after(request.args.get("after")), read_limit()
    with database.read() as session:
        found = runs.same_arguments(session, _find(session, id), after=after, limit=limit)
    listed = [job_documents.summary(job) for job in found.jobs]
    is_partial = found.next is not None and len(listed) < limit
    return answer({"jobs": listed, "next": None if found.next is None else str(found.next), "partial": is_partial})


@api.get("/jobs/<id>/compare/<other>", errors=(404, 409))
@allow(Role.VIEWER)
def compare(id: str, other: str) -> Answer[ComparisonDocument]:
    """Two jobs side by side: arguments, options, timings, versions, attempts, results, and the difference of their logs."""
    with database.read() as session:
        found = comparison.compare(session, _find(session, id), _find(session, other))
        return answer(comparison.document(found))


def _find(session: Session, id: str) -> Job:
    job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return job
