"""/api/v1/files: upload files for later jobs, and download those of a job."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response
from pydantic import Field
from typing_extensions import TypedDict

from ....jobs.core.errors import UnknownJob
from ....jobs.read import queries
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...http.json_bodies import Answer, answer, require_multipart
from ...http.requests import uploads
from ...http.requests.uploads import takes_files
from ..requests.routes import Binary, Routes, Tag


class FileParts(TypedDict):
    """A file to store."""

    file: Binary


class FileDocument(TypedDict):
    """A stored file: the reference that jobs take as an argument, and a checksum."""

    id: str
    name: str
    size: int
    content_type: str
    sha256: str


@Routes(Tag.ACTORS).post("/files", status=201, parts=FileParts, errors=(422,))
@allow(Role.SUBMITTER)
@takes_files
def bring_file() -> Answer[FileDocument]:
    """Upload a file for later jobs, and return the reference that they take as an argument."""
    require_multipart()
    upload = uploads.only_file()
    document: Any = {**uploads.keep(upload).reference, "sha256": uploads.sha256(upload)}
    return answer(document, 201)


_CONTENT = Annotated[str, Field(description="the content of the file", json_schema_extra={"contentMediaType": "application/octet-stream"})]


@Routes(Tag.JOBS).get("/jobs/<id>/files/<file>", answer=_CONTENT, media="application/octet-stream", errors=(404, 409))
@allow(Role.SUBMITTER)
def job_file(id: str, file: str) -> Response:
    """Download an input file of a job."""
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return uploads.send(job, file)
