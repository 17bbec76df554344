"""/api/v1/jobs/{id}/logs: the log of a job's attempts so far."""

from __future__ import annotations

from flask import Response, request

from ....jobs.attempts import attempt_logs
from ....jobs.core.errors import JobsError, UnknownJob
from ....jobs.read import queries
from ....operations.jobs import log_documents
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...http.json_bodies import answer
from ..requests.blueprint import blueprint

#: lines per response: default and maximum
LINES, MOST_LINES = 500, 1_000


@blueprint.get("/jobs/<id>/logs")
@allow(Role.VIEWER)
def logs(id: str) -> Response:
    """The lines after `after`, oldest first. `next` is the cursor; `more` says that further lines exist already."""
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
