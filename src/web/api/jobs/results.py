"""/api/v1/jobs/{id}/result: the result alone, including results stored in files."""

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
    """The result of a succeeded job."""
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return job_results.send(job)
