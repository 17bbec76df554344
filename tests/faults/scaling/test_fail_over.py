"""Several hosts: a RabbitMQ node and PostgreSQL's primary are killed under load. `pytest -s` prints the figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from dramatiq import Message

from src.migrations import migrate
from tests.faults.scaling import fail_over
from tests.faults.scaling.hosts import installation
from tests.harness.callboard import Callboard
from tests.harness.effects import create_effects
from tests.harness.ledger import account
from tests.harness.replicas import pair
from tests.harness.services import BrokerNode

JOBS = 60


def test_a_fail_over_to_a_synchronous_standby_loses_and_doubles_nothing(broker_node: BrokerNode, tmp_path: Path) -> None:
    with pair() as servers:
        servers.primary.execute("CREATE DATABASE callboard")
        servers.primary.execute("ALTER DATABASE callboard SET synchronous_commit = on")
        url = servers.url("callboard")
        migrate(url)
        with (
            Callboard(
                broker_node, url, tmp_path, actors="tests.actors.chaos", queues=["default", "chaos"], reconcile_interval=2
            ) as callboard,
            callboard.entered(),
        ):
            create_effects(callboard.database)
            with callboard.working(threads=4, check=False) as worker:
                accepted = callboard.send(*[message(number) for number in range(JOBS)])
                callboard.until(accepted[JOBS // 4])

                servers.fail_over()

                accepted += callboard.send(*[message(number) for number in range(JOBS)])
                for id in accepted:
                    callboard.until(id)
            found = account(callboard.database, accepted)
    found.check()
    assert found.states["succeeded"] == len(accepted), (found.states, worker.text()[-4000:])


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_two_hosts_go_on_when_a_node_of_the_broker_and_the_primary_are_killed(tls: bool) -> None:
    with installation(tls=tls) as hosts:
        report = fail_over.run(hosts, rate=50, seconds=30, blows=[fail_over.kill_node, fail_over.start_nodes, fail_over.fail_over])

    print("", *report.lines(), sep="\n  ")
    report.check()
    assert len(report.hosts) == 2, report.hosts


def message(number: int) -> Message[str]:
    """A job that works for 30 ms; every second one writes its effect in the transaction of its end."""
    return Message(queue_name="chaos", actor_name="leave_a_row" if number % 2 else "work", args=(30,), kwargs={}, options={})
