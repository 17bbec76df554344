"""A broker that accepts publishes and never confirms them is given up after a while."""

from __future__ import annotations

import pytest

from src.broker.publish import publisher, unconfirmed
from src.jobs import State
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.mute_proxy import MuteProxy
from tests.harness.waiting import eventually


def test_a_connection_without_confirms_is_given_up_and_what_it_owes_is_published_anew(
    quiet: Callboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unconfirmed, "CONFIRM_WITHIN_S", 0.5)
    monkeypatch.setattr(publisher, "WATCH_CONFIRMS_S", 0.1)
    # The relay of a worker would publish the row by itself: here is none.
    with MuteProxy(quiet.broker_url) as proxy, quiet.entered(CALLBOARD_BROKER_URL=proxy.url):
        proxy.mute.set()
        owed = [actors.echo.send(number) for number in range(3)]
        eventually(lambda: proxy.swallowed, deadline_s=DEADLINE_S, what="RabbitMQ has confirmed in vain")
        assert all(quiet.job(one.message_id).published_at is None for one in owed)
        proxy.mute.clear()

        eventually(
            lambda: all(quiet.job(one.message_id).published_at is not None for one in owed), deadline_s=DEADLINE_S, what="all are confirmed"
        )
        assert proxy.connections >= 2
        later = actors.echo.send("later")
        eventually(lambda: quiet.job(later.message_id).published_at is not None, deadline_s=DEADLINE_S, what="publishing goes on")

    with quiet.working():
        assert [quiet.until(one).result for one in (*owed, later)] == [0, 1, 2, "later"]
        assert {job.state for job in quiet.jobs()} == {State.SUCCEEDED}
        assert {job.attempt for job in quiet.jobs()} == {1}
