"""/api/v1/actors, /queues, /workers: what there is to run, to wait in, and to run it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.exceptions import NotFound, ServiceUnavailable

from src import audit, database
from src.broker import dead_letters, drift, management
from src.broker.signature import Signature
from src.database import now
from src.jobs import controls, queries, wishes, workers
from src.jobs.controls import Controls
from src.jobs.errors import JobsError
from src.jobs.states import Wish
from src.web import catalogue, controlling, purging
from src.web.api.blueprint import blueprint
from src.web.api.bodies import answer, read_json
from src.web.auth import allow, permissions, visitor
from src.web.controlling import Target
from src.web.instants import write_instant
from src.web.request_values import Count, read
from src.web.roles import Role
from src.web.rows import Worker


@blueprint.get("/actors")
@allow(Role.VIEWER)
def actors() -> Response:
    """Every actor with the JSON Schema of its arguments."""
    listed = [(actor, Signature.of(actor)) for actor in catalogue.entries()]
    with database.read() as session:
        in_force = controls.load(session)
    return answer(
        {
            "actors": [
                {
                    "name": actor.actor_name,
                    "title": each.title,
                    "help": each.help,
                    "queue": actor.queue_name,
                    "paused_by": _paused_by(in_force, actor.actor_name, actor.queue_name),
                    "submit_role": permissions.submit_role(actor.actor_name),
                    "view_role": permissions.view_role(actor.actor_name),
                    "schema": each.json_schema(),
                }
                for actor, each in listed
            ]
        }
    )


@blueprint.get("/workers")
@allow(Role.VIEWER)
def list_workers() -> Response:
    """The worker processes that are alive."""
    with database.read() as session:
        alive = workers.fleet(session)
    return answer({"workers": [_worker(each) for each in alive]})


@blueprint.post("/workers/<name>/<any(quiet, stop, resume):verb>")
@allow(Role.OPERATOR, action="worker.{verb}")
def act_on_worker(name: str, verb: str) -> Response:
    """Have a worker take nothing new, end as well once it has finished what it holds, or go on; it follows at its next heartbeat."""
    with database.write() as session:
        return answer(_worker(wishes.ask(session, name, None if verb == "resume" else Wish(verb), by=visitor().name)))


def _worker(worker: Worker) -> dict[str, Any]:
    return {
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "threads": worker.threads,
        "busy": worker.busy,
        "memory_bytes": worker.memory_bytes,
        "wish": worker.wish.value if worker.wish else None,
        "wished_by": worker.wished_by,
        "queues": worker.queues,
        "actors": worker.actors,
        "started_at": write_instant(worker.started_at),
        "heartbeat_at": write_instant(worker.heartbeat_at),
    }


@blueprint.get("/queues")
@allow(Role.VIEWER)
def list_queues() -> Response:
    """The queues: what SQL knows of them, and beside it what RabbitMQ counts (null: not known)."""
    broker = permissions.numbers(management.overview())
    with database.read() as session:
        counted = {each.queue: each for each in queries.queues(session)}
        in_force = controls.load(session)
        waiting = drift.waiting(session)
    listed = []
    for name in sorted({*catalogue.queues(), *counted}):
        ours, theirs = counted.get(name), broker.of(name)
        drifted = drift.of(name, waiting.get(name), ours, broker)
        listed.append(
            {
                "name": name,
                "queued": ours.queued if ours else 0,
                "running": ours.running if ours else 0,
                "paused_by": _paused_by(in_force, "", name),
                "oldest_queued_at": write_instant(ours.oldest_queued_at) if ours else None,
                "broker": {"ready": theirs.ready, "unacked": theirs.unacked} if theirs else None,
                "drift": asdict(drifted) if drifted else None,
            }
        )
    return answer({"queues": listed, "broker": {"reachable": broker.reachable, "version": broker.version}})


@blueprint.post("/queues/<name>/requeue")
@allow(Role.OPERATOR, action="queue.requeue")
def requeue_dead_letters(name: str) -> Response:
    """Give the dead letters of a queue back to the queue each came from: how many went, and how many are left."""
    with database.write() as session:
        try:
            controlling.require(session, Target("queue", name))
        except JobsError as error:
            raise NotFound(str(error)) from None
        audit.about("queue", name)
    try:
        done = dead_letters.requeue(name)
    except dead_letters.BrokerAway as error:
        raise ServiceUnavailable(str(error)) from None
    return answer({"moved": done.moved, "left": done.left})


class PurgeBody(BaseModel):
    """What to purge."""

    model_config = ConfigDict(extra="forbid")

    count: Count | None = Field(None, description="how many jobs wait, as the refusal says; needed above a hundred")


@blueprint.post("/queues/<name>/purge")
@allow(Role.OPERATOR, action="queue.purge")
def purge_queue(name: str) -> Response:
    """Cancel all that waits in a queue, by a job of its own: its id, and how many there are."""
    body = read(PurgeBody, read_json(), example='{"count": 4312}')
    with database.write() as session:
        try:
            controlling.require(session, Target("queue", name))
        except JobsError as error:
            raise NotFound(str(error)) from None
        receipt, count = purging.purge(session, name, count=body.count, by=visitor(), source="api")
    return answer({"id": receipt.id if receipt else None, "count": count}, 202)


def _paused_by(in_force: Controls, actor: str, queue: str) -> str | None:
    """The widest pause that holds jobs of this actor and queue, or None."""
    pause = in_force.pause(actor, queue, now())
    return None if pause is None else pause.target
