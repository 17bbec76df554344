"""/: is anything wrong?"""

from __future__ import annotations

from flask import Blueprint, render_template, request
from werkzeug.exceptions import NotFound

from src import database
from src.database import now
from src.jobs import State, breakers, controls, queries, search
from src.schedules import queries as schedules
from src.web import attention, fleet_health
from src.web.auth import allow, permissions
from src.web.roles import Role

blueprint = Blueprint("overview", __name__)

#: rows of each list on the page
ROWS = 8


@blueprint.get("/")
@allow(Role.VIEWER)
def show() -> str:
    """Health, five numbers, throughput, what needs a person, and what runs."""
    period = request.args.get("period", "1h")
    if period not in attention.PERIODS:
        raise NotFound(f"There is no period {period}. There are: {', '.join(attention.PERIODS)}.")
    with database.read() as session:
        tally = search.tally(session, search.parse(""))
        health, queues = fleet_health.look(session), list(queries.queues(session))
        passed = attention.throughput(session, period)
        dead = search.tally(session, search.parse("state:dead finished:24h created:14d")).states[State.DEAD]
        return render_template(
            "overview/show.html",
            health=health,
            broker=permissions.numbers(health.broker),
            period=period,
            periods=list(attention.PERIODS),
            numbers=attention.five(tally, queues, dead, passed, period),
            passed=passed,
            needs=attention.needs(session, queues, health.workers),
            pauses=controls.load(session).pauses(now()),
            open_breakers=[each for each in breakers.listed(session) if each.opened_at is not None],
            is_empty=not any(tally.states.values()),
            workers=health.workers,
            next_due=min((each.due_at for each in schedules.every(session) if each.due_at is not None), default=None),
            queues=queues,
            running=queries.page(session, state=State.RUNNING, limit=ROWS).jobs,
        )
