"""/api/v1/jobs/{id}/events: changes and log of a job as server-sent JSON events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from flask import Response, request
from pydantic import Field
from werkzeug.exceptions import ServiceUnavailable

from ....jobs.core.errors import UnknownJob
from ....jobs.read import queries
from ....operations.format import json_documents
from ....operations.jobs.documents import job_documents, log_documents
from ....operations.jobs.documents.job_context import context_now
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...live.job_stream import Message, stream
from ...live.job_watcher import News
from ...live.stream_room import TooManyStreams
from ..requests.routes import Routes, Tag

api = Routes(Tag.JOBS)
_EVENTS = Annotated[str, Field(description="events: `job` with a Job, `lines` with the log's new lines, `done` with the final state")]


@api.get("/jobs/<id>/events", query=log_documents.After, answer=_EVENTS, media="text/event-stream", errors=(404, 409, 422))
@allow(Role.VIEWER)
def events(id: str) -> Response:
    """Stream a job now and at each change, and its log, as server-sent events."""
    after = log_documents.read_place(request.args.get("after"))
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    try:
        return stream(job.id, _messages, after=after)
    except TooManyStreams:
        raise ServiceUnavailable("Too many open streams. Poll the job every few seconds instead.") from None


def _messages(news: News) -> Iterator[Message]:
    if news.lines:
        lines = {"lines": [log_documents.document(line) for line in news.lines]}
        yield Message(json_documents.dump(lines), "lines", log_documents.write_place(news.lines))
    if news.job is not None:
        yield Message(json_documents.dump(job_documents.whole(news.job, context_now(news.job))), "job")
