"""Features of the introductions: each test bears the number of its row in the list of seeds."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from dramatiq.results import ResultFailure, ResultMissing
from sqlalchemy import func, select

from src.actors import accounts, arithmetic, tutorial, widgets
from src.actors.accounts import UserAccount
from src.actors.widgets import Widget
from src.jobs import State
from src.jobs.read.queries import find
from src.sql.clock import now
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S, Worker
from tests.harness.services import random_name
from tests.harness.waiting import eventually

TIMEOUT_MS = int(DEADLINE_S * 1000)


def test_A1_a_background_task_counts_to_ten_a_line_each_and_returns_completed(callboard: Callboard, worker: Worker) -> None:
    """Something starts a task that counts from 1 to 10, one line each; it can be watched, and returns "Completed"."""
    message = tutorial.count.send()

    seen = eventually(lambda: callboard.job(message.message_id).progress_message, deadline_s=DEADLINE_S)
    assert re.fullmatch(r"counted to \d+", seen or "")
    assert callboard.job(message.message_id).state is State.RUNNING
    assert message.get_result(block=True, timeout=TIMEOUT_MS) == "Completed"
    job = callboard.job(message.message_id)
    assert (job.progress_done, job.progress_total, job.progress_message) == (10, 10, "counted to 10")
    lines = [line for line in worker.text().splitlines() if line.isdigit()]
    assert lines == [str(number) for number in range(1, 11)]


def test_A3_a_task_prints_its_own_request(callboard: Callboard, worker: Worker) -> None:
    """A task for debugging prints the request it came with: id, actor, queue, attempt, worker."""
    message = tutorial.debug_message.send()

    request = message.get_result(block=True, timeout=TIMEOUT_MS)

    name = callboard.job(message.message_id).attempts[0].worker
    assert request == {"id": message.message_id, "actor": "debug_message", "queue": "default", "attempt": 1, "worker": name}
    worker.wait_until_it_says("Request: ", message.message_id)


def test_A4_the_worker_is_one_command_that_says_what_it_serves(callboard: Callboard, worker: Worker) -> None:
    """The worker is one command; it prints what it is connected to, and which actors and queues it serves."""
    worker.wait_until_it_says(
        "worker_serves",
        f"127.0.0.1:{callboard.node.ports.amqp}/{callboard.vhost}",
        '"default"',
        '"accounts"',
        '"add"',
        '"create_random_user_accounts"',
    )
    assert callboard.node.password not in worker.text()


def test_B2_random_user_accounts_are_created_in_the_background(callboard: Callboard) -> None:
    """Create accounts with a random name of ten letters, name@example.com and a long hashed password; return their number."""
    with callboard.database.read() as session:
        before = session.execute(select(func.count()).select_from(UserAccount)).scalar_one()

    message = accounts.create_random_user_accounts.send(total=60)

    assert message.get_result(block=True, timeout=TIMEOUT_MS) == "60 random users created with success!"
    with callboard.database.read() as session:
        made = session.execute(select(UserAccount)).scalars().all()
    assert len(made) == before + 60
    assert len({account.username for account in made}) == len(made)
    for account in made:
        assert re.fullmatch(r"[A-Za-z]{10}", account.username)
        assert account.email == f"{account.username}@example.com"
        assert account.password_hash.startswith("scrypt:")
    job = callboard.job(message.message_id)
    assert (job.progress_done, job.progress_total) == (60, 60)


def test_C1_divide_takes_its_time_and_says_how_it_ended(callboard: Callboard) -> None:
    """Dividing takes five seconds: pending first, then 0.5; by zero it fails and keeps the error with its traceback."""
    good, bad = arithmetic.divide.send(1, 2), arithmetic.divide.send(1, 0)
    with pytest.raises(ResultMissing):
        good.get_result()

    assert good.get_result(block=True, timeout=TIMEOUT_MS) == 0.5
    with pytest.raises(ResultFailure, match="ZeroDivisionError") as failed:
        bad.get_result(block=True, timeout=TIMEOUT_MS)

    assert failed.value.orig_exc_type == "ZeroDivisionError"
    job = callboard.job(bad.message_id)
    assert job.state is State.DEAD
    assert (job.error or "").startswith("ZeroDivisionError: ")
    assert "return x / y" in (job.attempts[0].traceback or "")
    (attempt,) = callboard.job(good.message_id).attempts
    assert attempt.finished_at - attempt.started_at >= timedelta(seconds=5)


def test_C2_results_are_read_later_by_id_and_an_unknown_id_is_unknown(callboard: Callboard) -> None:
    """State, result and error can be read later by id, from any process; an unassigned id is unknown, not pending."""
    good, bad = arithmetic.add.send(2, 3).message_id, actors.fail.send("kept").message_id
    callboard.until(good)
    callboard.until(bad)

    with callboard.database.read() as session:
        found, failed, unknown = find(session, good), find(session, bad), find(session, "00000000-0000-7000-8000-000000000000")

    assert unknown is None
    assert found is not None
    assert failed is not None
    assert (found.state, found.result, found.error) == (State.SUCCEEDED, 5, None)
    assert (failed.state, failed.result, failed.error) == (State.DEAD, None, "ValueError: kept")


def test_D1_a_task_is_called_directly_or_sent_with_or_without_options(callboard: Callboard) -> None:
    """Run it here as a plain function, or elsewhere by send and send_with_options."""
    assert arithmetic.add(4, 4) == 8
    assert arithmetic.add.send(4, 4).get_result(block=True, timeout=TIMEOUT_MS) == 8
    delayed = arithmetic.add.send_with_options(args=(4,), kwargs={"y": 5}, delay=300)
    assert callboard.job(delayed.message_id).state is State.SCHEDULED
    assert delayed.get_result(block=True, timeout=TIMEOUT_MS) == 9


def test_D3_a_mail_that_fails_is_tried_again_after_exactly_ten_minutes_and_not_for_ever(callboard: Callboard) -> None:
    """Retry on an exception after a fixed delay, ten minutes for the mail, and up to a maximum."""
    message = actors.mail_as_the_overview_does.send("someone@example.com")
    job = callboard.until(message, State.RETRYING)

    (attempt,) = job.attempts
    assert attempt.error == "ConnectionRefusedError: someone@example.com"
    assert job.reason == "retry 1 of 1 after ConnectionRefusedError"
    assert job.due_at is not None
    assert abs(job.due_at - attempt.finished_at - timedelta(minutes=10)) < timedelta(seconds=1)
    assert job.due_at > now() + timedelta(minutes=8)


def test_D3_a_task_that_succeeds_at_its_third_attempt_has_three(callboard: Callboard) -> None:
    """Retry with backoff until it works."""
    job = callboard.until(actors.succeed_at.send(3))

    assert (job.result, len(job.attempts), job.failures) == (3, 3, 2)


def test_D10_the_example_tasks_add_multiply_sum_count_and_rename(callboard: Callboard) -> None:
    """add, mul, xsum, count_widgets, and rename_widget on a table."""
    name = random_name("widget")
    with callboard.database.write() as session:
        widget = Widget(name="before")
        session.add(widget)
        session.flush()
        id = widget.id

    assert arithmetic.add.send(2, 2).get_result(block=True, timeout=TIMEOUT_MS) == 4
    assert arithmetic.mul.send(6, 7).get_result(block=True, timeout=TIMEOUT_MS) == 42
    assert arithmetic.xsum.send([1, 2, 3]).get_result(block=True, timeout=TIMEOUT_MS) == 6
    assert widgets.count_widgets.send().get_result(block=True, timeout=TIMEOUT_MS) >= 1
    assert widgets.rename_widget.send(id, name).get_result(block=True, timeout=TIMEOUT_MS) is None
    with callboard.database.read() as session:
        assert session.get_one(Widget, id).name == name
