"""Broker, connections, queues and SQL go away and come back; no job is lost, and none runs twice because of it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from src.broker.core.topology import queue_arguments
from src.broker.isolate import process_tree
from src.broker.publish.publisher import get_publisher
from src.broker.recover.relay import Relay
from src.jobs import Outcome, State
from src.jobs.core.models import Worker as WorkerRow
from src.migrations import migrate
from src.sql.clock import now
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.services import BrokerNode, Postgres, random_name
from tests.harness.waiting import eventually


def dead_url(url: str) -> str:
    """Return the same URL at a closed port."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before, _, rest = url.rpartition(":")
    return f"{before}:{port}/{rest.partition('/')[2]}"


def traces(path: Path) -> list[str]:
    return sorted(path.read_text().split()) if path.exists() else []


def close_connections(callboard: Callboard, purpose: str) -> None:
    """Have RabbitMQ close our connections of this purpose; the management API may need seconds to know them."""
    for name in eventually(lambda: callboard.connections(purpose), deadline_s=DEADLINE_S, what=f"{purpose} is connected"):
        callboard.node.api("DELETE", f"/api/connections/{name.replace(' ', '%20').replace('>', '%3E')}")


# submitting


def test_a_submission_succeeds_while_the_broker_is_away_and_runs_when_it_is_back(callboard: Callboard) -> None:
    with callboard.entered(CALLBOARD_BROKER_URL=dead_url(callboard.broker_url)):
        message = actors.echo.send("patient")
        assert callboard.job(message.message_id).published_at is None
        assert not get_publisher().is_connected
        assert callboard.until(message).result == "patient"  # the worker reaches it


def test_a_publisher_finds_the_one_host_of_several_that_lives(quiet: Callboard) -> None:
    urls = ";".join([dead_url(quiet.broker_url), quiet.broker_url, dead_url(quiet.broker_url)])
    with quiet.entered(CALLBOARD_BROKER_URL=urls):
        message = actors.echo.send(1)
        eventually(lambda: quiet.job(message.message_id).published_at, deadline_s=DEADLINE_S)

    with quiet.working(CALLBOARD_BROKER_URL=urls):
        assert quiet.until(message).result == 1


def test_a_publisher_that_lost_its_connection_goes_on(callboard: Callboard) -> None:
    callboard.until(actors.echo.send("before"))
    close_connections(callboard, f"publisher {os.getpid()}")

    messages = [actors.echo.send(number) for number in range(20)]

    assert [callboard.until(message).result for message in messages] == list(range(20))


def test_a_forked_child_submits_with_a_connection_of_its_own(callboard: Callboard) -> None:
    parents = actors.echo.send("parent")
    callboard.until(parents)

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, actors.echo.send("child").message_id.encode())
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    id = os.read(reading, 100).decode()
    os.close(reading)
    os.close(writing)

    assert os.waitstatus_to_exitcode(status) == 0
    assert callboard.until(id).result == "child"
    assert callboard.until(actors.echo.send("parent again")).result == "parent again"
    assert get_publisher().is_connected


def test_a_queue_that_was_deleted_is_declared_anew_by_the_next_submission(callboard: Callboard) -> None:
    callboard.until(actors.echo.send("before"))
    for queue in ("default", "default.XQ"):
        callboard.node.api("DELETE", f"/api/queues/{callboard.vhost}/{queue}")

    assert callboard.until(actors.echo.send("after")).result == "after"


def test_a_queue_deleted_and_declared_again_at_once_is_consumed_again(callboard: Callboard) -> None:
    for number in range(2):
        callboard.until(actors.echo.send("before"))
        callboard.node.api("DELETE", f"/api/queues/{callboard.vhost}/default")
        callboard.node.api("PUT", f"/api/queues/{callboard.vhost}/default", {"durable": True, "arguments": queue_arguments("default")})

        assert callboard.until(actors.echo.send(number)).result == number


def test_jobs_whose_messages_were_purged_are_published_again(quiet: Callboard) -> None:
    messages = [actors.echo.send(number) for number in range(5)]
    eventually(lambda: all(quiet.job(message.message_id).published_at for message in messages), deadline_s=DEADLINE_S)
    quiet.node.api("DELETE", f"/api/queues/{quiet.vhost}/default/contents")
    eventually(lambda: quiet.messages("default") == 0, deadline_s=DEADLINE_S)

    with quiet.working():
        assert [quiet.until(message).result for message in messages] == list(range(5))


