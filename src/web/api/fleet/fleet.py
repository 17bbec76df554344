"""/api/v1/actors, /queues, /workers: list them, control workers, purge queues."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.exceptions import NotFound, ServiceUnavailable

from .... import audit
from ....actor_schema.signature import Signature
from ....broker.recover import dead_letters, drift, management
from ....jobs.core.errors import JobsError
from ....jobs.core.states import WorkerCommand
from ....jobs.leases import worker_commands, workers
from ....jobs.limits import overrides
from ....jobs.limits.overrides import Controls
from ....jobs.read import queries
from ....operations.fleet import override_requests
from ....operations.fleet.override_requests import Target
from ....operations.format.instants import write_instant
from ....operations.format.request_values import Count, read
from ....operations.jobs import actor_catalogue, queue_purge
from ....operations.jobs.rows import Worker
from ....operations.people import permissions
from ....operations.people.roles import Role
from ....sql import database
from ....sql.clock import now
from ...auth import allow, visitor
from ...http.json_bodies import answer, read_json
from ..requests.blueprint import blueprint


@blueprint.get("/actors")
@allow(Role.VIEWER)
def actors() -> Response:
    """Every actor with the JSON Schema of its arguments."""
    listed = [(actor, Signature.of(actor)) for actor in actor_catalogue.entries()]
    with database.read() as session:
        in_force = overrides.load(session)
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
    """List the live worker processes."""
    with database.read() as session:
        alive = workers.fleet(session)
    return answer({"workers": [_worker(each) for each in alive]})


@blueprint.post("/workers/<name>/<any(quiet, stop, resume):verb>")
@allow(Role.OPERATOR, action="worker.{verb}")
def act_on_worker(name: str, verb: str) -> Response:
    """Quiet, stop or resume a worker; it obeys at its next heartbeat."""
    with database.write() as session:
        return answer(_worker(worker_commands.ask(session, name, None if verb == "resume" else WorkerCommand(verb), by=visitor().name)))


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
    """List the queues with job counts from SQL and message counts from RabbitMQ (null: unknown)."""
    broker = permissions.numbers(management.overview())
    with database.read() as session:
        counted = {each.queue: each for each in queries.queues(session)}
        in_force = overrides.load(session)
        waiting = drift.waiting(session)
    listed = []
    for name in sorted({*actor_catalogue.queues(), *counted}):
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
    """Requeue the dead letters of a queue; return how many moved and how many are left."""
    with database.write() as session:
        try:
            override_requests.require(session, Target("queue", name))
        except JobsError as error:
            raise NotFound(str(error)) from None
        audit.about("queue", name)
    try:
        done = dead_letters.requeue(name)
    except dead_letters.BrokerAway as error:
        raise ServiceUnavailable(str(error)) from None
    return answer({"moved": done.moved, "left": done.left})


class PurgeBody(BaseModel):
    """Body of a purge request."""

    model_config = ConfigDict(extra="forbid")

    count: Count | None = Field(None, description="number of waiting jobs, as given in the 422 response; required above a hundred")


@blueprint.post("/queues/<name>/purge")
@allow(Role.OPERATOR, action="queue.purge")
def purge_queue(name: str) -> Response:
    """Submit a job that cancels all waiting jobs of a queue; return its id and their number."""
    body = read(PurgeBody, read_json(), example='{"count": 4312}')
    with database.write() as session:
        try:
            override_requests.require(session, Target("queue", name))
        except JobsError as error:
            raise NotFound(str(error)) from None
        receipt, count = queue_purge.purge(session, name, count=body.count, by=visitor(), source="api")
    return answer({"id": receipt.id if receipt else None, "count": count}, 202)


def _paused_by(in_force: Controls, actor: str, queue: str) -> str | None:
    """The widest pause that applies to this actor and queue, or None."""
    pause = in_force.pause(actor, queue, now())
    return None if pause is None else pause.target
