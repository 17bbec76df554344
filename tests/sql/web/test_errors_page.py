"""Error groups on their pages, and failed attempts on a job's page."""

from __future__ import annotations

import html
import json
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from src.audit import AuditEntry
from src.jobs import State
from src.jobs.core.fingerprints import fingerprint, of_lost_worker
from src.jobs.core.models import Attempt, FailureGroup, Job
from src.jobs.core.states import Outcome
from src.jobs.failures import counting, groups, occurrences
from src.jobs.failures.groups import Status
from src.jobs.failures.models import FailureDay
from src.jobs.search import extent, pages
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import read, write
from src.web.render.jobs.tracebacks import depths
from tests.harness.site import Site, in_words

pytestmark = pytest.mark.both_stores

TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/dramatiq/worker.py", line 485, in process_message
    res = actor(*message.args)
          ^^^^^^^^^^^^^^^^^^^^
  File "/srv/app/orders.py", line 12, in check
    raise ValueError(f"no order {number}")
ValueError: no order 7

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/app/orders.py", line 20, in fetch
    check(7)
  File "/usr/lib/python3.11/json/decoder.py", line 3, in decode
    raise KeyError
KeyError: 7
"""


def fail(site: Site, x: int, *, at: Any = None, worker: str = "web1:7") -> str:
    """A dead job of `divide` with one failed attempt, counted in its group; return the job's id."""
    id = site.program().submit("divide", x, 0)
    moment, error = at or now(), f"ValueError: no order {x}"
    known = fingerprint("divide", error, TRACEBACK)
    assert known is not None
    with write() as session:
        seq = session.execute(select(Job.seq).where(Job.id == id)).scalar_one()
        session.execute(
            update(Job).where(Job.id == id).values(state=State.DEAD, attempt=1, error=error, started_at=moment, finished_at=moment)
        )
        row = {"job_seq": seq, "number": 1, "worker": worker, "started_at": moment - timedelta(seconds=2), "finished_at": moment}
        session.execute(
            insert(Attempt).values(outcome=Outcome.FAILED, error=error, traceback=TRACEBACK, fingerprint=known.id, noted=False, **row)
        )
        counting.note_new(session)
    return id


def group() -> FailureGroup:
    with read() as session:
        return session.execute(select(FailureGroup)).scalar_one()


def status() -> Status:
    return groups.status(group())


def test_failures_are_grouped_with_what_they_have_in_common_and_a_way_to_retry_them(site: Site) -> None:
    ids = [fail(site, number, worker="web1:7" if number else "web2:9") for number in range(3)]
    visit = site.browser(Role.OPERATOR)
    listed = in_words(visit.get("/errors").text)
    assert "ValueError" in listed
    assert "no order 2" in listed
    page = visit.get(f"/errors/{group().fingerprint}").text
    words = in_words(page)
    assert "web1:7 2" in words
    assert "Argument y 0.0 3 (100 %)" in words
    assert "Retry all 3" in words
    assert all(f'href="/jobs/{id}"' in page for id in ids)
    retry = f"/jobs/many?verb=retry&scope=all&q=error:{group().fingerprint}+state:failed"
    assert "Retry 3 jobs?" in in_words(visit.get(retry).text)
    assert "Retry all 3" not in in_words(site.browser(Role.VIEWER).get(f"/errors/{group().fingerprint}").text)
    rows = json.loads(visit.get("/errors?format=json").text)["groups"]
    assert [(row["count"], row["status"], row["actors"]) for row in rows] == [(3, "open", ["divide"])]
    assert visit.get("/errors/0000000000000000").status_code == 404
    assert visit.get("/errors?status=odd").status_code == 422


