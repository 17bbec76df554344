"""The reconciler republishes messages that the broker cannot have, but not a mere backlog."""

from __future__ import annotations

from typing import Any

import pika
import pytest

from src.broker.consume.consumer import DEEP_PREFETCH
from src.broker.recover import reconciler
from src.broker.recover.reconciler import Holding, Reconciler
from src.jobs import State
from src.settings import get_settings
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.waiting import eventually


@pytest.mark.parametrize(
    ("holding", "waiting", "doubted"),
    [
        (None, 1, True),  # the queue is gone
        (Holding(0, 3), 1, True),  # … or empty
        (Holding(10, 0), 11, True),
        (Holding(10, 0), 10, False),
        (Holding(10, 2), 11, False),  # the eleventh has been brought to a worker
        (Holding(10, 2), 10 + 2 * DEEP_PREFETCH, False),
        (Holding(10, 2), 11 + 2 * DEEP_PREFETCH, True),
    ],
)
def test_a_queue_is_doubted_by_count_only_if_it_cannot_have_them_all(holding: Holding | None, waiting: int, doubted: bool) -> None:
    assert reconciler.cannot_hold(holding, waiting) is doubted


def test_a_backlog_makes_no_copies_and_a_purged_queue_is_filled_again(quiet: Callboard, monkeypatch: pytest.MonkeyPatch) -> None:
    with quiet.entered(CALLBOARD_RECONCILE_AFTER="0.05"):
        for number in range(30):
            actors.echo.send(number)
        eventually(lambda: quiet.messages("default") == 30, deadline_s=DEADLINE_S, what="all are published")
        eventually(lambda: all(job.published_at for job in quiet.jobs()), deadline_s=DEADLINE_S, what="all are marked")
        connection = pika.BlockingConnection(pika.URLParameters(quiet.broker_url))
        try:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=10)
            brought: list[Any] = []
            channel.basic_consume("default", lambda *delivery: brought.append(delivery))
            while len(brought) < 10:
                connection.process_data_events(time_limit=1)
            eventually(lambda: quiet.messages("default") == 20, deadline_s=DEADLINE_S, what="ten are taken")
            assert get_settings().reconcile_after == 0.05

            assert Reconciler().run_once() == 0

        finally:
            connection.close()
        eventually(lambda: quiet.messages("default") == 30, deadline_s=DEADLINE_S, what="they are back")
        purging = pika.BlockingConnection(pika.URLParameters(quiet.broker_url))
        purging.channel().queue_purge("default")
        purging.close()

        found: list[int] = []  # messages published now are checked in the next round

        def all_are_found() -> bool:
            found.append(Reconciler().run_once())
            return sum(found) == 30

        eventually(all_are_found, deadline_s=DEADLINE_S, what="each is published again once")

    with quiet.working():
        eventually(lambda: {job.state for job in quiet.jobs()} == {State.SUCCEEDED}, deadline_s=DEADLINE_S, what="all have run")
