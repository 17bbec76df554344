"""RabbitMQ refuses a queue or a permission: the rest goes on, and the reason is visible to operators."""

from __future__ import annotations

from typing import Any

import pika

from src.broker.core import refusals
from src.broker.core.refusals import EVERY
from src.broker.publish.publisher import get_publisher
from src.jobs import State
from src.jobs.leases import workers
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.stores import only_on
from tests.harness.waiting import eventually


@only_on("sqlite", by="quiet")  # RabbitMQ's refusals are the same on both
def test_a_queue_that_another_connection_holds_keeps_none_of_the_others_waiting(quiet: Callboard) -> None:
    holder = pika.BlockingConnection(pika.URLParameters(quiet.broker_url))
    holder.channel().queue_declare("default", exclusive=True)
    with quiet.working() as worker:
        waiting = quiet.submit(actors.echo.message("waits"))
        assert quiet.until(quiet.submit(actors.echo.message("urgent"), priority=9)).result == "urgent"
        [sentence] = eventually(lambda: reasons(quiet, "default"), deadline_s=DEADLINE_S, what="the reason is known")
        assert "consuming is refused: RESOURCE_LOCKED" in sentence
        assert quiet.job(waiting).state is State.QUEUED

        holder.close()

        assert quiet.until(waiting).result == "waits"
        eventually(lambda: not reasons(quiet, "default"), deadline_s=DEADLINE_S, what="the reason is gone")
        assert worker.text().count('"event": "broker_refuses"') < 20


@only_on("sqlite", by="quiet")
def test_a_publisher_without_the_permission_tries_seldom_and_goes_on_with_it(quiet: Callboard) -> None:
    permit(quiet, write="^$")
    id = quiet.submit(actors.echo.message("later"))
    reason = eventually(lambda: refusals.reasons().get(EVERY), deadline_s=DEADLINE_S, what="it is refused")
    assert "publishing is refused: ACCESS_REFUSED" in str(reason)
    tries = counted_channels(get_publisher())
    eventually(lambda: get_publisher()._refusals._refused[EVERY].pauses.gi_frame.f_locals["pause"] > 1, deadline_s=DEADLINE_S)  # type: ignore[attr-defined]
    assert tries() < 10

    permit(quiet, write=".*")

    eventually(lambda: quiet.job(id).published_at, deadline_s=DEADLINE_S, what="it is published")
    assert EVERY not in refusals.reasons()


def reasons(callboard: Callboard, queue: str) -> list[str]:
    with callboard.database.read() as session:
        return workers.refusals(session, [queue])


def permit(callboard: Callboard, *, write: str) -> None:
    body = {"configure": ".*", "write": write, "read": ".*"}
    callboard.node.api("PUT", f"/api/permissions/{callboard.vhost}/{callboard.node.user}", body)


def counted_channels(publisher: Any) -> Any:
    """Return the number of channels that the publisher opens from here on."""
    count, opened = [0], publisher._on_channel

    def on_channel(channel: Any) -> None:
        count[0] += 1
        opened(channel)

    publisher._on_channel = on_channel
    return lambda: count[0]
