"""Hidden actors: users who may not see an actor find its name, its queue and everything named after it on no page."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import dramatiq
import pytest
from sqlalchemy import insert, update

from src import actors
from src.actors.arithmetic import add
from src.broker.recover import management
from src.broker.recover.management import Overview, QueueNumbers
from src.jobs import State, submit
from src.jobs.alerts.models import Alert, AlertKind, AlertMute
from src.jobs.core.models import Attempt, FailureGroup, Job, Worker
from src.jobs.core.states import Outcome
from src.jobs.limits import overrides
from src.jobs.limits.models import BreakerState
from src.jobs.submit import defaults
from src.jobs.workflows.canvas import Workflow, chunks
from src.operations.fleet.figures import fleet_metrics, history
from src.operations.people.models import SavedView
from src.operations.people.roles import Role
from src.reports import archive
from src.reports.document import Column, Document, Table
from src.sql.clock import now
from src.sql.database import write
from tests.harness.site import Program, Site, Visit

#: hidden texts
PLANT = "zq7"
ACTOR, QUEUE, SCHEDULE = f"{PLANT}_payroll", f"{PLANT}_queue", f"{PLANT} nightly"
#: a queue that actors of both kinds share
SHARED = "default"
#: a report on every actor
REPORT = "daily_operations"
SECOND = timedelta(seconds=1)


@pytest.fixture
def hidden() -> Iterator[None]:
    """An actor with a queue of its own, and a way to see it that administrators alone have."""

    @dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=actors.broker, max_retries=0)
    def pay(who: Any = "") -> None: ...

    yield
    del actors.broker.actors[ACTOR]
    actors.broker.queues.discard(QUEUE)


# Both go through `Sight` of src/operations/people/permissions.py; test_declared_rights.py opens the main pages of the second.
@pytest.fixture(params=["limited", pytest.param("declared", marks=pytest.mark.slow)])
def role_and_actors(request: pytest.FixtureRequest, hidden: None) -> Iterator[tuple[Role, list[str] | None]]:
    """Both ways not to see an actor: by one's own limit, and by what its code says."""
    if request.param == "limited":
        yield Role.OPERATOR, ["add"]
        return
    defaults.declare(ACTOR, replace(defaults.of(ACTOR), view_role="admin"))
    yield Role.OPERATOR, None
    defaults.declare(ACTOR, replace(defaults.of(ACTOR), view_role=None))