def test_jobs_are_counted_and_retried_however_many_newer_ones_there_are(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(site, 1)
    fail(site, 2)
    for number in range(12):
        site.program().submit("add", number, 1)
    monkeypatch.setattr(pages, "FIRST", 1)
    monkeypatch.setattr(extent, "time", SimpleNamespace(monotonic=count().__next__))  # a search spends its budget at once
    visit, path = site.browser(Role.OPERATOR), f"/errors/{group().fingerprint}"
    words = in_words(visit.get(path).text)
    assert "deleted by retention" not in words
    assert "Retry all 2" in words
    monkeypatch.setattr(occurrences, "COUNTED", 1)
    words = in_words(visit.get(path).text)
    assert "Retry all 1+" in words
    assert "dead 1+" in words
    with write() as session:
        session.execute(delete(Job).where(Job.actor == "divide"))
        session.execute(delete(Attempt))
    words = in_words(visit.get(path).text)
    assert "all deleted by retention" in words
    assert "Retry all" not in words


def test_a_resolved_group_that_comes_again_is_shown_as_regressed(site: Site) -> None:
    fail(site, 1, at=now() - timedelta(minutes=5))
    visit = site.browser(Role.OPERATOR)
    path = f"/errors/{group().fingerprint}"
    visit.fill_in(path, action=f"{path}/resolve")
    assert status() is Status.RESOLVED
    assert "No unresolved errors." in in_words(visit.get("/errors").text)
    assert "ValueError" in in_words(visit.get("/errors?status=resolved").text)
    fail(site, 2, at=now() - timedelta(minutes=3))  # it failed before it was resolved, and was counted late
    assert status() is Status.RESOLVED
    fail(site, 3)
    assert status() is Status.REGRESSED
    assert "it was resolved and occurred again" in in_words(visit.get(path).text)
    visit.fill_in(path, action=f"{path}/resolve")
    visit.fill_in(path, action=f"{path}/reopen")
    assert status() is Status.OPEN


def test_a_muted_group_is_quiet_until_its_time_is_over(site: Site) -> None:
    fail(site, 1)
    visit = site.browser(Role.OPERATOR)
    path = f"/errors/{group().fingerprint}"
    visit.fill_in(path, action=f"{path}/mute", **{"for": "1d"})
    fail(site, 2)
    assert status() is Status.MUTED
    with write() as session:
        session.execute(update(FailureGroup).values(count=1000))
        assert counting.to_mail(session, except_actors=()) == []
        session.execute(update(FailureGroup).values(muted_until=now() - timedelta(seconds=1)))
        assert len(counting.to_mail(session, except_actors=())) == 1
    assert status() is Status.OPEN
    assert visit.fill_in(path, action=f"{path}/mute", **{"for": "ever"}).status_code == 400


def test_a_traceback_has_three_depths() -> None:
    found = depths(TRACEBACK)
    assert found.where == "/srv/app/orders.py, line 20, in fetch"
    assert found.whole == TRACEBACK
    assert "site-packages" not in found.own
    assert found.own.count("… 1 library frame …") == 2
    assert "ValueError: no order 7" in found.own
    assert "another exception occurred" in found.own
    assert found.own.rstrip().endswith("KeyError: 7")


@pytest.mark.parametrize("text", ["", "boom", '  File "x", line 1, in <module>\n', "Traceback (most recent call last):\n"])
def test_any_text_has_depths(text: str) -> None:
    assert depths(text).whole == text


def test_a_jobs_page_leads_to_its_group_and_draws_its_attempts(site: Site) -> None:
    id = fail(site, 1)
    page = site.browser().get(f"/jobs/{id}").text
    assert f'href="/errors/{group().fingerprint}"' in page
    assert "Your frames" in page
    assert 'class="piece failed"' in page
    assert "attempt 1 failed" in page


def test_a_job_is_copied_as_request_python_and_command(site: Site) -> None:
    id = site.program().submit("divide", 1, 0)
    page = html.unescape(site.browser().get(f"/jobs/{id}").text)
    assert "./run submit divide --x 1.0 --y 0.0" in page
    assert "actor = actors.broker.get_actor('divide')" in page
    assert "actor.message(1.0, 0.0)" in page
    assert '"actor": "divide", "args": [1.0, 0.0]' in page
    assert f'"message_id": "{id}"' in page


def test_a_user_limited_to_actors_sees_no_other_errors_and_has_no_bulk_actions(site: Site) -> None:
    fail(site, 1)
    limited = site.browser(Role.OPERATOR, ["add"])
    assert "no order N" not in limited.get("/errors").text
    assert limited.get(f"/errors/{group().fingerprint}").status_code == 403
    assert "no order N" not in limited.get("/").text
    # A group may be of several actors, so who is limited to some sees none.
    assert site.browser(Role.OPERATOR, ["divide"]).get("/errors").status_code == 403
    token = limited.hidden("/", action="/sign-out")
    asked = {"verb": "retry", "q": "", "count": "1", "up_to": "9"}
    assert limited.client.post("/jobs/many", data={**token, **asked}).status_code == 403


def test_the_list_shows_the_newest_message_as_it_was_with_its_variable_parts_marked_and_counts_by_day(site: Site) -> None:
    fail(site, 7, at=now() - timedelta(days=2))
    fail(site, 8, at=now() - timedelta(days=2))
    fail(site, 9)
    visit = site.browser(Role.VIEWER)
    page = visit.get("/errors").text
    assert "no order <mark>9</mark>" in page
    assert 'aria-label="3 in 14 days, at most 2 on a day"' in page
    [row] = visit.get("/errors?format=json").get_json()["groups"]
    assert row["days"] == [0] * 11 + [2, 0, 1]
    fail(site, 6, at=now() - timedelta(days=counting.DAYS))
    with write() as session:
        counting.forget(session, keep=timedelta(days=90))
        kept = session.execute(select(FailureDay.failures).order_by(FailureDay.day)).scalars().all()
    assert kept == [2, 1]
    assert row["newest_error"] == "ValueError: no order 9"


def test_the_list_is_searched_sorted_and_paged(site: Site) -> None:
    present = now()
    with write() as session:
        for number in range(60):
            seen = present - timedelta(minutes=number)
            session.add(
                FailureGroup(
                    fingerprint=f"{number:016x}", kind="OSError", place=f"shop/orders.py:place{number}", message="no 50% of it, Übertrag", actors=["add"],
                    count=1 + number % 7, count_before=0, mailed_count=0, first_seen_at=seen, opened_at=seen, last_seen_at=seen,
                )
            )  # fmt: skip
    visit = site.browser(Role.VIEWER)

    def listed(query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            answer = visit.get(f"/errors?format=json&{query}&after={after}" if after else f"/errors?format=json&{query}").get_json()
            found += answer["groups"]
            after = answer["after"]
        return found

    assert [each["place"] for each in listed("q=place5+ORDERS")] == [f"shop/orders.py:place{number}" for number in (5, *range(50, 60))]
    assert listed("q=place%25") == []
    assert len(listed("q=Übertrag")) == 60
    if site.database.is_sqlite:
        assert len(listed("q=übertrag")) == 60
    for sort, name in (("count", "count"), ("first", "first_seen_at"), ("last", "last_seen_at")):
        values = [each[name] for each in listed(f"sort={sort}")]
        assert len(values) == 60
        assert values == sorted(values, reverse=True)
    assert visit.get("/errors?sort=sideways").status_code == 422


def test_selected_groups_are_resolved_muted_and_reopened_together(site: Site) -> None:
    fail(site, 1)
    visit = site.browser(Role.OPERATOR)
    chosen = {"fingerprint": [group().fingerprint], "back": "/errors?sort=count"}
    for action, wanted in (("resolve", Status.RESOLVED), ("reopen", Status.OPEN), ("mute", Status.MUTED)):
        answer = visit.client.post(f"/errors/{action}", data={**visit.hidden("/jobs", action="/sign-out"), **chosen, "for": "1d"})
        assert (answer.status_code, answer.location, status()) == (303, "/errors?sort=count", wanted)
    reopened = {**visit.hidden("/jobs", action="/sign-out"), "fingerprint": [group().fingerprint, "deleted"]}
    assert visit.client.post("/errors/reopen", data=reopened).status_code == 303
    assert status() is Status.OPEN, "one that retention has deleted does not stop the others"
    words = in_words(visit.get("/errors").text)
    assert "1 error group: " in words
    assert "1 of the selected error groups no longer exists." in words
    with read() as session:
        entries = session.execute(
            select(AuditEntry.action, AuditEntry.subject).where(AuditEntry.action.startswith("error.")).order_by(AuditEntry.seq)
        ).all()
    assert [tuple(each) for each in entries] == [
        (f"error.{action}", group().fingerprint) for action in ("resolve", "reopen", "mute", "reopen")
    ], "one entry for each group and change, and no other"  # fmt: skip
    answer = visit.client.post("/errors/resolve", data={**visit.hidden("/jobs", action="/sign-out"), "back": "https://example.org/"})
    assert answer.location == "/"
    assert "No error groups selected." in visit.get("/errors").text


def test_lost_workers_are_one_group_whatever_they_ran(site: Site) -> None:
    for actor in ("add", "mul"):
        id = site.program().submit(actor, 1, 2)
        with write() as session:
            seq = session.execute(select(Job.seq).where(Job.id == id)).scalar_one()
            row = {"job_seq": seq, "number": 1, "worker": "web1:7", "started_at": now(), "finished_at": now(), "noted": False}
            session.execute(insert(Attempt).values(outcome=Outcome.LOST, error="lost", fingerprint=of_lost_worker().id, **row))
            counting.note_new(session)
    assert (group().kind, group().place, group().actors, group().count) == ("WorkerLost", "infrastructure", ["add", "mul"], 2)
    assert "Workers lost" in site.browser(Role.VIEWER).get("/errors").text
