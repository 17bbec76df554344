"""Links from a waiting reason to the pages of the things that it names."""

from __future__ import annotations

from flask import url_for

from ....jobs.control.waiting_reasons import Link, LinkKind
from ....jobs.core.errors import UnknownActor
from ....operations.jobs import actor_catalogue


def link(link: Link) -> tuple[str, str]:
    """Return the address and the words of a link."""
    match link.kind:
        case LinkKind.ACTOR:
            return _actor(link.name)
        case LinkKind.ALERTS:
            return url_for("alerts.index"), "Alerts"
        case LinkKind.ERROR:
            return url_for("errors.show", fingerprint=link.name), "Error group"
        case LinkKind.HELD:
            return url_for("held.index"), "Held messages"
        case LinkKind.JOB:
            return url_for("jobs.show", id=link.name), f"Job {link.name[:8]}…{link.name[-4:]}" if len(
                link.name
            ) > 12 else f"Job {link.name}"
        case LinkKind.JOBS:
            return url_for("jobs.index", q=link.name), f"Jobs {link.name}"
        case LinkKind.OVERVIEW:
            return url_for("overview.show"), "Overview"
        case LinkKind.QUEUE:
            return url_for("queues.show", name=link.name), f"Queue {link.name}"
        case LinkKind.QUEUES:
            return url_for("queues.index"), "Queues"
        case LinkKind.SCHEDULE:
            return url_for("schedules.show", id=link.name), "Schedule"
        case LinkKind.WORKERS:
            return url_for("workers.index"), "Workers"
        case LinkKind.WORKFLOW:
            return url_for("workflows.show", id=link.name), "Workflow"


def _actor(name: str) -> tuple[str, str]:
    try:
        actor_catalogue.find(name)
    except UnknownActor:
        return url_for("jobs.index", q=f"actor:{name}"), f"Jobs of {name}"
    return url_for("actors.form", name=name), f"Actor {name}"
