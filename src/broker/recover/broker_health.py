"""RabbitMQ's problems in one sentence each: it is away, a node is away, or an alarm blocks publishing.

From two sources: RabbitMQ's own answer, and the state of all publishers in the fleet (`connection.blocked`, no
connection), which their processes write into their heartbeats. The second one needs no management API.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from ...jobs.alerts.models import AlertKind
from ...jobs.core.models import Heartbeat
from ...jobs.leases import heartbeats, workers
from ...settings import get_settings
from ..publish import publisher
from .management import Overview


@dataclass(frozen=True, slots=True)
class Trouble:
    """One problem. `subject` names the node or process; "" stands for RabbitMQ as a whole."""

    kind: AlertKind
    subject: str
    text: str

    @property
    def stops_publishing(self) -> bool:
        """True if no new message reaches RabbitMQ while it lasts."""
        return self.kind is AlertKind.BROKER_ALARM or (self.kind is AlertKind.BROKER_AWAY and not self.subject)


def troubles(session: Session, broker: Overview, beats: Sequence[Heartbeat] | None = None) -> list[Trouble]:
    """Return RabbitMQ's present problems, worst first. `beats`: the living processes, if they have been read."""
    return [*of(broker, heartbeats.alive(session) if beats is None else beats, own=publisher.trouble()), *_unread(session)]


def _unread(session: Session) -> list[Trouble]:
    """Return the queues of Celery's producers that workers cannot read, such as one that no producer has declared yet."""
    names = get_settings().celery_queue_names
    found = {queue: why for each in (workers.alive(session) if names else ()) for queue, why in (each.refusals or {}).items()}
    return [
        Trouble(AlertKind.BROKER_AWAY, name, f"No worker reads the queue {name} of Celery's producers: {found[name]}")
        for name in names
        if name in found
    ]


def of(broker: Overview, beats: Iterable[Heartbeat], *, own: str = "") -> list[Trouble]:
    """Return the problems that the given state and heartbeats show; `own`: that of this process's publisher."""
    met = {each.name: each.broker for each in beats if each.broker} | ({"this process": own} if own else {})
    found = []
    if broker.is_known and not broker.reachable:
        found.append(Trouble(AlertKind.BROKER_AWAY, "", "RabbitMQ cannot be reached"))
    alarms = [
        Trouble(AlertKind.BROKER_ALARM, f"{alarm} {node.name}", f"RabbitMQ takes no messages: {alarm} alarm on node {node.name}")
        for node in broker.nodes
        for alarm in node.alarms
    ]
    blocked = sorted({each.removeprefix("alarm: ") for each in met.values() if each.startswith("alarm: ")})
    found += alarms or [Trouble(AlertKind.BROKER_ALARM, each, f"RabbitMQ takes no messages: alarm, {each}") for each in blocked]
    found += [
        Trouble(AlertKind.NODE_AWAY, each.name, f"RabbitMQ node {each.name} does not run") for each in broker.nodes if not each.is_running
    ]
    found += [Trouble(AlertKind.NODE_AWAY, each, f"RabbitMQ's management API on {each} does not answer") for each in broker.silent]
    if broker.reachable:
        found += [
            Trouble(AlertKind.BROKER_AWAY, name, f"RabbitMQ cannot be reached by {name}")
            for name, each in sorted(met.items())
            if each == "away"
        ]
    return found
