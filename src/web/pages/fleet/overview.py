"""/: the overview: health, counts, throughput and problems."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, render_template

from ....jobs import State, search
from ....jobs.limits import breakers, overrides
from ....jobs.read import queries
from ....operations.fleet import override_requests
from ....operations.fleet.figures import fleet_health, history
from ....operations.people import permissions
from ....operations.people.roles import Role
from ....schedules.rows import queries as schedules
from ....sql import database
from ....sql.clock import now
from ...auth import allow
from ...http.requests.time_range import current_range
from ...render.graphics import time_charts
from . import overview_figures

blueprint = Blueprint("overview", __name__)

#: rows of each list on the page
ROWS = 8


@blueprint.get("/")
@allow(Role.VIEWER)
def show() -> str:
    """Health, job counts, problems that need attention, what has changed, charts, and running jobs."""
    period = current_range()
    with database.read() as session:
        tally, every = search.tally_of_states(session, overview_figures.COUNTED), schedules.every(session)
        health, queues = fleet_health.look(session), queries.queues(session)
        passed = history.look(session, period)
        dead = queries.dead_since(session, now() - timedelta(days=1))
        return render_template(
            "overview/show.html",
            health=health,
            broker=permissions.numbers(health.broker),
            numbers=overview_figures.five(tally, queues, dead, passed),
            charts=time_charts.every(passed),
            needs=overview_figures.needs(session, queues, health.workers, tally, period, every),
            changes=overview_figures.changes(session, passed),
            pauses=[(each, override_requests.waiting(session, each, queues)) for each in overrides.load(session).pauses(now())],
            open_breakers=[each for each in breakers.listed(session) if each.opened_at is not None],
            is_empty=not any(tally.states.values()) and overview_figures.is_empty(session),
            workers=health.workers,
            next_due=min((each.due_at for each in every if each.due_at is not None), default=None),
            queues=queues,
            running=queries.page(session, state=State.RUNNING, limit=ROWS).jobs,
        )
