"""The page of a queue compares SQL and RabbitMQ, and purges waiting jobs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from src.broker.recover import management
from src.broker.recover.management import Overview, QueueNumbers
from src.jobs import State
from src.jobs.core.models import Job
from src.jobs.read import queries
from src.jobs.upkeep import row_counting
from src.operations.people.roles import Role
from src.scheduling import housekeeping
from src.sql.clock import now
from src.sql.database import write
from tests.harness.site import Site, in_words
from tests.sql.web.test_bulk import carry_out, counts, fill, lines

pytestmark = pytest.mark.both_stores


def _broker(monkeypatch: pytest.MonkeyPatch, **ready: int) -> None:
    numbers = {name.replace("_", "."): QueueNumbers(ready=number, unacked=0, consumers=1) for name, number in ready.items()}
    monkeypatch.setattr(management, "overview", lambda: Overview(True, "4.0", numbers, is_counted=True))


def test_the_pages_say_what_is_missing_or_too_many_and_what_mends_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, program = site.browser(Role.VIEWER), site.program(Role.VIEWER)
    fill(5, state=State.QUEUED)
    with write() as session:
        session.execute(update(Job).values(published_at=now() - timedelta(minutes=2), publish_at=None))

    _broker(monkeypatch, default=2, default_high=3)  # one Dramatiq queue is three of RabbitMQ
    words = in_words(viewer.get("/queues/default").text)
    assert "in RabbitMQ 5 ready, 0 unacked, 1 consumer" in words
    assert "No drift" in words
    assert program.get("/api/v1/queues").get_json()["queues"][0]["drift"] == {"unpublished": 0, "missing": 0, "surplus": 0}

    _broker(monkeypatch, default=1)
    assert "missing The messages of 4 queued jobs are not in RabbitMQ (queue was purged" in in_words(viewer.get("/queues/default").text)
    assert "check every 15 s and publish" in in_words(viewer.get("/queues/default").text)
    assert "4 missing" in in_words(viewer.get("/queues").text)
    _broker(monkeypatch, default=6)
    assert "stale RabbitMQ holds 1 stale copy" in in_words(viewer.get("/queues/default").text)
    assert "1 stale copy" in in_words(viewer.get("/queues").text)
    [row] = [each for each in viewer.get("/queues?format=json").get_json()["queues"] if each["queue"] == "default"]
    assert (row["missing"], row["surplus"]) == (0, 1)

    monkeypatch.setattr(management, "overview", lambda: Overview(False))
    assert "No counts from RabbitMQ" in in_words(viewer.get("/queues/default").text)
    assert "Purge" not in in_words(viewer.get("/queues/default").text)


def test_a_purge_cancels_what_waits_and_nothing_else(site: Site) -> None:
    operator, program = site.browser(Role.OPERATOR), site.program(Role.OPERATOR)
    for state, number in (
        (State.QUEUED, 90),
        (State.SCHEDULED, 40),
        (State.RETRYING, 20),
        (State.RUNNING, 3),
        (State.HELD, 2),
        (State.DEAD, 1),
    ):
        fill(number, state=state)

    assert "Cancel waiting jobs in default" in in_words(operator.get("/queues/default").text)
    confirm = operator.get("/jobs/many?verb=cancel&scope=all&q=queue:default+state:scheduled,queued,retrying")
    assert "Cancel 150 jobs?" in in_words(confirm.text)
    refused = program.post("/api/v1/queues/default/purge", {})
    assert refused.status_code == 409
    assert refused.get_json()["detail"] == "150 jobs are waiting in default: send count 150 to cancel them all."
    refused = program.post("/api/v1/queues/default/purge", {"count": 149})
    assert (refused.status_code, refused.get_json()["detail"]) == (
        409,
        "150 jobs are waiting now, not 149. Check again, then send count 150.",
    )
    assert program.post("/api/v1/queues/nowhere/purge", {}).status_code == 404
    assert program.post("/api/v1/queues/default/purge", {"count": "many"}).status_code == 422
    accepted = program.post("/api/v1/queues/default/purge", {"count": 150})
    assert accepted.status_code == 202
    assert accepted.get_json()["count"] == 150
    assert program.get(f"/api/v1/jobs/{accepted.get_json()['id']}").get_json()["actor"] == "act_on_jobs"
    fill(1, state=State.QUEUED)  # came later: not meant

    assert carry_out()["done"] == 150

    assert counts() == {State.CANCELLED: 150, State.QUEUED: 1, State.RUNNING: 3, State.HELD: 2, State.DEAD: 1}
    assert lines("queue.purge") == 1
    assert lines("job.cancel") == 150
    assert program.post("/api/v1/queues/default/purge", {}).get_json()["count"] == 1


def test_a_limited_caller_never_sees_counts_of_other_actors_jobs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(3, state=State.DEAD)
    for module in (queries, row_counting):
        monkeypatch.setattr(module, "COUNTED", 1)
    housekeeping.count_rows()
    everyone, limited = site.browser(Role.VIEWER), site.browser(Role.VIEWER, actors=["mul"])

    assert [row["dead"] for row in everyone.get("/queues?format=json").get_json()["queues"] if row["queue"] == "default"] == [3]
    assert [row["dead"] for row in limited.get("/queues?format=json").get_json()["queues"] if row["queue"] == "default"] == [0]
