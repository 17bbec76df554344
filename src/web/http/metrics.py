"""/metrics: the fleet's metrics in Prometheus' text format. Requires a viewer's token: the numbers are business secrets.

Every web process returns the same numbers, so scraping one is enough: they come from SQL.
"""

from __future__ import annotations

from flask import Blueprint, Response

from ...operations.fleet.figures import fleet_metrics
from ...operations.people.roles import Role
from ...sql import database
from ...telemetry.metering import exposition
from ..auth import allow

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@allow(Role.VIEWER)
def show() -> Response:
    """Every metric of the fleet."""
    with database.read() as session:
        metrics = fleet_metrics.collect(session)
    return Response(exposition.written(metrics), content_type=exposition.CONTENT_TYPE)
