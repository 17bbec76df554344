"""The forecast of a job for its page."""

from __future__ import annotations

from ....operations.jobs.documents import job_forecast
from ....operations.jobs.documents.job_forecast import ForecastDocument
from ....operations.jobs.rows import Job
from ....sql import database


def forecast_of(job: Job) -> ForecastDocument | None:
    """Forecast a job now; None once it has ended."""
    if job.state.is_final or job.actor is None:
        return None
    with database.read() as session:
        return job_forecast.forecast(session, job)