def test_jobs_that_their_process_could_not_publish_are_published_by_a_relay(quiet: Callboard) -> None:
    with quiet.entered(CALLBOARD_BROKER_URL=dead_url(quiet.broker_url)):
        message = actors.echo.send("left behind")
    with quiet.entered(CALLBOARD_PUBLISH_GRACE="0.001"):
        eventually(lambda: Relay().run_once(), deadline_s=DEADLINE_S, what="the relay takes it")
        eventually(lambda: quiet.job(message.message_id).published_at, deadline_s=DEADLINE_S)
        assert quiet.messages("default") == 1


# a worker's connection


@pytest.mark.slow  # the next test shows the worse end of the same: a message that is lost with its worker
def test_a_job_that_outlives_its_connection_acknowledges_no_other_message(quiet: Callboard, tmp_path: Path) -> None:
    """The job that ran when the connection was closed must not acknowledge, under its old tag, the one that came first after it."""
    trace = tmp_path / "trace"
    with quiet.working(threads=1, check=False) as worker:
        old = actors.make_and_wait.send(str(tmp_path / "old"), str(tmp_path / "go on"))
        quiet.wait_for(tmp_path / "old")
        close_connections(quiet, "worker")
        eventually(lambda: worker.text().count("consumer_connected") >= 2, deadline_s=DEADLINE_S, what="its consumers connect again")
        new = [actors.append.send(str(trace), str(number)) for number in range(3)]
        (tmp_path / "go on").touch()
        quiet.until(old)
        for message in new:
            quiet.until(message)

        eventually(lambda: quiet.messages("default") == 0, deadline_s=DEADLINE_S)
    assert traces(trace) == ["0", "1", "2"]
    assert [len(quiet.job(message.message_id).attempts) for message in [old, *new]] == [1, 1, 1, 1]
    assert quiet.messages("default") == 0


