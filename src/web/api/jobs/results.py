"""/api/v1/jobs/{id}/result: what the job returned, alone, also where it is too large to be part of the job."""

from __future__ import annotations

from flask import Response

from ....jobs.core.errors import UnknownJob
from ....jobs.read import queries
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...render import job_results
from ..requests.blueprint import blueprint


@blueprint.get("/jobs/<id>/result")
@allow(Role.VIEWER)
def result(id: str) -> Response:
    """The result of a job that has succeeded."""
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return job_results.send(job)
