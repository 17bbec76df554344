"""/api/v1/actors, /queues, /workers: list them, control workers, purge queues."""

from __future__ import annotations

from typing import Annotated

from flask import request
from pydantic import Field
from typing_extensions import TypedDict
from werkzeug.exceptions import NotFound, ServiceUnavailable

from .... import audit
from ....broker.recover import dead_letters, management
from ....jobs.core.errors import JobsError
from ....jobs.core.states import WorkerCommand
from ....jobs.leases import worker_commands, workers
from ....jobs.limits import overrides
from ....operations.failures import dead_letter_requests
from ....operations.fleet import actor_documents, override_requests, queue_documents, worker_documents
from ....operations.fleet.actor_documents import ActorDocument
from ....operations.fleet.override_requests import Target
from ....operations.fleet.queue_documents import QueueDocument
from ....operations.fleet.worker_documents import MemoryDocument, WorkerDocument
from ....operations.format import time_ranges
from ....operations.format.request_values import Count, RequestBody, example
from ....operations.jobs import actor_catalogue
from ....operations.jobs.requests import queue_purge
from ....operations.people import permissions
from ....operations.people.roles import Role
from ....sql import database
from ....sql.clock import now
from ...auth import allow, visitor
from ...http import cookies
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag
from .statistics import RangeFilter

api = Routes(Tag.FLEET)
COMMANDS = {
    "quiet": "Make a worker stop taking jobs",
    "stop": "Stop a worker after its current jobs",
    "resume": "Let a quiet worker take jobs again",
}


class Actors(TypedDict):
    """The actors by name."""

    actors: list[ActorDocument]


class Workers(TypedDict):
    """The live worker processes."""

    workers: list[WorkerDocument]


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
    with database.read() as session:
        in_force = overrides.load(session)
    return answer({"actors": [actor_documents.document(actor, in_force) for actor in actor_catalogue.entries()]})


@api.get("/workers")
@allow(Role.VIEWER)
def list_workers() -> Answer[Workers]:
    """List the live worker processes."""
    with database.read() as session:
        alive = workers.fleet(session)
    return answer({"workers": [worker_documents.document(each) for each in alive]})


@api.get("/workers/<name>/memory", query=RangeFilter, errors=(404, 422))
@allow(Role.VIEWER)
def show_worker_memory(name: str) -> Answer[MemoryDocument]:
    """Memory of a worker process over a time range, in at most 62 steps, and its growth."""
    period = time_ranges.parse(request.args, now(), cookies.zone().key)
    with database.read() as session:
        return answer(worker_documents.memory_document(session, name, period))


@api.post("/workers/<name>/<verb>", words=COMMANDS, errors=(404, 422))
@allow(Role.OPERATOR, action="worker.{verb}")
def act_on_worker(name: str, verb: str) -> Answer[WorkerDocument]:
    """Quiet, stop or resume a worker; it obeys at its next heartbeat."""
    with database.write() as session:
        worker = worker_commands.ask(session, name, None if verb == "resume" else WorkerCommand(verb), by=visitor().name)
        return answer(worker_documents.document(worker))


@api.get("/queues")
@allow(Role.VIEWER)
def list_queues() -> Answer[Queues]:
    """List the queues with job counts from SQL and message counts from RabbitMQ (null: unknown)."""
    broker = permissions.numbers(management.overview())
    with database.read() as session:
        listed = queue_documents.documents(session, broker)
    return answer({"queues": listed, "broker": {"reachable": broker.reachable, "version": broker.version}})


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
        done = dead_letter_requests.requeue(name)
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
