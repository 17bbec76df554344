"""The overview and the workers' page: problems, and their place."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from src.broker.recover import management
from src.broker.recover.management import Overview
from src.jobs import State
from src.jobs.core.models import FailureGroup, Heartbeat, Job, Worker
from src.jobs.leases import heartbeats, workers
from src.sql.clock import now
from src.sql.database import write
from tests.harness.site import Site, in_words

pytestmark = pytest.mark.both_stores


def hire(id: int, **values: Any) -> None:
    present = now()
    row = {
        "id": id,
        "name": f"web{id}:70{id}",
        "host": f"web{id}",
        "pid": 700 + id,
        "version": "0.1.0",
        "threads": 8,
        "queues": ["default"],
        "actors": [],
    }
    times = {
        "started_at": present - timedelta(hours=2),
        "heartbeat_at": present,
        "expires_at": present + timedelta(minutes=1),
        "busy": 1,
        "frontier": {},
    }
    with write() as session:
        session.execute(insert(Worker).values(**{**row, **times, **values}))


def beat(*, pid: int = 8, **values: Any) -> None:
    present = now()
    times = {"started_at": present, "heartbeat_at": present, "expires_at": present + timedelta(minutes=1)}
    with write() as session:
        for role in heartbeats.Role:
            row = {"role": role, "name": f"web1:{pid}", "host": "web1", "pid": pid, "version": "0.1.0", "broker": ""}
            session.execute(insert(Heartbeat).values(**{**row, **times, **values}))


def become(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def test_five_numbers_lead_to_the_jobs_that_they_count(site: Site) -> None:
    visit, program = site.browser(), site.program()
    ids = [program.submit("add", number, 1) for number in range(6)]
    for id, state in zip(ids, (State.RUNNING, State.RETRYING, State.DEAD, State.SUCCEEDED, State.SUCCEEDED), strict=False):
        become(id, state=state, started_at=now(), finished_at=now() if state.is_final else None)
    page = visit.get("/").text
    strip = page[page.index('class="numbers five"') : page.index("</ul>", page.index('class="numbers five"'))]
    found = re.findall(r'href="([^"]+)"><span class="value">([^<]+)</span> <span class="badge (\w+)"', strip)
    assert [(value, state) for _, value, state in found] == [
        ("1", "running"), ("1", "queued"), ("1", "retrying"), ("1", "dead"), ("66.7 %", "succeeded"),
    ]  # fmt: skip
    for address, value, _ in found[:4]:
        assert len(re.findall(r'<th scope="row"><a href="/jobs/', visit.get(html.unescape(address)).text)) == int(value)
    assert "1 in the last 24 hours" in in_words(strip)
    assert "oldest" in in_words(strip)
    assert "total succeeded 2, dead 1" in page
    assert visit.get("/?period=7d").status_code == 200
    assert "Unknown range 1y" in visit.get("/?period=1y").text


def test_what_needs_a_person_is_named_and_else_all_is_clear(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "overview", lambda **_: Overview(True, "4.0"))
    visit, program = site.browser(), site.program()
    hire(1)
    beat()
    id = program.submit("add", 1, 1)
    assert "All clear." in in_words(visit.get("/").text)
    become(id, state=State.RUNNING, worker_id=99, started_at=now())
    assert "stalled" in in_words(visit.get("/").text)
    become(id, state=State.QUEUED, queue="nobody", worker_id=None)
    text = in_words(visit.get("/").text)
    assert "All clear." not in text


def test_nothing_is_clear_while_a_process_is_silent_or_missing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "overview", lambda **_: Overview(True, "4.0"))
    visit = site.browser()
    text = in_words(visit.get("/").text)
    assert "No workers are running." in text
    assert "All clear." not in text
    hire(1)
    beat()
    assert "All clear." in in_words(visit.get("/").text)
    with write() as session:
        session.execute(
            update(Heartbeat).where(Heartbeat.role == heartbeats.Role.SCHEDULER).values(expires_at=now() - timedelta(seconds=1))
        )
    text = in_words(visit.get("/").text)
    assert "no heartbeat for" in text
    assert "All clear." not in text
    assert "See the problems at the top of this page." in text


def test_lost_workers_and_schedulers_are_changes(site: Site) -> None:
    visit = site.browser()
    hire(1)
    beat()
    assert "No deploys, no changed schedules, no lost processes." in in_words(visit.get("/").text)
    hire(2, lost_at=now() - timedelta(minutes=2), expires_at=now() - timedelta(minutes=2))
    hire(3, stopped_at=now(), expires_at=now())
    gone = {"started_at": now() - timedelta(hours=2), "heartbeat_at": now() - timedelta(minutes=3)}
    beat(pid=9, **gone, expires_at=now() - timedelta(minutes=2))
    beat(pid=10, **gone, expires_at=now(), stopped_at=now())
    page = visit.get("/").text
    text = in_words(page)
    assert "Worker web2:702 was lost" in text
    assert "Scheduler web1:9 was lost" in text
    assert text.count("was lost") == 2
    assert "No deploys" not in text
    assert 'href="/workers/web2:702' in page
    assert "was lost" not in in_words(visit.get("/?from=2020-01-01T00:00Z&until=2020-01-02T00:00Z").text)


def test_a_range_longer_than_lost_processes_are_kept_says_so(site: Site) -> None:
    visit, words = site.browser(), "kept for a day."
    hire(1, lost_at=now() - timedelta(days=2), expires_at=now() - timedelta(days=2))
    with write() as session:
        workers.forget_old(session)
    for path in ("/", "/workers"):
        for chosen, is_said in (("7d", True), ("24h", False), ("1h", False)):
            assert (words in in_words(visit.get(f"{path}?range={chosen}").text)) is is_said, (path, chosen)
    assert words not in in_words(visit.get("/workers").text)


def test_recovered_groups_hide_no_open_one(site: Site) -> None:
    seen = [now() - timedelta(minutes=number) for number in range(7)]
    with write() as session:
        for number, at in enumerate(seen):
            session.add(
                FailureGroup(
                    fingerprint=f"{number:016x}", kind="OSError", place="shop:pay", message=f"group {number}", actors=["add"], count=9, count_before=0,
                    first_seen_at=at, opened_at=at, last_seen_at=at, recovered_at=now() if number < 6 else None, mailed_count=0,
                )
            )  # fmt: skip
    text = in_words(site.browser().get("/").text)
    assert "group 6" in text
    assert "group 0" not in text


def test_a_deploy_is_marked_in_each_chart(site: Site) -> None:
    id = site.program().submit("add", 1, 1)
    become(id, state=State.SUCCEEDED, started_at=now(), finished_at=now())
    hire(1, version="0.0.9", started_at=now() - timedelta(hours=3))
    hire(2, version="0.1.0", started_at=now() - timedelta(minutes=30))
    page = site.browser().get("/").text
    charts = page.split("data-since=")[1:]
    assert [len(re.findall(r"<title>0\.1\.0 deployed ", chart)) for chart in charts] == [1] * 6
    assert "0.0.9 deployed" not in page


def test_the_workers_page_says_who_runs_what_and_which_version_is_another(site: Site) -> None:
    visit = site.browser()
    assert "No workers running" in in_words(visit.get("/workers").text)
    hire(1)
    hire(2, version="0.0.1")
    hire(3, lost_at=now(), expires_at=now() - timedelta(seconds=1))
    id = site.program().submit("add", 1, 1)
    become(id, state=State.RUNNING, worker_id=2, started_at=now())
    page = visit.get("/workers").text
    text = in_words(page)
    assert "version 0.0.1, web 0.1.0" in text
    assert f'href="/jobs/{id}"' in page
    assert "Idle." in text
    assert "web3:703 heartbeat lost, jobs moved" in text
    rows = visit.get("/workers?format=json").get_json()["workers"]
    assert [(row["name"], row["running"]) for row in rows] == [("web1:701", 0), ("web2:702", 1)]


def test_the_workers_page_says_what_has_become_of_a_silent_schedulers_work(site: Site) -> None:
    visit = site.browser()
    beat(pid=9, started_at=now() - timedelta(hours=2), heartbeat_at=now() - timedelta(minutes=5), expires_at=now() - timedelta(minutes=4))
    text = in_words(visit.get("/workers").text)
    assert ": no other scheduler is running" in text
    assert "has taken over" not in text
    assert "No scheduler is running. Start one with ./run scheduler" in text
    with write() as session:
        session.execute(update(Heartbeat).values(host="web2"))
    beat()
    text = in_words(visit.get("/workers").text)
    assert text.count(": another process has taken over") == len(heartbeats.Role)
    assert "No scheduler is running" not in text
