"""The API under /api/v1: JSON in, JSON or problem+json out, bearer tokens. Each module adds routes to one blueprint."""

from flask import Flask, request

from src.web.api import (
    alerts,
    audit,
    backups,
    budgets,
    bulk,
    calls,
    conditional,
    controls,
    events,
    files,
    fleet,
    jobs,
    logs,
    mails,
    openapi,
    people,
    reports,
    results,
    schedules,
    webhooks,
    workflows,
)
from src.web.api.blueprint import blueprint

#: modules whose import adds their routes to the blueprint
ROUTES = (
    alerts,
    audit,
    backups,
    bulk,
    calls,
    controls,
    events,
    files,
    fleet,
    jobs,
    logs,
    mails,
    openapi,
    people,
    reports,
    results,
    schedules,
    webhooks,
    workflows,
)

blueprint.after_request(conditional.answer_conditionally)


def init(app: Flask) -> None:
    """Count what each client asks of this app's API."""
    clients = budgets.budget()

    @app.before_request
    def check() -> None:
        if request.blueprint == blueprint.name:
            budgets.check(clients)

    app.after_request(lambda response: budgets.tell(clients, response))
