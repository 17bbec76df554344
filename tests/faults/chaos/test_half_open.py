"""Servers that stop answering while their connections stay open: callers get an answer, workers go on, nothing is done twice."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from dramatiq import Message
from sqlalchemy import func, select

from src.jobs.core.models import Job
from src.jobs.core.states import State
from tests.harness.callboard import Callboard
from tests.harness.ledger import account
from tests.harness.stores import only_on
from tests.harness.stuck_proxy import StuckProxy
from tests.harness.waiting import eventually

#: seconds in which the API must answer, and workers go on after the server can be reached again
ANSWER_S, RESUME_S = 10.0, 30.0
JOBS = 60


def behind(proxy: StuckProxy, url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"))


@pytest.fixture
def sql(callboard: Callboard) -> Iterator[StuckProxy]:
    """A proxy between the commands and PostgreSQL."""
    url = callboard.environment["CALLBOARD_DATABASE_URL"]
    with StuckProxy(urlsplit(url).port or 0) as proxy:
        callboard.environment["CALLBOARD_DATABASE_URL"] = behind(proxy, url)
        yield proxy


@pytest.fixture
def amqp(callboard: Callboard) -> Iterator[StuckProxy]:
    """A proxy between the commands and RabbitMQ."""
    url = callboard.environment["CALLBOARD_BROKER_URL"]
    with StuckProxy(urlsplit(url).port or 0) as proxy:
        callboard.environment["CALLBOARD_BROKER_URL"] = behind(proxy, url)
        yield proxy


def submit_by_api(callboard: Callboard, token: str) -> tuple[int, str | None, str]:
    """Return the status, Retry-After and the id of the job. Raises TimeoutError after ANSWER_S."""
    body = json.dumps({"actor": "leave_a_row", "args": [1]}).encode()
    request = urllib.request.Request(f"{callboard.url}/api/v1/jobs", body, method="POST")
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            return answer.status, None, str(json.load(answer)["id"])
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers["Retry-After"], ""


def token_of(callboard: Callboard) -> str:
    return callboard.python(
        "from src.operations.people.tokens import create_token; from src.operations.people.users import ensure_admin;"
        " ensure_admin(); print(create_token('tests', 'admin'))"
    )


def row() -> Message[str]:
    """A job of 20 ms. Its actor is not imported here: the tests of this process have one of the same name."""
    return Message(queue_name="chaos", actor_name="leave_a_row", args=(20,), kwargs={}, options={})


def under_way(callboard: Callboard) -> list[str]:
    """Submit jobs, and return their ids once some of them have ended."""
    ids = callboard.send(*[row() for _ in range(JOBS)])
    ended = select(func.count()).select_from(Job).where(Job.state == State.SUCCEEDED)

    def some() -> bool:
        with callboard.database.read() as session:
            return session.execute(ended).scalar_one() >= JOBS // 6

    eventually(some, deadline_s=60, what="some have ended")
    return ids


def all_done(callboard: Callboard, ids: list[str]) -> None:
    for id in ids:
        callboard.until(id, State.SUCCEEDED, within_s=RESUME_S)
    account(callboard.database, ids).check()


@only_on("postgresql", by="database_url")
def test_a_half_open_postgresql(callboard: Callboard, sql: StuckProxy) -> None:
    token = token_of(callboard)
    callboard.web()
    callboard.worker(threads=4)
    assert submit_by_api(callboard, token)[0] == 202
    ids = under_way(callboard)

    sql.stuck.set()
    for _ in range(3):
        status, retry_after, _ = submit_by_api(callboard, token)
        assert (status, retry_after) == (503, "5")

    sql.let_through()
    all_done(callboard, ids)
    assert eventually(lambda: submit_by_api(callboard, token)[0] == 202, deadline_s=RESUME_S)


def test_a_half_open_rabbitmq(callboard: Callboard, amqp: StuckProxy) -> None:
    token = token_of(callboard)
    callboard.web()
    callboard.worker(threads=4)
    ids = under_way(callboard)

    amqp.stuck.set()
    status, _, id = submit_by_api(callboard, token)
    assert status == 202

    amqp.let_through()
    all_done(callboard, [*ids, id])
