"""/api/v1/jobs/{id}/forecast, /api/v1/queues/{name}/forecast: when a job ends, and when a backlog is drained."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import NotFound

from ....jobs.core.errors import JobsError, UnknownJob
from ....jobs.read import queries
from ....operations.fleet import what_if_request
from ....operations.fleet.what_if_request import WhatIfDocument, WhatIfQuery
from ....operations.jobs.documents import job_forecast
from ....operations.jobs.documents.job_forecast import ForecastDocument
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag


@Routes(Tag.JOBS).get("/jobs/<id>/forecast", errors=(404, 409))
@allow(Role.VIEWER)
def forecast_job(id: str) -> Answer[ForecastDocument]:
    """Forecast when a job starts and ends, from recent jobs, today's limits and the threads that consume its queue."""
    with database.read() as session:
        job = queries.find(session, id)
        if job is None:
            raise UnknownJob(f"There is no job {id}.", field="id")
        return answer(job_forecast.forecast(session, job))


@Routes(Tag.FLEET).get("/queues/<name>/forecast", query=WhatIfQuery, errors=(404, 422))
@allow(Role.VIEWER)
def forecast_queue(name: str) -> Answer[WhatIfDocument]:
    """Forecast when a queue's backlog is drained, now and after a change of workers, limits or a pause. Changes nothing."""
    change = what_if_request.read_change(request.args)
    with database.read() as session:
        try:
            found = what_if_request.forecast(session, name, change)
        except JobsError as error:
            raise NotFound(str(error)) from None
    return answer(what_if_request.document(name, change, found))
