"""The relays of a fleet look in turns: together as often as one would alone, and each as often while there is work."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from src.broker.recover.heartbeat import Beat
from src.broker.recover.relay import SELDOM_S, Relay
from src.jobs.core.models import Heartbeat
from src.jobs.leases.heartbeats import Role
from src.sql.clock import now
from src.sql.database import Database

pytestmark = pytest.mark.both_stores


def beats(relay: Relay) -> Relay:
    relay._beat._due = 0.0
    relay._beat.beat()
    return relay


def test_each_of_three_relays_looks_a_third_as_often_until_the_others_are_gone(database: Database) -> None:
    relays = [Relay() for _ in range(3)]
    for relay in relays * 2:
        beats(relay)
    first = relays[0]
    assert first._share(0.2) == pytest.approx(0.6)
    assert first._share(3.0) == SELDOM_S
    assert first._share(3_000.0) == 3_000.0

    first._busy_until = float("inf")
    assert first._share(0.2) == 0.2
    first._busy_until = 0.0

    relays[1]._beat.sign_off()
    with database.write() as session:
        session.execute(update(Heartbeat).where(Heartbeat.id == relays[2]._beat._id).values(expires_at=now() - timedelta(seconds=1)))
    assert beats(first)._share(0.2) == 0.2


def test_a_heartbeat_whose_row_was_pruned_is_registered_again(database: Database) -> None:
    beat = Beat(Role.RELAY)
    beat.beat()
    with database.write() as session:
        session.delete(session.get_one(Heartbeat, beat._id))
    beat._due = 0.0
    beat.beat()
    assert beat.living == 1
    with database.read() as session:
        assert session.get_one(Heartbeat, beat._id).stopped_at is None
