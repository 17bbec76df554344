"""The API under /api/v1: JSON in, JSON or problem+json out, bearer tokens. Its routes are in the modules beside this one."""

from src.web.api import audit, controls, events, fleet, jobs, logs, mails, openapi, reports, results, schedules, workflows
from src.web.api.blueprint import blueprint

__all__ = [
    "audit",
    "blueprint",
    "controls",
    "events",
    "fleet",
    "jobs",
    "logs",
    "mails",
    "openapi",
    "reports",
    "results",
    "schedules",
    "workflows",
]
