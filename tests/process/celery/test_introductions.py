"""The four introductions of docs/how-to/coming-from-celery.md on one worker and one scheduler: the page's own code."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from src.celery import AsyncResult, current_app, states
from src.jobs.control import actions
from src.jobs.core.envelopes import leave_to_relay, publisher
from src.jobs.core.states import State
from src.schedules.rows import queries
from src.schedules.rows.models import Schedule
from tests.harness.callboard import Callboard, fresh_url
from tests.harness.services import BrokerNode
from tests.harness.smtp import MailServer
from tests.harness.waiting import eventually
from tests.process.test_doc_blocks import code_of

WAIT_S = 30
PAGE = "docs_how_to_coming_from_celery"


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


@pytest.fixture(scope="module")
def callboard(
    tmp_path_factory: pytest.TempPathFactory, broker_node: BrokerNode, server: MailServer, request: pytest.FixtureRequest
) -> Iterator[Callboard]:
    folder = tmp_path_factory.mktemp("introductions")
    (folder / "introduced").mkdir()
    (folder / "introduced" / "tasks.py").write_text(code_of("actors")[PAGE])
    with Callboard(
        broker_node, fresh_url(request, "postgresql", folder), folder, actors=f"{folder}/introduced/", publish_grace=0.1, relay_interval=0.05,
        INTRODUCTIONS=folder, MAIL_HOST="127.0.0.1", MAIL_PORT=server.port,
    ) as made, made.entered():  # fmt: skip
        publisher.connect(leave_to_relay)
        made.worker()
        made.scheduler()
        yield made


def call(task: str, *args: object) -> AsyncResult:
    result: AsyncResult = current_app.send_task(f"introduced.tasks.{task}", args)
    return result


def test_B_random_users_are_created_in_the_background(callboard: Callboard) -> None:
    assert call("create_random_user_accounts", 60).get(WAIT_S) == "60 random users created with success!"
    with closing(sqlite3.connect(callboard.folder / "users.db")) as users:
        names = [name for (name,) in users.execute("SELECT name FROM users")]
    assert len(set(names)) == 60
    assert all(re.fullmatch(r"[A-Za-z]{10}", name) for name in names)


def test_C_a_division_has_a_state_a_result_and_an_exception(callboard: Callboard) -> None:
    divided, failed = call("divide", 1, 2), call("divide", 1, 0)
    assert divided.state in (states.PENDING, states.STARTED)
    assert (divided.get(WAIT_S), divided.state) == (0.5, states.SUCCESS)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        AsyncResult(failed.id).get(WAIT_S)
    assert (failed.state, "ZeroDivisionError" in str(failed.traceback)) == (states.FAILURE, True)


def test_D_an_email_is_retried_ten_minutes_after_an_error_of_the_server_only(callboard: Callboard, server: MailServer) -> None:
    server.on_rcpt = lambda _: "451 not now"
    sent = call("send_mail", ["ada@example.com"], "Your account", "Dear $name", {"name": "Ada"})
    broken = call("send_mail", ["ada@example.com"], "Your account", "Dear $name", {})
    job = callboard.until(sent.id, State.RETRYING)
    assert 590 < ((job.due_at or job.created_at) - job.created_at).total_seconds() < 660
    assert sent.state == states.RETRY

    server.on_rcpt = lambda _: "250 OK"
    with callboard.database.write() as session:
        actions.run_now(session, sent.id)
    sent.get(WAIT_S)
    assert "Dear Ada" in str(server.taken[-1].message)
    with pytest.raises(KeyError, match="name"):
        broken.get(WAIT_S)
    assert callboard.job(broken.id).attempt == 1


def test_A_a_backup_is_made_every_hour(callboard: Callboard) -> None:
    call("create_random_user_accounts", 3).get(WAIT_S)
    [schedule] = eventually(lambda: _schedules(callboard), deadline_s=WAIT_S) or []
    assert (schedule.name, schedule.cron, schedule.kwargs) == ("back up every hour", "0 * * * *", {"keep": 24})

    copies = [call("back_up", 2).get(WAIT_S)]
    assert (callboard.folder / copies[0]).exists()


def _schedules(callboard: Callboard) -> list[Schedule]:
    with callboard.database.read() as session:
        return [each for each in queries.every(session) if each.name == "back up every hour"]
