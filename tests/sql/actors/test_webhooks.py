"""Webhooks receive the ends they subscribe to: written in the commit of the end, signed, retried until accepted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from src.actors.ssrf_guard import CallFailed, CallRefused
from src.actors.webhooks import NotTaken, deliver_webhook
from src.broker.options.retries import decide, retry_after
from src.jobs import State
from src.jobs.control import actions, workflows
from src.jobs.core.models import Job
from src.jobs.leases.workers import take_over
from src.jobs.relay import due_jobs
from src.jobs.submit.submission import submit
from src.jobs.webhooks import events, webhooks
from src.jobs.webhooks.models import Kind, Sent, Webhook, WebhookDelivery
from src.jobs.webhooks.webhooks import UnknownWebhook
from src.jobs.workflows.canvas import Workflow
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, ended, hired, message, settle, submitted
from tests.harness.services import random_name
from tests.unit.actors.test_http_answers import raw
from tests.unit.actors.test_http_call import Server, server

__all__ = ["server"]

EVERY = ["succeeded", "dead", "cancelled", "expired"]


@pytest.fixture(autouse=True)
def _loopback_is_allowed(database: Database) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("CALLBOARD_HTTP_ALLOW", "127.0.0.1")
    get_settings.cache_clear()
    yield
    patch.undo()
    get_settings.cache_clear()


def hook(
    database: Database, url: str = "https://example.org/hook", kind: Kind = Kind.JOB, actor: str | None = None, states: list[str] = EVERY
) -> Webhook:
    with database.write() as session:
        return webhooks.create(session, url=url, kind=kind, actor=actor, states=states, by="test")


def told(database: Database) -> list[tuple[str, str]]:
    with database.read() as session:
        return [(row.event, row.subject) for row in session.execute(select(WebhookDelivery).order_by(WebhookDelivery.seq)).scalars()]


def test_every_end_of_a_job_writes_its_event_and_delivery_in_the_same_commit(database: Database, time: StillClock) -> None:
    hook(database)
    worker = hired(database)
    one, two = claimed(database, worker, 1), claimed(database, worker, 2)
    settle(database, worker, ended(one), ended(two, State.RETRYING, failures=1))
    cancelled, expired = submitted(database, 3).id, submitted(database, 4, expires_at=time.forward(10)).id
    with database.write() as session:
        actions.cancel(session, cancelled)
        actions.cancel(session, cancelled)  # requested twice, notified once
    time.forward(60)
    with database.write() as session:
        due_jobs.expire(session)
    lost = claimed(database, hired(database, "here:2"), 5)
    with database.write() as session:
        session.get_one(Job, lost.seq).crashes = 2
    time.forward(60)
    with database.write() as session:
        take_over(session)
    assert told(database) == [("job.succeeded", one.id), ("job.cancelled", cancelled), ("job.expired", expired), ("job.dead", lost.id)]
    with database.read() as session:
        jobs = session.execute(select(Job).where(Job.actor == deliver_webhook.actor_name)).scalars().all()
        ids = set(session.execute(select(WebhookDelivery.id)).scalars())
    assert {job.args[0] for job in jobs} == ids


def test_an_end_that_is_rolled_back_writes_no_event(database: Database) -> None:
    hook(database)
    id = submitted(database, 1).id
    with database.session() as session:
        actions.cancel(session, id)
        session.rollback()
    assert told(database) == []


def test_only_subscribed_events_are_delivered_and_never_the_end_of_a_delivery(database: Database) -> None:
    hook(database, actor="wanted_webhook_actor", states=["dead"])
    everything = hook(database)
    name, other = "wanted_webhook_actor", deliver_webhook.actor_name
    worker = hired(database, actors=[name, other])
    settle(database, worker, ended(claimed(database, worker, actor=name)), ended(claimed(database, worker, "x", actor=other)))
    with database.read() as session:
        assert [row.webhook_id for row in session.execute(select(WebhookDelivery)).scalars()] == [everything.id]


def test_a_workflow_has_one_event_once_none_of_its_steps_runs(database: Database) -> None:
    hook(database, kind=Kind.WORKFLOW)
    worker = hired(database)
    workflow = Workflow("nightly")
    first = workflow.step(message(1), name="a")
    workflow.step(message(2), name="b", after=[first])
    with database.write() as session:
        receipt = workflow.submit(session)
    for name in ("a", "b"):
        assert told(database) == []
        one = claim(database, worker, receipt.jobs[name])
        assert one is not None
        settle(database, worker, ended(one, workflow_seq=one.workflow_seq))
    assert told(database) == [("workflow.succeeded", receipt.id)]
    with database.write() as session:
        stopped = Workflow("stopped")
        stopped.step(message(1), name="a")
        id = stopped.submit(session).id
        workflows.cancel(session, id)
    assert told(database)[1:] == [("workflow.cancelled", id)]


def test_a_delivery_is_signed_so_that_its_receiver_can_check_it(database: Database, server: Server) -> None:
    webhook = hook(database, url=f"{server.url}/hook", states=["dead"])
    worker = hired(database)
    one = claimed(database, worker)
    settle(database, worker, ended(one, State.DEAD, error="ValueError: no", reason="no retries", failures=1))
    with database.read() as session:
        [delivery] = webhooks.page(session, webhook.id).deliveries
    assert deliver_webhook.fn(delivery.id) == "200 OK"

    [(method, path, headers, body)] = server.seen
    assert (method, path, headers["content-type"], headers["webhook-id"]) == ("POST", "/hook", "application/json", delivery.id)
    key = base64.b64decode(webhook.secret.removeprefix("whsec_"))
    signed = f"{delivery.id}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    sent = json.loads(body)
    assert (sent["type"], sent["data"]["id"], sent["data"]["error"]) == ("job.dead", one.id, "ValueError: no")
    assert {"args", "kwargs", "result"} & sent["data"].keys() == set()


def test_a_refused_delivery_is_retried_and_can_be_resent(database: Database, server: Server) -> None:
    server.answers["/hook"] = lambda handler: handler.say(500)
    webhook = hook(database, url=f"{server.url}/hook")
    with database.write() as session:
        id = webhooks.ping(session, webhook.id)
    with pytest.raises(NotTaken, match="500 Internal Server Error from"):
        deliver_webhook.fn(id)
    with database.read() as session:
        found = webhooks.delivery(session, id)
        assert (found.state, found.tries, found.answer) == (Sent.FAILED, 1, "500 Internal Server Error")
    del server.answers["/hook"]
    with database.write() as session:
        webhooks.resend(session, id)
    deliver_webhook.fn(id)
    with database.read() as session:
        assert (webhooks.delivery(session, id).state, webhooks.delivery(session, id).tries) == (Sent.DELIVERED, 2)
    assert server.seen[0][3] == server.seen[1][3]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_receiver_that_has_moved_is_a_failure_that_names_the_new_address(database: Database, server: Server, status: int) -> None:
    server.answers["/hook"] = lambda handler: handler.say(status, Location="/new", retry_after="Wed, 21 Oct 2099 07:28:00 GMT")
    webhook = hook(database, url=f"{server.url}/hook")
    with database.write() as session:
        id = webhooks.ping(session, webhook.id)
    with pytest.raises(NotTaken, match=f"it has moved to {server.url}/new"):
        deliver_webhook.fn(id)
    with database.read() as session:
        found = webhooks.delivery(session, id)
    assert (found.state, found.tries) == (Sent.FAILED, 1)
    assert f"it has moved to {server.url}/new" in (found.answer or "")
    assert [path for _, path, _, _ in server.seen] == ["/hook"]


def test_a_receiver_that_is_gone_for_good_is_not_asked_again(database: Database, server: Server) -> None:
    server.answers["/hook"] = lambda handler: handler.say(410, retry_after="90")
    webhook = hook(database, url=f"{server.url}/hook")
    with database.write() as session:
        id = webhooks.ping(session, webhook.id)
    with pytest.raises(NotTaken, match="410 Gone from") as refused:
        deliver_webhook.fn(id)
    decision = decide(deliver_webhook, {}, 0, refused.value)
    assert (decision.state, decision.reason) == (State.DEAD, "Gone is not retried (throws)")
    with database.read() as session:
        found = webhooks.delivery(session, id)
    assert (found.state, found.answer) == (Sent.FAILED, "410 Gone")


def test_a_receiver_says_when_it_wants_to_be_asked_again(database: Database, server: Server) -> None:
    server.answers["/hook"] = lambda handler: handler.say(503, RETRY_AFTER="90")
    webhook = hook(database, url=f"{server.url}/hook")
    with database.write() as session:
        id = webhooks.ping(session, webhook.id)
    with pytest.raises(NotTaken) as refused:
        deliver_webhook.fn(id)
    assert retry_after(refused.value) == 90_000


def test_a_private_address_is_refused_unless_it_is_allowed(database: Database, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_HTTP_ALLOW", "")
    get_settings.cache_clear()
    webhook = hook(database, url=f"{server.url}/hook")
    with database.write() as session:
        id = webhooks.ping(session, webhook.id)
    with pytest.raises(CallRefused, match="which is not public"):
        deliver_webhook.fn(id)
    assert server.seen == []
    with database.read() as session:
        assert "not public" in (webhooks.delivery(session, id).answer or "")


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_the_status_of_an_answer_counts_and_not_its_body(database: Database, server: Server, text: bytes) -> None:
    server.answers["/hook"] = raw(text)
    webhook = hook(database, url=f"{server.url}/hook")
    with database.write() as session:
        id = webhooks.ping(session, webhook.id)
    assert deliver_webhook.fn(id).startswith("20")
    with database.read() as session:
        assert webhooks.delivery(session, id).state is Sent.DELIVERED


def test_a_deleted_webhook_gets_no_more_deliveries(database: Database) -> None:
    webhook = hook(database)
    with database.write() as session:
        id = webhooks.ping(session, webhook.id)
        webhooks.remove(session, webhook.id)
    with pytest.raises(UnknownWebhook):
        deliver_webhook.fn(id)
    with database.write() as session:
        actions.cancel(session, submit(session, message(random_name("one"))).id)
        events.note(session, [])
    assert told(database) == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://[bad/\r\nContent-Length: 0\r\n\r\n", "302 Found, it has moved to http://[bad/"),
        (b"HTTP/1.1 500 b\0ad\r\nContent-Length: 0\r\n\r\n", "500 b ad"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "cut short"),
    ],
)
def test_an_answer_of_any_form_is_recorded(database: Database, server: Server, text: bytes, answer: str) -> None:
    server.answers["/hook"] = raw(text)
    webhook = hook(database, url=f"{server.url}/hook")
    with database.write() as session:
        id = webhooks.ping(session, webhook.id)
    with pytest.raises((NotTaken, CallFailed)):
        deliver_webhook.fn(id)
    with database.read() as session:
        found = webhooks.delivery(session, id)
    assert (found.state, found.tries) == (Sent.FAILED, 1)
    assert answer in (found.answer or "")