def become(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def plant(site: Site, *, beside: str = "add") -> dict[str, str]:
    """Everything that may name an actor, of the hidden one; the ids of what has an address of its own. `beside`: actor of its workflow's second step."""
    admin, browser, present = site.program(Role.ADMIN), site.browser(Role.ADMIN), now()
    ids = [admin.submit(ACTOR, f"{PLANT}-{number}") for number in range(6)]
    with write() as session:
        session.execute(
            insert(Worker).values(
                id=71, name="here:71", host="here", pid=71, version="1", threads=4, queues=[QUEUE, SHARED], actors=[ACTOR, "add"], started_at=present,
                heartbeat_at=present, expires_at=present + timedelta(hours=1), busy=3, frontier={QUEUE: 1},
            )
        )  # fmt: skip
        session.execute(
            insert(FailureGroup).values(
                fingerprint="f" * 16, kind=f"{PLANT}Error", place=f"{PLANT}.py:1", message=f"{PLANT} failed", actors=[ACTOR], count=3, count_before=0,
                first_seen_at=present, opened_at=present, last_seen_at=present, mailed_count=0,
            )
        )  # fmt: skip
        for kind, subject in ((AlertKind.BACKLOG, QUEUE), (AlertKind.LATE, SCHEDULE), (AlertKind.FAILURES, "")):
            text = f"{PLANT}: {subject} is wrong" if subject else "5 of 6 jobs are dead"
            for recovered in (None, present):
                session.execute(
                    insert(Alert).values(kind=kind, subject=subject, text=text, seen_at=present, began_at=present, recovered_at=recovered)
                )
            session.execute(
                insert(AlertMute).values(
                    kind=AlertKind.OLDEST, subject=f"{subject}.", until=present + timedelta(hours=1), muted_by=PLANT, muted_at=present
                )
            )
        session.execute(insert(BreakerState).values(actor=ACTOR, failures=9, opened_at=present, probe_at=present))
        for scope, name in (("actor", ACTOR), ("queue", QUEUE)):
            overrides.pause(session, scope, name, by="admin", reason=f"{PLANT} is broken")
            overrides.set_concurrency(session, scope, name, 3, by="admin")
    become(ids[0], state=State.RUNNING, started_at=present, worker_id=71, attempt=1)
    become(ids[1], state=State.SUCCEEDED, started_at=present, finished_at=now(), attempt=1)
    for id in ids[2:4]:
        become(id, state=State.DEAD, started_at=present, finished_at=now(), error=f"{PLANT}Error: {PLANT} failed", attempt=1)
    become(ids[4], state=State.RUNNING, started_at=present - timedelta(hours=9), worker_id=71, attempt=1)
    with write() as session:
        for id in ids[1:4]:
            seq = session.query(Job.seq).where(Job.id == id).scalar()
            outcome = Outcome.SUCCEEDED if id == ids[1] else Outcome.FAILED
            fingerprint = None if id == ids[1] else "f" * 16
            values = {
                "job_seq": seq,
                "number": 1,
                "worker": "here:71",
                "started_at": present - SECOND,
                "finished_at": now(),
                "outcome": outcome,
            }
            session.execute(insert(Attempt).values(**values, error=f"{PLANT}Error", fingerprint=fingerprint, noted=True))
    schedule = admin.post("/api/v1/schedules", {"name": SCHEDULE, "actor": ACTOR, "cron": "0 3 * * *"}).get_json()
    workflow = admin.post(
        "/api/v1/workflows",
        {
            "name": f"{PLANT} flow",
            "steps": [{"name": "a", "actor": ACTOR}, {"name": "b", "actor": beside, "args": [1, 2] if beside == "add" else []}],
        },
    )
    with write() as session:
        Workflow(f"{PLANT} chunks", chunks(actors.broker.get_actor(ACTOR), [f"{PLANT}-1", f"{PLANT}-2"], 2)).submit(session)
        table = Table(title="Actors", columns=(Column(name="Actor"),), rows=((ACTOR,),))
        report = Document(title="Daily", summary=f"{PLANT} failed", period="today", made_at=present, blocks=(table,))
        archive.keep(session, REPORT, "issue", report, job_id=None, pdf=None, pdf_note=None, mail_id=None)
    many = {"verb": "cancel", "q": f"actor:{ACTOR} {PLANT}"}
    count = admin.get(f"/api/v1/jobs/many?{urlencode(many)}").get_json()["count"]
    assert admin.post("/api/v1/jobs/many", {**many, "count": count}).status_code == 202
    batch = browser.fill_in(f"/actors/{ACTOR}/rows", file=(io.BytesIO(f"who\n{PLANT}\n".encode()), f"{PLANT}.csv"))
    with write() as session:
        for name, query in (
            (f"{PLANT} view", "state:dead"),
            ("of an actor", f"actor:{ACTOR}"),
            ("of a queue", f"actor:add queue:{QUEUE}"),
            ("of a word", f"actor:add {PLANT}"),
        ):
            row = {"owner": "user 0", "owner_name": "someone", "name": name, "query": query, "is_shared": True, "created_at": present}
            session.execute(insert(SavedView).values(**row))
    return {
        "job": ids[0],
        "dead": ids[2],
        "schedule": str(schedule["id"]),
        "workflow": workflow.get_json()["id"],
        "batch": batch.location.rsplit("/", 1)[1],
    }


def own(site: Site) -> dict[str, str]:
    """Things of an actor that both may see, where they can name the hidden one."""
    admin = site.program(Role.ADMIN)
    told = {"name": "own", "actor": "add", "args": [1, 2], "cron": "0 3 * * *", "on_failure": ACTOR, "on_recovery": ACTOR}
    schedule = admin.post("/api/v1/schedules", told).get_json()
    workflow = admin.post("/api/v1/workflows", {"name": "own flow", "steps": [{"name": "b", "actor": "add", "args": [1, 2]}]}).get_json()
    follows = actors.broker.get_actor(ACTOR).message(PLANT).asdict()
    options: Any = {"pipe_target": follows, "group_completion_uuid": "g", "group_completion_callbacks": [follows], "on_success": ACTOR}
    with write() as session:
        job = submit(session, add.message_with_options(args=(1, 2), **options)).id
    return {"job": job, "schedule": str(schedule["id"]), "workflow": workflow["id"]}


def addresses(site: Site, planted: dict[str, str], mine: dict[str, str]) -> list[str]:
    """Every address that is read, about what the visitor may see and about what he may not."""
    found = []
    for rule in site.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint == "static":
            continue
        path = rule.rule.replace("<any(csv, pdf, txt):form>", "txt")
        kinds = [kind for kind in ("job", "schedule", "workflow", "batch") if f"/{kind}" in path]
        choices = [each[kinds[0]] for each in (mine, planted) if kinds[0] in each] if kinds else ["add", SHARED, "1"]
        choices = choices if "<" in path else [""]
        for choice in choices:
            address = re.sub(r"<[^>]+>", "1", re.sub(r"<(?:string:)?\w+>", choice, path, count=1))
            has_twins = "<" not in path and not path.startswith("/api")
            found += [address, f"{address}?format=json", f"{address}?format=csv"] if has_twins else [address]
    found += [f"/reports/{REPORT}/issue.{form}" for form in ("csv", "txt")]
    found += [f"{begin}/reports/{REPORT}{rest}" for begin in ("", "/api/v1") for rest in ("", "/issue")] + ["/jobs?q=Daily"]
    queries = ["state:dead", "state:running", "is:stalled", "actor:", "queue:", "worker:"]
    found += (
        [f"/jobs?q={query}" for query in queries]
        + [f"/jobs/suggest?q={query}" for query in queries]
        + ["/?period=24h", "/?period=7d", "/jobs/many?q=state:dead"]
    )
    return found


def sweep(visitors: list[Visit | Program], paths: list[str]) -> dict[str, str]:
    said = {}
    for number, visitor in enumerate(visitors):
        for path in paths:
            if path.startswith("/api/") != isinstance(visitor, Program) and not path.startswith("/metrics"):
                continue
            # Not read to its end: that of a stream is far away.
            answer = visitor.client.get(path, headers=getattr(visitor, "headers", None))
            if answer.mimetype == "text/event-stream":
                chunks = answer.iter_encoded()
                said[f"{number} {path}"] = (next(chunks) + next(chunks, b"")).decode()
            else:
                said[f"{number} {path}"] = f"{answer.status_code} {answer.headers} {answer.text}"
            answer.close()

    return said


@pytest.fixture
def numbers_of_rabbitmq(monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ's own numbers, also of the hidden queue; there is no RabbitMQ here."""
    queues = {name: QueueNumbers(7001, 3, 2, 1.0, 1.0) for name in (QUEUE, SHARED, f"{QUEUE}.XQ", f"{SHARED}.XQ")}
    monkeypatch.setattr(management, "overview", lambda **_: Overview(True, "4.1", queues, True))


def forget_kept() -> None:
    history._kept.clear()
    fleet_metrics._kept.clear()


@pytest.mark.long
def test_a_hidden_actor_is_found_nowhere(site: Site, role_and_actors: tuple[Role, list[str] | None], numbers_of_rabbitmq: None) -> None:
    role, allowed = role_and_actors
    planted, mine = plant(site), own(site)
    paths = addresses(site, planted, mine)
    forget_kept()
    pages = (
        "/",
        "/jobs",
        "/queues",
        "/workers",
        "/alerts",
        "/metrics",
        "/errors",
        "/schedules",
        "/batches",
        "/api/v1/workers",
        "/api/v1/limits",
    )
    everything = sweep([site.browser(Role.ADMIN), site.program(Role.ADMIN)], list(pages))
    # Those of the administrator first, so that whatever is kept for others is kept now.
    assert [where for where, what in everything.items() if PLANT not in what] == []

    said = sweep([site.browser(role, allowed), site.program(role, allowed)], paths)
    found = {where: what[max(0, what.index(PLANT) - 200) : what.index(PLANT) + 60] for where, what in said.items() if PLANT in what}
    assert found == {}, json.dumps(found, indent=1)
    # Without RabbitMQ, as described; no other error.
    away = {where for where, what in said.items() if where.endswith("/dead-letters") and what.startswith("503")}
    assert [where for where, what in said.items() if what.startswith("5") and where not in away] == []


@pytest.mark.long
def test_numbers_tell_nothing_of_hidden_jobs(site: Site, role_and_actors: tuple[Role, list[str] | None], numbers_of_rabbitmq: None) -> None:
    role, allowed = role_and_actors
    visit, program = site.browser(role, allowed), site.program(role, allowed)
    own(site)

    def numbers() -> list[str]:
        forget_kept()
        site.program(Role.ADMIN).get("/metrics")  # its cache must not be served to others
        site.browser(Role.ADMIN).get("/")
        told = [line for line in program.get("/metrics").text.splitlines() if "_seconds" not in line and "worker" not in line]
        page = visit.get("/").text
        strip = re.sub(r"oldest [^<]*", "", page[page.index('class="numbers five"') :].split("</ul>")[0])
        return [*told, strip, program.get("/api/v1/queues").text.partition("oldest")[0]]

    before = numbers()
    plant(site, beside=ACTOR)
    assert numbers() == before
