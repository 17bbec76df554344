"""/api/v1/jobs/{id}/result: what the job returned, alone, also where it is too large to be part of the job."""

from __future__ import annotations

from flask import Response

from src import database
from src.jobs import queries
from src.jobs.errors import UnknownJob
from src.web import results
from src.web.api.blueprint import blueprint
from src.web.auth import allow
from src.web.roles import Role


@blueprint.get("/jobs/<id>/result")
@allow(Role.VIEWER)
def result(id: str) -> Response:
    """The result of a job that has succeeded."""
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return results.send(job)
