"""/queues: where jobs wait, what holds them back, and the controls of each queue and of everything."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, render_template, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from src import audit, database
from src.broker import dead_letters, drift, management
from src.broker.drift import Drift
from src.broker.management import Overview
from src.broker.topology import dead_letter_queue, queues_of
from src.broker.troubles import troubles
from src.database import now
from src.jobs import State, controls, queries, workers
from src.jobs.queries import QueueCounts
from src.web import catalogue, controlling, purging, twins
from src.web.auth import allow, permissions
from src.web.controlling import Target
from src.web.instants import write_instant
from src.web.roles import Role

blueprint = Blueprint("queues", __name__)


@blueprint.get("/queues")
@allow(Role.VIEWER)
def index() -> str | Response:
    """All queues, and what is said of everything at once."""
    broker = permissions.numbers(management.overview())
    with database.read() as session:
        counted = {each.queue: each for each in queries.queues(session)}
        backlog, is_whole = queries.backlog(session)
        waiting, wrong = drift.waiting(session), troubles(session, broker)
        names = sorted({*catalogue.queues(), *counted, *backlog})
        pauses = {each.target: each for each in controls.load(session).pauses(now())}
        everything = controlling.panel(session, Target("all"))
        breakers = [each for each in controlling.listed_breakers(session) if each.failures]
        overrides = [each for each in controlling.listed_limits(session) if each.override is not None]
    drifts = {name: drift.of(name, waiting.get(name), counted.get(name), broker) for name in names}
    if twins.wanted():
        rows = [_document(name, counted.get(name), backlog.get(name, {}), broker, drifts[name]) for name in names]
        return twins.as_csv(rows, "queues") if twins.wanted() == "csv" else twins.as_json({"queues": rows})
    return render_template(
        "queues/index.html", backlog=backlog, is_whole=is_whole, names=names, counted=counted, broker=broker, pauses=pauses, panel=everything, breakers=breakers, overrides=overrides, drifts=drifts, troubles=wrong,
    )  # fmt: skip


@blueprint.get("/queues/<name>")
@allow(Role.VIEWER)
def show(name: str) -> str:
    """One queue and its controls."""
    broker = management.overview()
    with database.read() as session:
        counted, wrong = _counted(session, name), [each.text for each in troubles(session, broker)]
        if counted and counted.queued and name not in workers.served(workers.alive(session)):
            wrong.append("Jobs wait here, and no living worker takes from this queue")
        panel = controlling.panel(session, Target("queue", name))
        everything = controlling.panel(session, Target("all")).pause
        ours = drift.waiting(session).get(name)
        backlog = queries.backlog(session)[0].get(name, {})
        refusals = workers.refusals(session, [*queues_of(name), dead_letter_queue(name)])
    actors = [actor for actor in catalogue.everyone() if actor.queue_name == name]
    waiting = (counted.queued if counted else 0) + sum(backlog.get(state, 0) for state in purging.PURGED)
    return render_template(
        "queues/show.html", name=name, counted=counted, there=broker.of(name), letters=broker.queues.get(dead_letter_queue(name)),
        panel=panel, everything=everything, actors=actors, most=dead_letters.MOST, drift=drift.of(name, ours, counted, broker), waiting=waiting, purge=purging.query(name), refusals=refusals, wrong=wrong,
    )  # fmt: skip


@blueprint.post("/queues/<name>/requeue")
@allow(Role.OPERATOR, action="queue.requeue")
def requeue(name: str) -> AnyResponse:
    """Give the dead letters of a queue back to where they came from."""
    with database.write() as session:
        _counted(session, name)
        audit.about("queue", name)
    try:
        done = dead_letters.requeue(name)
        went = "1 dead letter went back to its queue" if done.moved == 1 else f"{done.moved} dead letters went back to their queue"
        flash(f"{went}{f', {done.left} are left' if done.left else ''}.", "success")
    except dead_letters.BrokerAway as error:
        flash(f"Not done: {error}", "error")
    return redirect(url_for("queues.show", name=name), 303)


def _counted(session: Session, name: str) -> QueueCounts | None:
    """What SQL counts of a queue; raises NotFound for one that no actor, job or worker names."""
    counted = next((each for each in queries.queues(session) if each.queue == name), None)
    if counted is None and name not in catalogue.queues() and not any(name in worker.queues for worker in workers.alive(session)):
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
