"""Queues do not depend on resources that RabbitMQ shares among all queues of a node."""

from __future__ import annotations

import pika
import pytest

from src.broker.core import topology
from tests.harness.callboard import publish_by_hand
from tests.harness.services import BrokerNode
from tests.harness.waiting import eventually

DEAD_LETTERS = "rabbit_fifo_dlx_sup"


@pytest.mark.slow  # two calls of rabbitmqctl
def test_queues_work_on_a_node_whose_supervisor_of_dead_letters_has_ended(broker_node: BrokerNode, vhost: str) -> None:
    broker_node.ctl("eval", f"supervisor:terminate_child(rabbit_sup, {DEAD_LETTERS}).")
    try:
        with pika.BlockingConnection(pika.URLParameters(vhost)) as connection, connection.channel() as channel:
            topology.declare(channel, "here")
            channel.confirm_delivery()
            for queue in topology.queues_of("here"):
                publish_by_hand(channel, queue, b"")
                delivery = next(channel.consume(queue, inactivity_timeout=10))
                assert delivery[0] is not None, f"nothing came from {queue}"
                channel.basic_reject(delivery[0].delivery_tag, requeue=False)
                channel.cancel()
            eventually(
                lambda: channel.queue_declare(topology.dead_letter_queue("here"), passive=True).method.message_count == 3,
                what="what was refused is in the dead-letter queue",
            )
    finally:
        broker_node.ctl("eval", f"supervisor:restart_child(rabbit_sup, {DEAD_LETTERS}).")


def test_quorum_queues_do_not_wait_for_the_disk(broker_node: BrokerNode) -> None:
    """The node applies the settings of our advanced.config: it knows `sync_after_notify`, and does not just ignore it."""
    said = broker_node.ctl("eval", "maps:get(wal_write_strategy, ra_system:fetch(quorum_queues)).")
    assert said.strip() == "sync_after_notify"
