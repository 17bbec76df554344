"""Documents of queues."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ...broker.recover import drift
from ...broker.recover.drift import Drift
from ...broker.recover.management import Overview
from ...jobs.limits import overrides
from ...jobs.read import queries
from ..format.document_fields import Instant
from ..format.instants import write_instant
from ..jobs import actor_catalogue
from .override_documents import paused_by


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
    oldest_queued_at: Annotated[Instant | None, Field(description="since when its longest-waiting job could have started")]
    broker: Annotated[Messages | None, Field(description="null: unknown")]
    drift: Annotated[DriftDocument | None, Field(description="null: unknown")]


def documents(session: Session, broker: Overview) -> list[QueueDocument]:
    """The documents of all queues, by name."""
    counted = {each.queue: each for each in queries.queues(session)}
    in_force = overrides.load(session)
    listed: list[QueueDocument] = []
    for name in sorted({*actor_catalogue.queues(), *counted}):
        ours, theirs = counted.get(name), broker.of(name)
        drifted = drift.of(name, ours, broker)
        listed.append(
            QueueDocument(
                name=name,
                queued=ours.queued if ours else 0,
                running=ours.running if ours else 0,
                paused_by=paused_by(in_force, "", name),
                oldest_queued_at=write_instant(ours.oldest_queued_at) if ours else None,
                broker=Messages(ready=theirs.ready, unacked=theirs.unacked) if theirs else None,
                drift=_drift(drifted) if drifted else None,
            )
        )
    return listed


def _drift(drifted: Drift) -> DriftDocument:
    return {"unpublished": drifted.unpublished, "missing": drifted.missing, "surplus": drifted.surplus}
