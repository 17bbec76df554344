"""/api/v1/jobs/{id}/events: a job's changes and its log as server-sent events of JSON."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request
from werkzeug.exceptions import ServiceUnavailable

from src import database
from src.jobs import queries
from src.jobs.errors import UnknownJob
from src.web import documents, json_documents, log_lines
from src.web.api.blueprint import blueprint
from src.web.auth import allow
from src.web.live import News, TooManyStreams
from src.web.roles import Role
from src.web.standing import standing_now
from src.web.streams import Message, stream


@blueprint.get("/jobs/<id>/events")
@allow(Role.VIEWER)
def events(id: str) -> Response:
    """The job now and at each change, as event `job`, the lines of its log as event `lines`; then `done`."""
    after = log_lines.read_place(request.args.get("after"))
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    try:
        return stream(job.id, _messages, after=after)
    except TooManyStreams:
        raise ServiceUnavailable("Too many open streams. Ask for the job itself every few seconds instead.") from None


def _messages(news: News) -> Iterator[Message]:
    if news.lines:
        lines = {"lines": [log_lines.document(line) for line in news.lines]}
        yield Message(json_documents.dump(lines), "lines", log_lines.write_place(news.lines))
    if news.job is not None:
        yield Message(json_documents.dump(documents.whole(news.job, standing_now(news.job))), "job")
