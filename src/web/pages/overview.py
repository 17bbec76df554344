"""/: is anything wrong?"""

from __future__ import annotations

from flask import Blueprint, render_template

from src import database
from src.broker import management
from src.database import now
from src.jobs import State, breakers, controls, queries, search, workers
from src.web.auth import allow
from src.web.roles import Role

blueprint = Blueprint("overview", __name__)

#: rows of each list on the page
ROWS = 8


@blueprint.get("/")
@allow(Role.VIEWER)
def show() -> str:
    """Counts, broker, workers, queues, what runs and what needs a person."""
    broker = management.overview()
    with database.read() as session:
        counted = search.tally(session, search.parse(""))
        counts = counted.states
        return render_template(
            "overview/show.html",
            broker=broker,
            counts=counts,
            more={state for state in State if state not in counted.whole},
            pauses=controls.load(session).pauses(now()),
            open_breakers=[each for each in breakers.listed(session) if each.opened_at is not None],
            is_empty=not any(counts.values()),
            workers=workers.alive(session),
            queues=queries.queues(session),
            running=queries.page(session, state=State.RUNNING, limit=ROWS).jobs,
            attention=queries.page(session, states=[State.DEAD, State.HELD], limit=ROWS).jobs,
        )
