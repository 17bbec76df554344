"""Addresses that `bench.console` requests: every GET of the console and the API, and searches of the jobs list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from bench.filling import ACTORS
from src.jobs.core.models import FailureGroup, Job
from src.jobs.core.states import State

#: searches of the jobs list, and so the facets and counts beside it
QUERIES = (
    "", "state:dead", "state:succeeded", "state:queued", "state:scheduled", "state:failed actor:orders.check", "actor:mails.send queue:slow",
    "user:person7", "user:nobody", "created:today", "created:<20d state:dead", "finished:24h", "finished:24h state:dead", "duration:>40s", "wait:>5s",
    "error:TimeoutError", "worker:host1:1001", "source:schedule -state:succeeded", "is:stalled", "is:overdue", "is:retried", "person1234567",
    "arg.customer:1234567", "ja_jp state:dead", "nothing-has-this", "key:nobody", "workflow:nothing", "schedule:*7", "id:0198c1f2",
)  # fmt: skip
#: addresses with queries that change what is read
VARIANTS = (
    "/?range=24h",
    "/?range=7d",
    "/api/v1/jobs?q=state:dead&limit=200",
    "/queues?format=json",
    "/jobs?format=json",
    "/jobs?q=state:dead&after=500000",
    "/admin/audit?who=person7",
    "/admin/audit?outcome=refused",
    "/api/v1/jobs/many?verb=retry&q=state:dead",
    "/jobs/many?verb=retry&q=state:dead",
)
#: streams, which do not end, and addresses that need what this database has not: a pending file or link, a broken sign-in
LEFT_OUT = {
    "static", "jobs.events", "api.events", "api.fleet_events", "tabs.of_job", "tabs.of_actor", "api.workflow_events", "workflows.events", "auth.follow_link", "auth.sign_in", "jobs.file", "api.job_file",
    "jobs.result", "api.result", "jobs.rerun", "jobs.edit", "schedules.edit", "batches.new", "batches.template", "actors.form", "schedules.show_preview",
}  # fmt: skip


def addresses(session: Session, rules: Iterator[Rule]) -> list[str]:
    """Return every address with a job, group, schedule and so on of this database."""
    values = _values(session)
    found = [path for rule in rules if "GET" in (rule.methods or ()) and rule.endpoint not in LEFT_OUT for path in _built(rule, values)]
    return sorted({*found, *VARIANTS, *(f"/jobs?q={quote(query)}" for query in QUERIES)})


def _values(session: Session) -> dict[str, list[Any]]:
    """Map parameters of addresses, as `jobs/id`, to values."""
    dead = select(Job.id).where(Job.state == State.DEAD).order_by(Job.seq).limit(1)
    middle = select(Job.id).where(Job.seq == select(func.max(Job.seq) / 2).scalar_subquery())
    waiting = [select(Job.id).where(Job.state == state).order_by(Job.seq.desc()).limit(1) for state in (State.QUEUED, State.SCHEDULED)]
    jobs = [session.execute(statement).scalar_one() for statement in (dead, middle, *waiting)]
    return {
        "jobs/id": jobs, "workflows/id": ["00000001-0000-7000-8000-000000000000"], "webhooks/id": ["hook-1"], "batches/id": ["batch-0000"],
        "schedules/id": [1], "mails/id": ["00000001-0000-4000-8000-000000000000"], "reports/id": ["2026-7"], "reports/name": ["daily"],
        "queues/name": ["default"], "workers/name": ["host1:1001"], "actors/name": [ACTORS[0]], "other": jobs, "number": [1], "seq": [1], "form": ["csv"],
        "fingerprint": [session.execute(select(FailureGroup.fingerprint).order_by(FailureGroup.count.desc()).limit(1)).scalar_one()],
    }  # fmt: skip


def _built(rule: Rule, values: dict[str, list[Any]]) -> Iterator[str]:
    noun = rule.rule.removeprefix("/api/v1").removeprefix("/admin").split("/")[1]
    chosen = {name: values.get(f"{noun}/{name}", values.get(name, [None])) for name in rule.arguments}
    for number in range(max((len(each) for each in chosen.values()), default=1)):
        built = rule.build({name: each[min(number, len(each) - 1)] for name, each in chosen.items()}, append_unknown=False)
        assert built is not None, rule
        yield built[1]
