"""The page and API of usage."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from src.jobs.core.models import Attempt, Job
from src.jobs.upkeep import usage_counts
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import write
from tests.harness.jobs import claimed, ended, hired, settle
from tests.harness.site import Site, in_words


def test_page_and_api_show_the_same_sums_and_only_those_of_permitted_actors(site: Site) -> None:
    worker = hired(site.database, actors=("add", "fetch"))
    for actor, cpu_us in (("add", 1_500_000), ("add", 500_000), ("fetch", 250_000)):
        one = claimed(site.database, worker, actor=actor)
        settle(site.database, worker, ended(one, cpu_us=cpu_us, memory_bytes=5_000_000))
    with write() as session:
        earlier = now() - timedelta(minutes=5)
        session.execute(update(Job).values(created_at=earlier, started_at=earlier, finished_at=earlier))
        session.execute(update(Attempt).values(started_at=earlier, finished_at=earlier))
        usage_counts.count_new(session)

    document = site.program(Role.VIEWER).get("/api/v1/usage").get_json()
    assert [(line["name"], line["jobs"], line["cpu_seconds"]) for line in document["usage"]] == [("add", 2, 2.0), ("fetch", 1, 0.25)]
    assert (document["total"]["jobs"], document["total"]["memory_bytes"]) == (3, 5_000_000)

    browser = site.browser(Role.VIEWER)
    assert "add 2 1.00 2 s" in in_words(browser.get("/usage").text)
    assert browser.get("/usage?format=json").get_json()["usage"] == document["usage"]
    assert browser.get("/usage?format=csv").text.splitlines()[1].startswith("add,2,2,2,2.0")
    moved = browser.get("/usage?by=day&days=1")
    assert (moved.status_code, moved.location) == (302, "/usage?by=day&range=24h")
    assert f"{now():%Y-%m-%d}" in browser.get(moved.location).text
    assert "from=" in browser.get("/usage?days=90").location
    for period, jobs in (
        ("range=15m", 3),
        ("range=7d", 3),
        (f"from={earlier - timedelta(hours=3):%Y-%m-%dT%H:%M}Z&until={earlier - timedelta(hours=1):%Y-%m-%dT%H:%M}Z", 0),
    ):
        assert site.program(Role.VIEWER).get(f"/api/v1/usage?{period}").get_json()["total"]["jobs"] == jobs
        assert browser.get(f"/usage?format=json&{period}").get_json()["total"]["jobs"] == jobs
    assert "Unknown range" in browser.get("/usage?range=2h").text
    assert browser.get("/usage?by=colour").status_code == 422
    assert site.program(Role.VIEWER).get("/api/v1/usage?days=0").status_code == 422

    limited = site.program(Role.VIEWER, actors=["fetch"]).get("/api/v1/usage").get_json()
    assert [line["name"] for line in limited["usage"]] == ["fetch"]
