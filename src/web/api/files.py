"""/api/v1/files: bring a file for later jobs; and the files of a job."""

from __future__ import annotations

from flask import Response, request

from src import database
from src.jobs import queries
from src.jobs.errors import InvalidArguments, UnknownJob
from src.web import uploading
from src.web.api.blueprint import blueprint
from src.web.api.bodies import answer, require_multipart
from src.web.auth import allow
from src.web.roles import Role
from src.web.uploading import takes_files


@blueprint.post("/files")
@allow(Role.SUBMITTER)
@takes_files
def bring_file() -> Response:
    """Keep a file: what is answered may be an argument of jobs."""
    require_multipart()
    brought = request.files.get("file")
    if brought is None or not brought.filename:
        raise InvalidArguments("Send one part named file, with its name.", errors={"file": "Required."})
    return answer({**uploading.keep(brought).reference, "sha256": uploading.sha256(brought)}, 201)


@blueprint.get("/jobs/<id>/files/<file>")
@allow(Role.SUBMITTER)
def job_file(id: str, file: str) -> Response:
    """A file that a job was given."""
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return uploading.send(job, file)
