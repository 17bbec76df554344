"""Methods of Dramatiq's broker about queues: they speak of rows, because the messages in RabbitMQ are only their echo."""

from __future__ import annotations

import dramatiq
import pytest

from src.jobs.core.states import State
from src.sql.database import Database
from tests.harness.inline import Inline
from tests.harness.jobs import in_state, look


@pytest.mark.both_stores
def test_counts_of_a_queue_are_those_of_its_waiting_delayed_and_dead_jobs(inline: Inline, database: Database) -> None:
    for state in (State.QUEUED, State.QUEUED, State.SCHEDULED, State.RUNNING, State.SUCCEEDED, State.HELD, State.DEAD):
        in_state(database, state)

    assert inline.broker.get_queue_message_counts("default") == (2, 1, 1)
    assert inline.broker.get_queue_message_counts("empty") == (0, 0, 0)


def test_a_flush_is_refused_with_the_command_that_cancels_waiting_jobs(inline: Inline, database: Database) -> None:
    job = in_state(database, State.QUEUED)

    with pytest.raises(RuntimeError, match=r"rows, which would bring them back: cancel its waiting jobs with `\./run purge default`"):
        dramatiq.get_broker().flush("default")
    with pytest.raises(RuntimeError, match="purge"):
        dramatiq.get_broker().flush_all()

    assert look(database, job).state is State.QUEUED
