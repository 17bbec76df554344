"""Every operation that changes something succeeds once, and its response fits its schema. test_every_page.py does the same for reads."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.schedules import every
from src.schedules.edit import declared_schedules
from src.sql.database import write
from tests.harness.contract import Contract, operations
from tests.harness.jobs import hired
from tests.harness.sample import furnish
from tests.harness.site import Program, Site
from tests.sql.web.test_workflows import DAG

Call = tuple[str, str, Any]
#: operations that need RabbitMQ
ELSEWHERE = {
    "post-queues-name-requeue", "post-queues-name-dead-letters-key-requeue", "delete-queues-name-dead-letters", "delete-queues-name-dead-letters-key",
}  # fmt: skip


def _jobs(program: Program, ids: dict[str, str]) -> Iterator[Call]:
    yield "POST", "/jobs", {"actor": "add", "args": [1, 2]}
    yield "POST", "/jobs/bulk", [{"actor": "add", "args": [1, 2]}]
    count = program.get("/api/v1/jobs/many?verb=retry&q=state:dead").get_json()["count"]
    yield "POST", "/jobs/many", {"verb": "retry", "q": "state:dead", "count": count}
    yield "PATCH", f"/jobs/{ids['waiting']}", {"priority": 9}
    yield "POST", f"/jobs/{ids['job']}/retry", None
    yield "POST", f"/jobs/{ids['running']}/stack", None
    yield "POST", f"/jobs/{ids['waiting']}/run-now", None
    yield "POST", f"/jobs/{ids['waiting']}/cancel", None
    for action in ("release", "discard"):
        id = program.submit("add", 1, 2)
        with write() as session:
            session.execute(update(Job).where(Job.id == id).values(state=State.HELD))
        yield "POST", f"/jobs/{id}/{action}", None
    yield "POST", "/actors/add/jobs", {"kwargs": {"x": 1, "y": 2}}


def _workflows(program: Program) -> Iterator[Call]:
    id = program.post("/api/v1/workflows", DAG).get_json()["id"]
    yield "POST", f"/workflows/{id}/cancel", None
    yield "POST", f"/workflows/{id}/re-run", {"step": "a"}
    yield "POST", f"/workflows/{id}/retry", None


def _schedules(ids: dict[str, str]) -> Iterator[Call]:
    schedule = f"/schedules/{ids['schedule']}"
    yield "POST", "/schedules/preview", {"cron": "0 3 * * *"}
    yield "PATCH", schedule, {"every": "1h", "zone": "Europe/Berlin"}
    yield "POST", f"{schedule}/pause", None
    yield "POST", f"{schedule}/resume", None
    yield "POST", f"{schedule}/run-now", None
    yield "POST", f"{schedule}/backfill", {"from": "2030-01-01T00:00:00Z", "to": "2030-01-02T00:00:00Z"}
    yield "DELETE", schedule, None
    yield "POST", "/schedules/debug_message/follow-code", None


def _fleet(site: Site, program: Program) -> Iterator[Call]:
    yield "POST", "/pauses", {"target": "actor:add", "for": "10m", "reason": "a deploy"}
    yield "DELETE", "/pauses/actor:add", None
    yield "POST", "/limits", {"target": "actor:add", "rate_limit": "10/m", "concurrency": 3}
    yield "DELETE", "/limits/actor:add/concurrency", None
    yield "POST", "/breakers/add/reset", None
    yield (
        "POST",
        "/queues/default/purge",
        {"count": program.get("/api/v1/jobs/many?verb=cancel&q=queue:default+state:scheduled,queued,retrying").get_json()["count"]},
    )
    hired(site.database)  # now: it sends no heartbeats, and ceases to count as living
    for command in ("quiet", "resume", "stop"):
        yield "POST", f"/workers/here:1/{command}", None
    yield "POST", "/errors/0123456789abcdef/resolve", None
    yield "POST", "/errors/0123456789abcdef/reopen", None
    yield "POST", "/errors/0123456789abcdef/mute", {"for": "1d"}
    alert = program.get("/api/v1/alerts").get_json()["alerts"][0]["id"]
    yield "POST", f"/alerts/{alert}/mute", {"for": "2h"}
    yield "POST", f"/alerts/{alert}/unmute", None


def _admin(program: Program, ids: dict[str, str]) -> Iterator[Call]:
    yield "POST", f"/mails/{ids['mail']}/resend", {"numbers": []}
    webhook = f"/webhooks/{ids['webhook']}"
    yield "POST", f"{webhook}/ping", None
    delivery = program.get(f"/api/v1{webhook}/deliveries").get_json()["deliveries"][0]
    yield "POST", f"/webhook-deliveries/{delivery['id']}/resend", None
    yield "DELETE", webhook, None
    user = program.post("/api/v1/users", {"name": "ada", "role": "operator"}).get_json()["id"]
    yield "PATCH", f"/users/{user}", {"role": "viewer", "actors": ["reports_*"]}
    for verb in ("new-link", "disable", "enable"):
        yield "POST", f"/users/{user}/{verb}", None
    token = program.post("/api/v1/tokens", {"name": "ci", "role": "submitter", "expires": "90d"}).get_json()["id"]
    yield "DELETE", f"/tokens/{token}", None


@pytest.mark.long
@pytest.mark.both_stores
def test_every_operation_that_changes_something_answers_as_described(site: Site, api_contract: Contract) -> None:
    api_contract.done.clear()
    ids, program = furnish(site), site.program()
    with write() as session:
        declared_schedules.synchronise(session, {"debug_message": every(60)}, {"debug_message"})
    sent = program.client.post("/api/v1/files", data={"file": (io.BytesIO(b"a picture"), "a.png")}, headers=program.headers)
    assert sent.status_code == 201
    for calls in (_jobs(program, ids), _workflows(program), _schedules(ids), _fleet(site, program), _admin(program, ids)):
        for method, path, body in calls:
            answer = program.client.open(f"/api/v1{path}", method=method, json=body, headers=program.headers)
            assert answer.status_code < 300, f"{method} {path}: {answer.text}"
    changing = {each["operationId"] for (path, method), each in operations().items() if method != "get" and not path.startswith("/actors/")}
    assert changing - api_contract.done == ELSEWHERE
    assert api_contract.breaches == []
