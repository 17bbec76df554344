"""/api/v1/jobs/{id}/result: the result alone, including results stored in files."""

from __future__ import annotations

from typing import Annotated

from flask import Response
from pydantic import Field

from ....jobs.core.errors import UnknownJob
from ....jobs.read import queries
from ....operations.format.document_fields import Json
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...render.jobs import job_results
from ..requests.routes import Routes, Tag

api = Routes(Tag.JOBS)


@api.get("/jobs/<id>/result", answer=Annotated[Json, Field(description="the actor's return value: any JSON")], errors=(404, 409))
@allow(Role.VIEWER)
def result(id: str) -> Response:
    """The result of a succeeded job."""
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return job_results.send(job)
