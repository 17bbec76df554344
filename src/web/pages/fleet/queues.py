"""/queues: queue counts, drift, pauses and limits, per queue and for everything."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, render_template, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from .... import audit
from ....broker.core.topology import dead_letter_queue, queues_of
from ....broker.recover import dead_letters, drift, management
from ....broker.recover.broker_health import troubles
from ....broker.recover.drift import Drift
from ....broker.recover.management import Overview
from ....formats import quantities
from ....jobs import State
from ....jobs.leases import workers
from ....jobs.limits import overrides as limits_overrides
from ....jobs.read import queries
from ....jobs.read.queries import QueueCounts
from ....operations.failures import dead_letter_requests
from ....operations.fleet import override_requests
from ....operations.fleet.figures import history
from ....operations.fleet.override_requests import Target
from ....operations.format.instants import write_instant
from ....operations.jobs import actor_catalogue
from ....operations.jobs.requests import queue_purge
from ....operations.people import permissions
from ....operations.people.roles import Role
from ....settings import get_settings
from ....sql import database
from ....sql.clock import now
from ...auth import allow
from ...http.requests.time_range import current_range
from ...http.responses import export_formats
from ...render.graphics import time_charts

blueprint = Blueprint("queues", __name__)


@blueprint.get("/queues")
@allow(Role.VIEWER)
def index() -> str | Response:
    """List the queues, with the controls for everything."""
    broker = permissions.numbers(management.overview())
    with database.read() as session:
        counted = {each.queue: each for each in queries.queues(session)}
        backlog = queries.backlog(session)
        wrong = troubles(session, broker)
        names = sorted({*actor_catalogue.queues(), *get_settings().celery_queue_names, *counted, *backlog})
        pauses = {each.target: each for each in limits_overrides.load(session).pauses(now())}
        everything = override_requests.panel(session, Target("all"))
        breakers = [each for each in override_requests.listed_breakers(session) if each.failures]
        overrides = [each for each in override_requests.listed_limits(session) if each.override is not None]
        depths = history.depths_by_queue(session, current_range())
    drifts = {name: drift.of(name, counted.get(name), broker) for name in names}
    if export_formats.requested_format():
        rows = [_document(name, counted.get(name), backlog.get(name, {}), broker, drifts[name]) for name in names]
        return (
            export_formats.as_csv(rows, "queues")
            if export_formats.requested_format() == "csv"
            else export_formats.as_json({"queues": rows})
        )
    return render_template(
        "queues/index.html", backlog=backlog, names=names, counted=counted, broker=broker, pauses=pauses, panel=everything, breakers=breakers, overrides=overrides, drifts=drifts, troubles=wrong,
        depths=depths,
    )  # fmt: skip


@blueprint.get("/queues/<name>")
@allow(Role.VIEWER)
def show(name: str) -> str:
    """One queue and its controls."""
    broker = management.overview()
    with database.read() as session:
        every, wrong = queries.queues(session), [each.text for each in troubles(session, broker)]
        counted = _counted(session, name, every)
        if counted and counted.queued and name not in workers.served(workers.alive(session)):
            wrong.append("Jobs are queued, but no worker consumes this queue")
        panel = override_requests.panel(session, Target("queue", name))
        everything = override_requests.panel(session, Target("all")).pause
        held_back = {each.scope: override_requests.waiting(session, each, every) for each in (everything, panel.pause) if each}
        backlog = queries.backlog(session).get(name, {})
        limited = permissions.in_force()
        # Of a queue with many jobs of other actors, finding the caller's own would read all of them.
        oldest = queries.oldest_queued(session, name) if limited is None or name in limited.own_queues() else []
        passed = history.look(session, current_range(), queue=name)
        refusals = workers.refusals(session, [*queues_of(name), dead_letter_queue(name)])
    actors = [actor for actor in actor_catalogue.everyone() if actor.queue_name == name]
    waiting = (counted.queued if counted else 0) + sum(backlog.get(state, 0) for state in queue_purge.PURGED)
    return render_template(
        "queues/show.html", name=name, counted=counted, there=broker.of(name), letters=broker.queues.get(dead_letter_queue(name)),
        panel=panel, everything=everything, held_back=held_back, actors=actors, most=dead_letters.MOST, drift=drift.of(name, counted, broker), waiting=waiting, purge=queue_purge.query(name), refusals=refusals, wrong=wrong, oldest=oldest,
        charts=time_charts.every(passed), deploys=passed.deploys,
    )  # fmt: skip


@blueprint.post("/queues/<name>/requeue")
@allow(Role.OPERATOR, action="queue.requeue")
def requeue(name: str) -> AnyResponse:
    """Requeue the dead letters of a queue."""
    with database.write() as session:
        _counted(session, name, queries.queues(session))
        audit.about("queue", name)
    try:
        done = dead_letter_requests.requeue(name)
        went = f"{quantities.counted(done.moved, 'dead letter')} requeued"
        flash(f"{went}{f', {done.left} left' if done.left else ''}.", "success")
    except dead_letters.BrokerAway as error:
        flash(f"Failed: {error}", "error")
    return redirect(url_for("queues.show", name=name), 303)


def _counted(session: Session, name: str, every: list[QueueCounts]) -> QueueCounts | None:
    """SQL counts of a queue, out of those of all; raises NotFound if no actor, job or worker names it."""
    counted = next((each for each in every if each.queue == name), None)
    if counted is None and name not in actor_catalogue.queues() and not any(name in worker.queues for worker in workers.alive(session)):
        raise NotFound(f"There is no queue named {name}.")
    return counted


def _document(
    name: str, counted: QueueCounts | None, backlog: dict[State, int], broker: Overview, drifted: Drift | None
) -> dict[str, object]:
    there, letters = broker.of(name), broker.queues.get(dead_letter_queue(name))
    return {
        "queue": name, "queued": counted.queued if counted else 0, "running": counted.running if counted else 0,
        "oldest_queued_at": write_instant(counted.oldest_queued_at) if counted else None,
        **{state.value: backlog.get(state, 0) for state in (State.SCHEDULED, State.RETRYING, State.HELD, State.DEAD)},
        "ready": there.ready if there else None, "unacked": there.unacked if there else None, "consumers": there.consumers if there else None,
        "dead_letters": letters.ready if letters else None, "missing": drifted.missing if drifted else None, "surplus": drifted.surplus if drifted else None,
    }  # fmt: skip
