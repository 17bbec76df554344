"""/api/v1/actors, /queues, /workers: list them, control workers, purge queues."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict
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
from ....operations.format.document_fields import Instant
from ....operations.format.instants import write_instant
from ....operations.format.request_values import Count, RequestBody, example
from ....operations.jobs import actor_catalogue, queue_purge
from ....operations.jobs.rows import Worker
from ....operations.people import permissions
from ....operations.people.roles import Role
from ....sql import database
from ....sql.clock import now
from ...auth import allow, visitor
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag

api = Routes(Tag.FLEET)
COMMANDS = {
    "quiet": "Make a worker stop taking jobs",
    "stop": "Stop a worker after its current jobs",
    "resume": "Let a quiet worker take jobs again",
}


class ActorDocument(TypedDict):
    """An actor: a task function that jobs call."""

    name: str
    title: str
    help: str
    queue: str
    paused_by: Annotated[str | None, Field(description="target of the widest pause that applies")]
    submit_role: Annotated[Role, Field(description="role required to submit its jobs")]
    view_role: Annotated[Role, Field(description="role required to view its jobs")]
    schema: Annotated[dict[str, Any], Field(description="the JSON Schema of its arguments by name")]


class Actors(TypedDict):
    """The actors by name."""

    actors: list[ActorDocument]


class WorkerDocument(TypedDict):
    """A live worker process."""

    name: Annotated[str, Field(description="host:pid")]
    host: str
    pid: int
    version: str
    threads: int
    busy: Annotated[int, Field(description="threads that run a job")]
    memory_bytes: int | None
    wish: Annotated[WorkerCommand | None, Field(description="an operator's command, which it obeys at its next heartbeat")]
    wished_by: str | None
    queues: list[str]
    actors: list[str]
    started_at: Instant
    heartbeat_at: Instant


class Workers(TypedDict):
    """The live worker processes."""

    workers: list[WorkerDocument]


class Messages(TypedDict):
    """Messages of a queue in RabbitMQ."""

    ready: int
    unacked: int | None


class DriftDocument(TypedDict):
    """The difference of a queue between SQL and RabbitMQ."""

    unpublished: Annotated[int, Field(description="jobs that are not in RabbitMQ yet")]
    missing: Annotated[int, Field(description="jobs whose confirmed message is no longer in RabbitMQ")]
    surplus: Annotated[int, Field(description="messages that no waiting or running job needs")]


class QueueDocument(TypedDict):
    """A queue with job counts from SQL and message counts from RabbitMQ."""

    name: str
    queued: int
    running: int
    paused_by: Annotated[str | None, Field(description="target of the widest pause that applies")]
    oldest_queued_at: Instant | None
    broker: Annotated[Messages | None, Field(description="null: unknown")]
    drift: Annotated[DriftDocument | None, Field(description="null: unknown")]


class BrokerDocument(TypedDict):
    """RabbitMQ."""

    reachable: bool
    version: str


class Queues(TypedDict):
    """The queues by name."""

    queues: list[QueueDocument]
    broker: BrokerDocument


class Requeued(TypedDict):
    """The dead letters of a queue after a requeue."""

    moved: int
    left: int


class Purge(TypedDict):
    """The job that cancels the waiting jobs of a queue."""

    id: Annotated[str | None, Field(description="null: no job waits")]
    count: Annotated[int, Field(description="number of waiting jobs")]


@Routes(Tag.ACTORS).get("/actors")
@allow(Role.VIEWER)
def actors() -> Answer[Actors]:
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


@api.get("/workers")
@allow(Role.VIEWER)
def list_workers() -> Answer[Workers]:
    """List the live worker processes."""
    with database.read() as session:
        alive = workers.fleet(session)
    return answer({"workers": [_worker(each) for each in alive]})


@api.post("/workers/<name>/<verb>", words=COMMANDS, errors=(404, 422))
@allow(Role.OPERATOR, action="worker.{verb}")
def act_on_worker(name: str, verb: str) -> Answer[WorkerDocument]:
    """Quiet, stop or resume a worker; it obeys at its next heartbeat."""
    with database.write() as session:
        return answer(_worker(worker_commands.ask(session, name, None if verb == "resume" else WorkerCommand(verb), by=visitor().name)))


def _worker(worker: Worker) -> WorkerDocument:
    return {
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "threads": worker.threads,
        "busy": worker.busy,
        "memory_bytes": worker.memory_bytes,
        "wish": worker.wish,
        "wished_by": worker.wished_by,
        "queues": worker.queues,
        "actors": worker.actors,
        "started_at": write_instant(worker.started_at),
        "heartbeat_at": write_instant(worker.heartbeat_at),
    }


@api.get("/queues")
@allow(Role.VIEWER)
def list_queues() -> Answer[Queues]:
    """List the queues with job counts from SQL and message counts from RabbitMQ (null: unknown)."""
    broker = permissions.numbers(management.overview())
    with database.read() as session:
        counted = {each.queue: each for each in queries.queues(session)}
        in_force = overrides.load(session)
        waiting = drift.waiting(session)
    listed: list[QueueDocument] = []
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
                "drift": _drift(drifted) if drifted else None,
            }
        )
    return answer({"queues": listed, "broker": {"reachable": broker.reachable, "version": broker.version}})


def _drift(drifted: drift.Drift) -> DriftDocument:
    return {"unpublished": drifted.unpublished, "missing": drifted.missing, "surplus": drifted.surplus}


@api.post("/queues/<name>/requeue", errors=(404,))
@allow(Role.OPERATOR, action="queue.requeue")
def requeue_dead_letters(name: str) -> Answer[Requeued]:
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


class PurgeBody(RequestBody):
    """Body of a purge request."""

    model_config = example({"count": 4312})

    count: Count | None = Field(None, description="number of waiting jobs, as given in the 422 response; required above a hundred")


@api.post("/queues/<name>/purge", status=202, errors=(404, 409, 422))
@allow(Role.OPERATOR, action="queue.purge")
def purge_queue(name: str, body: PurgeBody) -> Answer[Purge]:
    """Submit a job that cancels all waiting jobs of a queue; return its id and their number."""
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
