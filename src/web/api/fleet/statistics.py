"""/api/v1/statistics: ended jobs, waits, runs and queue depths over a time range."""

from __future__ import annotations

from typing import Annotated

from flask import request
from pydantic import Field
from typing_extensions import TypedDict

from ....operations.fleet.figures import history
from ....operations.fleet.figures.history import HistoryDocument
from ....operations.format import time_ranges
from ....operations.people import permissions
from ....operations.people.roles import Role
from ....sql import database
from ....sql.clock import now
from ...auth import allow
from ...http import cookies
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag

RangeFilter = TypedDict(
    "RangeFilter",
    {
        "range": Annotated[str, Field(json_schema_extra={"enum": [*time_ranges.RANGES]}, description="up to now; 1h by default")],
        "from": Annotated[str, Field(description="start of another range, a time with time zone")],
        "until": Annotated[str, Field(description="its end; now by default")],
    },
    total=False,
)


class StatisticsFilter(RangeFilter, total=False):
    """Query parameters of statistics."""

    actor: str
    queue: str


@Routes(Tag.FLEET).get("/statistics", query=StatisticsFilter, errors=(403, 404, 422))
@allow(Role.VIEWER)
def show_statistics() -> Answer[HistoryDocument]:
    """Statistics over a time range, in at most 62 steps: ended jobs, waits, runs, depths of queues, deploys."""
    period = time_ranges.parse(request.args, now(), cookies.zone().key)
    if actor := request.args.get("actor"):
        permissions.require(actor)
    with database.read() as session:
        found = history.look(session, period, actor=actor or None, queue=request.args.get("queue") or None)
    return answer(history.document(found))
