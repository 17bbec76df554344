"""/api/v1/files: upload files for later jobs, and download those of a job."""

from __future__ import annotations

from flask import Response, request

from ....jobs.core.errors import InvalidArguments, UnknownJob
from ....jobs.read import queries
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...http import uploads
from ...http.json_bodies import answer, require_multipart
from ...http.uploads import takes_files
from ..requests.blueprint import blueprint


@blueprint.post("/files")
@allow(Role.SUBMITTER)
@takes_files
def bring_file() -> Response:
    """Store a file and return the reference that jobs take as an argument."""
    require_multipart()
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise InvalidArguments("Send one part named file, with a file name.", errors={"file": "Required."})
    return answer({**uploads.keep(upload).reference, "sha256": uploads.sha256(upload)}, 201)


@blueprint.get("/jobs/<id>/files/<file>")
@allow(Role.SUBMITTER)
def job_file(id: str, file: str) -> Response:
    """Download an input file of a job."""
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return uploads.send(job, file)
