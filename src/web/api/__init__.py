"""The API under /api/v1: JSON in, JSON or problem+json out, bearer tokens. Each module adds routes to one blueprint."""

from flask import Flask, request

from . import audit, emails, people, reports, schedules, workflows
from .fleet import alerts, backups, dead_letters, fleet, forecasts, overrides, statistics, usage, webhooks
from .fleet import events as fleet_events
from .jobs import actor_calls, bulk, error_groups, events, files, jobs, logs, results, runs
from .openapi import document
from .requests import conditional_requests, rate_limit
from .requests.blueprint import blueprint

#: modules whose import adds their routes to the blueprint
ROUTES = (
    alerts,
    audit,
    backups,
    bulk,
    actor_calls,
    overrides,
    dead_letters,
    error_groups,
    events,
    fleet_events,
    files,
    fleet,
    forecasts,
    jobs,
    logs,
    emails,
    document,
    people,
    reports,
    results,
    usage,
    runs,
    schedules,
    statistics,
    webhooks,
    workflows,
)

blueprint.after_request(conditional_requests.answer_conditionally)


def init(app: Flask) -> None:
    """Count the API requests of each client."""
    clients = rate_limit.budget()

    @app.before_request
    def check() -> None:
        if request.blueprint == blueprint.name:
            rate_limit.check(clients)

    app.after_request(lambda response: rate_limit.tell(clients, response))
