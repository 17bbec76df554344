"""/api/v1/jobs/{id}/logs: what a job's attempts have logged and printed, as far as it is written."""

from __future__ import annotations

from flask import Response, request

from src import database
from src.jobs import attempt_logs, queries
from src.jobs.errors import JobsError, UnknownJob
from src.web import log_lines
from src.web.api.blueprint import blueprint
from src.web.api.bodies import answer
from src.web.auth import allow
from src.web.roles import Role

#: lines of one answer, unless another limit is asked for, and at most
LINES, MOST_LINES = 500, 1_000


@blueprint.get("/jobs/<id>/logs")
@allow(Role.VIEWER)
def logs(id: str) -> Response:
    """The lines after `after`, oldest first; `next` is what to ask for later, `more` whether that gives lines at once."""
    after, attempt, limit = log_lines.read_place(request.args.get("after")), _number("attempt"), _number("limit") or LINES
    if limit > MOST_LINES:
        raise JobsError(f"limit lies between 1 and {MOST_LINES}.", field="limit")
    with database.read() as session:
        job = queries.find(session, id)
        if job is None:
            raise UnknownJob(f"There is no job {id}.", field="id")
        lines = attempt_logs.read(session, job.seq, after=after, attempt=attempt, limit=limit + 1)
    shown = lines[:limit]
    return answer(
        {"lines": [log_lines.document(line) for line in shown], "next": log_lines.write_place(shown, after), "more": len(lines) > limit}
    )


def _number(name: str) -> int | None:
    text = request.args.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) == 0:
        raise JobsError(f"{name} is a number from 1 on.", field=name)
    return int(text)