def test_a_worker_killed_after_a_reconnect_has_lost_no_message(quiet: Callboard, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with quiet.working(threads=1, check=False) as worker:
        old = actors.make_and_wait.send(str(tmp_path / "old"), str(tmp_path / "go on"))
        quiet.wait_for(tmp_path / "old")
        close_connections(quiet, "worker")
        eventually(lambda: worker.text().count("consumer_connected") >= 2, deadline_s=DEADLINE_S)
        second = actors.make_and_wait.send(str(tmp_path / "second"), str(tmp_path / "go on too"))
        third = actors.append.send(str(trace), "third")
        (tmp_path / "go on").touch()
        quiet.until(old)
        quiet.wait_for(tmp_path / "second")
        os.killpg(worker.process.pid, signal.SIGKILL)
    (tmp_path / "go on too").touch()

    with quiet.working():
        assert quiet.until(second).state is quiet.until(third).state is State.SUCCEEDED

    assert traces(trace) == ["third"]
    assert [attempt.outcome for attempt in quiet.job(second.message_id).attempts] == [Outcome.LOST, Outcome.SUCCEEDED]
    assert quiet.job(old.message_id).attempts[0].outcome is Outcome.SUCCEEDED


def has_beaten(callboard: Callboard) -> bool:
    with callboard.database.read() as session:
        return bool(session.execute(select(WorkerRow.heartbeat_at > WorkerRow.started_at)).scalar())


def test_a_worker_whose_lease_was_given_away_leaves_its_deliveries_to_others(quiet: Callboard) -> None:
    """As after a process stood still: acknowledged as if they were copies, its jobs would wait for the reconciler."""
    with quiet.working(
        CALLBOARD_HEARTBEAT_INTERVAL="300", CALLBOARD_LEASE_DURATION="900", CALLBOARD_RECONCILE_AFTER="600"
    ) as without_lease:
        # Its one heartbeat comes right after the start, and would tell it.
        eventually(lambda: has_beaten(quiet), deadline_s=DEADLINE_S, what="it has told that it lives")
        with quiet.database.write() as session:
            session.execute(update(WorkerRow).values(lost_at=now()))
        message = actors.echo.send("for another")
        without_lease.wait_until_it_says("claims_refused")
        assert quiet.job(message.message_id).state is State.QUEUED

        with quiet.working(CALLBOARD_RECONCILE_AFTER="600"):
            assert quiet.until(message).result == "for another"


# stopping


def test_a_stopping_worker_finishes_what_runs_and_hands_back_the_rest(quiet: Callboard, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with quiet.working(threads=1) as worker:
        running = actors.make_and_wait_deaf.send(str(tmp_path / "made"), str(tmp_path / "go on"))
        quiet.wait_for(tmp_path / "made")
        waiting = [actors.append.send(str(trace), str(number)) for number in range(10)]
        worker.ask_to_stop()
        worker.wait_until_it_says("Shutting down")
        (tmp_path / "go on").touch()
        worker.process.wait(DEADLINE_S)

    assert worker.process.returncode == 0
    assert quiet.job(running.message_id).state is State.SUCCEEDED
    for message in waiting:
        job = quiet.job(message.message_id)
        assert (job.state, job.attempt, job.crashes, job.attempts) == (State.QUEUED, 0, 0, [])
    assert quiet.alive() == 0
    assert traces(trace) == []

    with quiet.working():
        for message in waiting:
            assert [attempt.outcome for attempt in quiet.until(message).attempts] == [Outcome.SUCCEEDED]
    assert traces(trace) == sorted(str(number) for number in range(10))


def test_a_worker_process_whose_main_process_is_killed_stops_in_good_order(quiet: Callboard, tmp_path: Path) -> None:
    with quiet.working(threads=1, check=False) as worker:
        running = actors.make_and_wait_deaf.send(str(tmp_path / "made"), str(tmp_path / "go on"))
        quiet.wait_for(tmp_path / "made")
        waiting = actors.append.send(str(tmp_path / "trace"), "later")
        [orphan] = worker.children()
        worker.process.kill()
        worker.process.wait(DEADLINE_S)
        (tmp_path / "go on").touch()
        eventually(lambda: not process_tree.living([orphan]), deadline_s=DEADLINE_S, what="it has ended")

    assert quiet.job(running.message_id).state is State.SUCCEEDED
    assert quiet.alive() == 0
    with quiet.working():  # unless the other was begun before it noticed
        assert [attempt.outcome for attempt in quiet.until(waiting).attempts] == [Outcome.SUCCEEDED]


def test_a_worker_process_whose_main_process_is_killed_while_it_boots_ends(quiet: Callboard) -> None:
    worker = quiet.start()
    try:
        [orphan] = eventually(worker.children, deadline_s=DEADLINE_S, interval_s=0.01, what="it has a worker process")
        worker.process.kill()
        worker.process.wait(DEADLINE_S)
        eventually(lambda: not process_tree.living([orphan]), deadline_s=DEADLINE_S, what="it has ended")
    finally:
        worker.stop()
    assert quiet.alive() == 0


def test_a_worker_process_that_gets_two_signals_ends_at_once(quiet: Callboard, tmp_path: Path) -> None:
    with quiet.working(threads=1, check=False) as worker:
        running = actors.make_and_wait_deaf.send(str(tmp_path / "made"), str(tmp_path / "never"))
        quiet.wait_for(tmp_path / "made")
        [process] = worker.children()
        os.kill(process, signal.SIGTERM)
        worker.wait_until_it_says("Stopping worker process")
        os.kill(process, signal.SIGTERM)
        assert worker.process.wait(DEADLINE_S) != 0

    assert not process_tree.living([process])
    job = quiet.job(running.message_id)
    assert job.state in (State.RUNNING, State.QUEUED)  # as soon as its loss has been noticed


def test_a_worker_that_may_not_wait_any_longer_gives_its_job_back_unspent(quiet: Callboard, tmp_path: Path) -> None:
    with quiet.working("--worker-shutdown-timeout", "500", threads=1, check=False) as worker:
        message = actors.make_and_wait_deaf.send(str(tmp_path / "made"), str(tmp_path / "go on"))
        quiet.wait_for(tmp_path / "made")
        worker.ask_to_stop()
        worker.process.wait(DEADLINE_S)
    (tmp_path / "go on").touch()

    with quiet.working():
        job = quiet.until(message)
    assert (job.result, job.crashes, [attempt.outcome for attempt in job.attempts]) == (1, 0, [Outcome.SUCCEEDED])


# SQL


@pytest.fixture(scope="module")
def _stopped_here() -> Iterator[Postgres]:
    """A PostgreSQL that only tests of this file stop, with a migrated template."""
    server = Postgres()
    try:
        server.start()
        server.execute("CREATE DATABASE migrated")
        migrate(server.url("migrated"))
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_postgres(_stopped_here: Postgres) -> Iterator[Postgres]:
    """The same, running at the end of each test."""
    yield _stopped_here
    if _stopped_here.process is None or _stopped_here.process.poll() is not None:
        _stopped_here.start()


@pytest.fixture
def severed(own_postgres: Postgres, broker_node: BrokerNode, tmp_path: Path) -> Iterator[Callboard]:
    """A Callboard on that PostgreSQL, which this process belongs to."""
    name = random_name("own")
    own_postgres.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
    own_postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")  # commits must last; the tests' server has them asynchronous
    settings: dict[str, Any] = {"reconcile_interval": 2, "reconcile_after": 4}
    with (
        Callboard(broker_node, own_postgres.url(name), tmp_path, actors="tests.actors.broker", queues=["default"], **settings) as made,
        made.entered(),
    ):
        yield made


def test_while_sql_is_away_nothing_is_lost_and_what_ended_meanwhile_is_written_later(
    severed: Callboard, own_postgres: Postgres, tmp_path: Path
) -> None:
    with severed.working(CALLBOARD_LEASE_DURATION="60") as worker:
        running = actors.make_and_wait_deaf.send(str(tmp_path / "made"), str(tmp_path / "go on"))
        severed.wait_for(tmp_path / "made")
        waiting = [actors.echo.send_with_options(args=(number,), delay=2000) for number in range(5)]
        own_postgres.stop()
        (tmp_path / "go on").touch()
        worker.wait_until_it_says("ends_wait_for_sql")
        own_postgres.start()

        assert severed.until(running).state is State.SUCCEEDED
        assert [severed.until(message).result for message in waiting] == list(range(5))
        assert [attempt.number for attempt in severed.job(running.message_id).attempts] == [1]


def test_a_worker_killed_before_its_end_is_committed_has_not_acknowledged_the_message(
    severed: Callboard, own_postgres: Postgres, tmp_path: Path
) -> None:
    worker = severed.worker(threads=1)
    message = actors.make_and_wait_deaf.send(str(tmp_path / "made"), str(tmp_path / "go on"))
    severed.wait_for(tmp_path / "made")
    own_postgres.stop()
    (tmp_path / "go on").touch()
    worker.wait_until_it_says("ends_wait_for_sql")

    worker.kill()

    eventually(lambda: severed.messages("default") == 1, deadline_s=DEADLINE_S, what="RabbitMQ has the message again")
    own_postgres.start()
    with severed.working():
        attempts = severed.until(message).attempts
    assert [attempt.outcome for attempt in attempts] == [Outcome.LOST, Outcome.SUCCEEDED]


@pytest.mark.parametrize("ends", ["while SQL is away", "later"])
def test_a_job_whose_claim_a_killed_postgresql_has_forgotten_runs_once(
    ends: str, severed: Callboard, own_postgres: Postgres, tmp_path: Path
) -> None:
    own_postgres.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
    own_postgres.execute("SELECT pg_reload_conf()")
    # Each heartbeat flushes all earlier commits to disk; a subscription must not be checked between two of them.
    slow = severed.working(CALLBOARD_LEASE_DURATION="60", CALLBOARD_HEARTBEAT_INTERVAL="5", CALLBOARD_RECONCILE_AFTER="60")
    with slow as worker:
        for number in range(3):  # a queue's first claim takes the long way, which waits for the disk
            severed.until(actors.echo.send(number))
        message = actors.make_and_wait_deaf.send(str(tmp_path / "started"), str(tmp_path / "go on"))
        severed.wait_for(tmp_path / "started")
        own_postgres.kill()
        if ends == "while SQL is away":
            (tmp_path / "go on").touch()
            worker.wait_until_it_says("ends_wait_for_sql")
        own_postgres.start()
        if ends == "later":
            # On a busy machine a heartbeat may have come between the claim and the kill: then nothing was forgotten.
            if severed.job(message.message_id).state is State.QUEUED:
                worker.wait_until_it_says("forgotten_claims_retaken")
            assert (severed.job(message.message_id).state, severed.job(message.message_id).attempt) == (State.RUNNING, 1)
            (tmp_path / "go on").touch()

        job = severed.until(message)
        assert (job.state, [attempt.number for attempt in job.attempts]) == (State.SUCCEEDED, [1])
        severed.until(actors.echo.send("the next"))
        assert traces(tmp_path / "started") == ["1"]
