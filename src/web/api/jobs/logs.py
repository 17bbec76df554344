"""/api/v1/jobs/{id}/logs: the log of a job's attempts so far."""

from __future__ import annotations

from typing import Annotated

from flask import request
from pydantic import Field
from typing_extensions import TypedDict

from ....jobs.attempts import attempt_logs
from ....jobs.core.errors import JobsError, UnknownJob
from ....jobs.read import queries
from ....operations.jobs.documents import log_documents
from ....operations.jobs.documents.log_documents import LogLineDocument
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag

api = Routes(Tag.JOBS)
#: lines per response: default and maximum
LINES, MOST_LINES = 500, 1_000


class LogFilter(log_documents.After, total=False):
    """Query parameters of a log."""

    attempt: Annotated[int, Field(ge=1, le=999_999_999, description="only lines of this attempt")]
    limit: Annotated[int, Field(ge=1, le=MOST_LINES, description=f"lines of a response; {LINES} by default")]


class Log(TypedDict):
    """Lines of a job's log, oldest first."""

    lines: list[LogLineDocument]
    next: Annotated[str, Field(description="cursor: `after` of the following request")]
    more: Annotated[bool, Field(description="further lines exist already")]


@api.get("/jobs/<id>/logs", query=LogFilter, errors=(404, 409, 422))
@allow(Role.VIEWER)
def logs(id: str) -> Answer[Log]:
    """The log of a job, oldest lines first."""
    after, attempt, limit = log_documents.read_place(request.args.get("after")), _number("attempt"), _number("limit") or LINES
    if limit > MOST_LINES:
        raise JobsError(f"limit must be between 1 and {MOST_LINES}.", field="limit")
    with database.read() as session:
        job = queries.find(session, id)
        if job is None:
            raise UnknownJob(f"There is no job {id}.", field="id")
        lines = attempt_logs.read(session, job.seq, after=after, attempt=attempt, limit=limit + 1)
    shown = lines[:limit]
    return answer(
        {
            "lines": [log_documents.document(line) for line in shown],
            "next": log_documents.write_place(shown, after),
            "more": len(lines) > limit,
        }
    )


def _number(name: str) -> int | None:
    text = request.args.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) == 0:
        raise JobsError(f"{name} must be a number of at least 1.", field=name)
    return int(text)
