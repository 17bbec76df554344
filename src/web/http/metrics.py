"""/metrics: the fleet's metrics in Prometheus' text format. Requires a viewer's token: the numbers are business secrets.

Every web process returns the same numbers, so scraping one is enough: they come from SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from ...operations.fleet import fleet_metrics
from ...operations.fleet.fleet_metrics import Metric
from ...operations.people.roles import Role
from ...sql import database
from ..auth import allow

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@allow(Role.VIEWER)
def show() -> Response:
    """Every metric of the fleet."""
    with database.read() as session:
        metrics = fleet_metrics.collect(session)
    text = "\n".join(line for metric in metrics for line in _written(metric))
    return Response(text + "\n", content_type="text/plain; version=0.0.4; charset=utf-8")


def _written(metric: Metric) -> list[str]:
    samples = [f"{metric.name}{_labels(labels)} {_value(value)}" for labels, value in metric.samples]
    return [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} gauge", *samples]


def _value(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6f}"


def _labels(labels: Mapping[str, Any]) -> str:
    if not labels:
        return ""
    escaped = {name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in labels.items()}
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
