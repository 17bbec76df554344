"""RabbitMQ raises a memory alarm: publishers, heartbeats and the management API report it, and work resumes when it clears."""

from __future__ import annotations

from src.actors.arithmetic import add
from src.broker.publish import publisher
from src.broker.recover import broker_health, management
from src.broker.recover.relay import Relay
from src.jobs.alerts.models import AlertKind
from src.jobs.leases import heartbeats
from src.sql.database import read
from tests.harness.breakable import breakable
from tests.harness.commands import DEADLINE_S
from tests.harness.waiting import eventually


def alarms() -> list[str]:
    """Return the alarms reported now, from both sources."""
    with read() as session:
        found = broker_health.troubles(session, management.overview())
    return [each.text for each in found if each.kind is AlertKind.BROKER_ALARM]


def test_a_memory_alarm_is_seen_by_publishers_alone_and_by_the_management_api() -> None:
    with breakable("sqlite") as callboard, callboard.entered():
        relay = Relay()
        relay.start()
        callboard.node.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
        id = add.send(1, 2).message_id
        eventually(lambda: publisher.trouble() == "alarm: low on memory", deadline_s=DEADLINE_S, what="the publisher is blocked")

        def beaten() -> bool:
            with read() as session:
                return [each.broker for each in heartbeats.alive(session)] == ["alarm: low on memory"]

        eventually(beaten, deadline_s=DEADLINE_S, what="the relay's heartbeat says so")
        assert alarms() == ["RabbitMQ takes no messages: alarm, low on memory"]
        with callboard.entered(CALLBOARD_MANAGEMENT_URL=callboard.node.management_url):
            named = f"RabbitMQ takes no messages: memory alarm on node {callboard.node.name}"
            eventually(lambda: alarms() == [named], deadline_s=DEADLINE_S, what="the management API names the node")
        assert callboard.job(id).published_at is None

        callboard.node.ctl("set_vm_memory_high_watermark", "0.8")
        eventually(lambda: callboard.job(id).published_at, deadline_s=DEADLINE_S, what="the job is published")
        eventually(lambda: alarms() == [], deadline_s=DEADLINE_S, what="nothing is said any more")
        relay.close()
        with read() as session:
            assert heartbeats.alive(session) == []
            assert heartbeats.silent(session, heartbeats.Role.RELAY) == []  # it has signed off
