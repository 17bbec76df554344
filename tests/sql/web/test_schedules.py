"""Schedules on pages and in the API: listed, created, changed, refused, with a preview of their ticks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

import src.actors
from src.actor_schema.secrets import unseal
from src.actors.arithmetic import add
from src.broker.options import periodic
from src.jobs.core.models import Attempt, Job
from src.jobs.limits import overrides
from src.jobs.options.job_options import JobOptions
from src.jobs.submit import defaults
from src.jobs.submit.defaults import Defaults
from src.jobs.submit.submission import submit
from src.jobs.upkeep import usage_counts
from src.operations.format.json_documents import MASK
from src.operations.people.roles import Role
from src.schedules import every
from src.schedules.edit import declared_schedules, editing
from src.schedules.rows import queries
from src.schedules.rows.models import Schedule
from src.schedules.ticks import ticks
from src.sql.clock import now
from src.sql.database import read, write
from tests.harness.jobs import claim, ended, hired, settle
from tests.harness.site import Program, Site, Visit, in_words

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@dramatiq.actor
def web_sched_secret(password: SecretStr, times: int = 1) -> None:
    """Work with a secret."""


@dramatiq.actor
def web_sched_told(what: dict[str, Any]) -> None:
    """Receive a notification."""


_mine = {name: src.actors.broker.actors.pop(name) for name in ("web_sched_secret", "web_sched_told")}


@pytest.fixture(autouse=True)
def _actors() -> Iterator[None]:
    src.actors.broker.actors.update(_mine)
    yield
    for name in _mine:
        src.actors.broker.actors.pop(name, None)


def times(**more: str) -> dict[str, str]:
    """Return the form fields beside the actor's own."""
    given = {"name": "nightly", "cron": "0 6 * * mon-fri", "zone": "Europe/Berlin", "missed": "once", "overlap": "allow", **more}
    return {f"schedule-{name}": text for name, text in given.items()}


def fill_in(visit: Visit, path: str, **fields: str) -> Any:
    return visit.client.post(path, data={**visit.hidden(path), **fields})


def made(program: Program, **more: Any) -> dict[str, Any]:
    document = {"name": "nightly", "actor": "add", "args": [1, 2], "cron": "0 6 * * mon-fri", "zone": "Europe/Berlin", **more}
    answer = program.post("/api/v1/schedules", document)
    assert answer.status_code == 201, answer.text
    return dict(answer.get_json())


def refused(answer: Any) -> tuple[int, dict[str, str]]:
    assert answer.mimetype == "application/problem+json", answer.text
    return answer.status_code, {each["field"]: each["message"] for each in answer.get_json().get("errors", [])}


def patch(program: Program, id: int, **changes: Any) -> Any:
    return program.client.patch(f"/api/v1/schedules/{id}", json=changes, headers=program.headers)


def schedules() -> list[Schedule]:
    with read() as session:
        return queries.every(session)


def jobs() -> list[Job]:
    with read() as session:
        return list(session.execute(select(Job).order_by(Job.seq)).scalars())


def test_a_form_makes_a_schedule_and_leads_to_its_page(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)

    answer = fill_in(visit, "/schedules/new?actor=add", x="1", y="2", **times())

    [schedule] = schedules()
    assert (schedule.name, schedule.cron, schedule.zone, schedule.kwargs) == (
        "nightly",
        "0 6 * * mon-fri",
        "Europe/Berlin",
        {"x": 1, "y": 2},
    )
    assert answer.location == f"/schedules/{schedule.id}"
    page = in_words(visit.get(answer.location).text)
    assert "Schedule created." in page
    assert "At 06:00 on Monday through Friday (Europe/Berlin)" in page


def test_a_wrong_form_names_every_field_and_keeps_what_was_typed(site: Site) -> None:
    visit = site.browser()

    answer = fill_in(visit, "/schedules/new?actor=add", x="one", y="2", **times(cron="70 * * * *", zone="Berlin", expect_success="soon"))  # fmt: skip

    assert answer.status_code == 422
    assert schedules() == []
    text = in_words(answer.text)
    assert '<a href="#field-x">X: Enter a whole number.</a>' in answer.text
    assert "Give a time of day such as 06:30" in text
    assert 'value="70 * * * *"' in answer.text


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"cron": ""}, "Enter a cron expression, an interval or a date."),
        ({"every": "1h"}, "Enter only one of a cron expression, an interval and a date."),
    ],
)
def test_the_form_has_one_set_of_names_for_the_rules(site: Site, rules: dict[str, str], problem: str) -> None:
    answer = fill_in(site.browser(), "/schedules/new?actor=add", x="1", y="2", **times(**rules))

    text = in_words(answer.text)
    assert f"Cron expression: {problem}" in text
    for field, label in (("cron", "Cron expression"), ("every", "Interval"), ("at", "Date"), ("starts_at", "Start"), ("ends_at", "End")):
        assert f'<label for="field-schedule-{field}">{label} <' in answer.text


def test_preview_shows_what_the_form_would_do_and_keeps_nothing(site: Site) -> None:
    visit = site.browser()

    answer = fill_in(visit, "/schedules/new?actor=add", x="1", y="2", preview="1", **times(cron="30 2 * * *"))

    assert answer.status_code == 200
    assert "At 02:30 every day (Europe/Berlin)" in in_words(answer.text)
    assert schedules() == []
    live = visit.get("/schedules/preview?schedule-cron=30+2+*+*+*&schedule-zone=Europe/Berlin").text
    assert "twice on" in live
    assert "runs once, not twice." in live
    assert "minute: 70" in visit.get("/schedules/preview?schedule-cron=70+*+*+*+*").text


def test_instants_of_the_form_are_in_the_schedules_own_zone(site: Site) -> None:
    visit = site.browser()

    fill_in(visit, "/schedules/new?actor=add", x="1", y="2", **times(cron="", at="2035-07-01T09:00"))

    [schedule] = schedules()
    assert schedule.at == datetime(2035, 7, 1, 7, tzinfo=UTC)
    assert 'value="2035-07-01T09:00:00"' in visit.get(f"/schedules/{schedule.id}/edit").text


def test_two_people_who_edit_at_once_do_not_undo_each_other(site: Site) -> None:
    id = made(site.program())["id"]
    visit = site.browser()
    seen = visit.hidden(f"/schedules/{id}/edit")
    patch(site.program(), id, cron="0 7 * * *")

    answer = visit.client.post(f"/schedules/{id}/edit", data={**seen, "x": "1", "y": "2", **times(cron="0 8 * * *")})

    assert answer.status_code == 422
    assert "meanwhile been changed" in in_words(answer.text)
    assert schedules()[0].cron == "0 7 * * *"


def test_a_secret_is_never_shown_and_stays_when_nothing_is_typed(site: Site) -> None:
    visit, program = site.browser(), site.program()

    def typed() -> dict[str, Any]:
        kwargs = schedules()[0].kwargs
        return {**kwargs, "password": unseal(kwargs["password"], "web_sched_secret.password")}

    fill_in(visit, "/schedules/new?actor=web_sched_secret", password="hunter2", times="1", **times())
    [schedule] = schedules()

    for path in ("/schedules", f"/schedules/{schedule.id}", f"/schedules/{schedule.id}/edit", f"/api/v1/schedules/{schedule.id}"):
        assert "hunter2" not in visit.get(path).text
    fill_in(visit, f"/schedules/{schedule.id}/edit", password="", times="2", **times())
    assert typed() == {"password": "hunter2", "times": 2}
    patch(program, schedule.id, kwargs={"password": MASK, "times": 3})
    assert typed() == {"password": "hunter2", "times": 3}
    assert "hunter2" not in json.dumps(schedules()[0].kwargs), "it is stored sealed"


def test_the_buttons_of_a_page_do_what_they_say(site: Site) -> None:
    id = made(site.program())["id"]
    visit = site.browser(Role.OPERATOR)

    def press(verb: str, **more: str) -> str:
        path = f"/schedules/{id}"
        answer = visit.client.post(f"{path}/{verb}", data={**visit.hidden(path, action=f"{path}/{verb}"), **more})
        assert answer.status_code == 303
        return in_words(visit.get(answer.location).text)

    assert "paused" in press("pause")
    assert schedules()[0].due_at is None
    press("resume")
    assert schedules()[0].due_at is not None
    press("run-now")
    assert [job.source for job in jobs()] == ["schedule"]
    last_week = [now() - timedelta(days=8), now() - timedelta(days=1)]
    said = press("backfill", **dict(zip(("from", "to"), (f"{each:%Y-%m-%dT%H:%M}" for each in last_week), strict=True)))
    assert "backfilled" in said
    assert len(jobs()) in (6, 7)
    press("delete")
    assert schedules() == []
    assert len(jobs()) in (6, 7)


def test_ticks_for_which_a_job_of_their_unique_key_stands_are_told_apart(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(defaults._declared, "add", Defaults(JobOptions(unique_for=timedelta(days=1))))
    program = site.program()
    id = made(program, cron="0 * * * *")["id"]
    start, end = (f"{now() - timedelta(hours=hours):%Y-%m-%dT%H:30Z}" for hours in (6, 1))

    told = program.post(f"/api/v1/schedules/{id}/backfill", {"from": start, "to": end}).get_json()

    [job] = jobs()
    assert told == {"job_ids": [job.id], "had_a_job": 0, "shared": 4}
    run = program.post(f"/api/v1/schedules/{id}/run-now").get_json()
    assert (run["job_id"], run["reason"].partition(", until")[0]) == (job.id, f"a job of its unique key stands for it: {job.id}, queued")

    visit, path = site.browser(Role.OPERATOR), f"/schedules/{id}"
    answer = visit.client.post(f"{path}/run-now", data=visit.hidden(path, action=f"{path}/run-now"))
    page = in_words(visit.get(answer.location).text)
    assert f"No new job: a job of its unique key stands for it: {job.id}, queued, until" in page
    assert "Job submitted" not in page
    period = {name: f"{now() - timedelta(hours=hours):%Y-%m-%dT%H:30}Z" for name, hours in (("from", 9), ("to", 7))}
    visit.client.post(f"{path}/backfill", data={**visit.hidden(path, action=f"{path}/backfill"), **period})
    assert "0 ticks backfilled; for 2 a job of their unique key stands." in in_words(visit.get(path).text)
    assert len(jobs()) == 1


def test_missed_ticks_are_said_on_the_page(site: Site) -> None:
    id = made(site.program(), cron=None, every="1m")["id"]
    with write() as session:
        session.execute(update(Schedule).values(tick_at=now() - timedelta(minutes=5), due_at=now() - timedelta(minutes=5)))
    assert "late" in in_words(site.browser(Role.VIEWER).get("/schedules").text)
    with write() as session:
        ticks.fire(session, id, periodic.maker(src.actors.broker))

    page = in_words(site.browser(Role.VIEWER).get(f"/schedules/{id}").text)

    assert "ticks were missed between" in page
    assert "one run replaces all of them" in page


@pytest.mark.both_stores
def test_the_list_shows_finished_runs_the_own_zone_and_a_paused_actor(site: Site) -> None:
    made(site.program(), zone="Asia/Tokyo", cron="0 9 * * *")
    worker = hired(site.database)
    with write() as session:
        for _ in range(2):
            submit(session, add.message(1, 2), source="schedule", submitted_by="schedule nightly")
    with read() as session:
        ids = list(session.execute(select(Job.id)).scalars())
    for id in ids:
        one = claim(site.database, worker, id)
        assert one is not None
        assert settle(site.database, worker, ended(one))
    earlier = now() - timedelta(minutes=5)
    with write() as session:
        session.execute(update(Job).values(created_at=earlier, started_at=earlier, finished_at=earlier))
        session.execute(update(Attempt).values(started_at=earlier - timedelta(seconds=3), finished_at=earlier))
        usage_counts.count_new(session)
        overrides.pause(session, "actor", "add", reason="repair", by="ada")

    page = site.browser(Role.VIEWER).get("/schedules").text

    assert "2 finished, 3 s each on average" in page
    assert "09:00 in Asia/Tokyo" in in_words(page)
    assert "actor paused" in in_words(page)
    assert "2 finished, 3 s" in site.browser(Role.VIEWER).get("/schedules?range=30d").text
    [schedule] = schedules()
    assert "Its ticks submit jobs, which wait" in in_words(site.browser(Role.VIEWER).get(f"/schedules/{schedule.id}").text)


def test_what_the_code_says_stands_beside_what_a_person_says(site: Site) -> None:
    with write() as session:
        declared_schedules.synchronise(session, {"debug_message": every(60)}, {"debug_message"})
    [schedule] = schedules()
    patch(site.program(), schedule.id, every="5m")
    visit = site.browser()

    page = in_words(visit.get(f"/schedules/{schedule.id}").text)
    assert "Code value Override every 1m 5m" in page
    assert site.program().get(f"/api/v1/schedules/{schedule.id}").get_json()["overridden"] == ["every"]

    fill = visit.hidden(f"/schedules/{schedule.id}", action=f"/schedules/{schedule.id}/follow-code")
    visit.client.post(f"/schedules/{schedule.id}/follow-code", data=fill)
    assert schedules()[0].every_s == 60


def test_a_paused_schedule_that_has_left_the_code_offers_no_resume(site: Site) -> None:
    with write() as session:
        declared_schedules.synchronise(session, {"debug_message": every(60)}, {"debug_message"})
        [schedule] = queries.every(session)
        editing.pause(session, schedule.id, by="ada")
        declared_schedules.synchronise(session, {}, {"debug_message"})
    path = f"/schedules/{schedule.id}"

    page = site.browser(Role.OPERATOR).get(path).text

    assert f'"{path}/resume"' not in page
    assert f'"{path}/pause"' not in page
    assert f'"{path}/run-now"' in page
    refused = site.program().post(f"/api/v1{path}/resume")
    assert refused.status_code == 409
    assert "no longer declared in code" in refused.get_json()["detail"]


def test_hostile_names_are_only_text(site: Site) -> None:
    id = made(site.program(), name=HOSTILE)["id"]
    visit = site.browser()
    for path in ("/schedules", f"/schedules/{id}", f"/schedules/{id}/edit"):
        assert "<script>alert" not in visit.get(path).text
        assert "<img src=x" not in visit.get(path).text


def test_the_api_makes_shows_changes_and_deletes(site: Site) -> None:
    program = site.program(Role.OPERATOR)
    schedule = made(program, kwargs={}, on_failure="web_sched_told", expect_success="06:30")
    assert schedule["words"] == "At 06:00 on Monday through Friday (Europe/Berlin)"
    assert (schedule["condition"], len(schedule["next"]), schedule["expect_success"]) == ("active", 3, "06:30")

    changed = patch(program, schedule["id"], every="90s", version=schedule["version"]).get_json()
    assert (changed["cron"], changed["every"], changed["words"]) == (None, "1m30s", "Every 1 minute 30 seconds")
    assert refused(patch(program, schedule["id"], every="5m", version=schedule["version"]))[0] == 409
    shown = program.get("/api/v1/schedules/nightly").get_json()
    assert [each["what"] for each in shown["changes"]] == ["changed", "created"]
    assert shown["changes"][0]["changes"]["every"] == [None, 90]

    assert program.client.delete(f"/api/v1/schedules/{schedule['id']}", headers=program.headers).status_code == 204
    assert program.get("/api/v1/schedules").get_json() == {"schedules": []}
    assert refused(program.get("/api/v1/schedules/nightly"))[0] == 404


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"cron": "70 * * * *", "zone": "Mars/Olympus", "args": ["one", 2]}, ["cron", "x", "zone"]),
        ({"every": "5m"}, ["cron"]),
        ({"cron": None}, ["cron"]),
        ({"cron": None, "at": "2030-01-01T09:00:00"}, ["at"]),
        ({"cron": None, "every": "0.5"}, ["every"]),
        ({"args": [1]}, ["y"]),
        ({"missed": "sometimes"}, ["missed"]),
        ({"overlap": "never", "pause_after": 0}, ["overlap", "pause_after"]),
        ({"crn": "* * * * *"}, ["crn"]),
        ({"on_alert": "add"}, ["on_alert"]),
        ({"name": ""}, ["name"]),
    ],
)
def test_the_api_names_each_field_at_fault_and_keeps_nothing(site: Site, fields: dict[str, Any], wrong: list[str]) -> None:
    document = {"name": "nightly", "actor": "add", "args": [1, 2], "cron": "0 6 * * *", **fields}

    status, errors = refused(site.program().post("/api/v1/schedules", document))

    assert (status, sorted(errors)) == (422, wrong)
    assert schedules() == []


def test_the_api_previews_runs_and_backfills(site: Site) -> None:
    program = site.program()
    told = program.post("/api/v1/schedules/preview", {"cron": "30 2 * * *", "zone": "Europe/Berlin", "number": 3}).get_json()
    assert (told["words"], len(told["ticks"])) == ("At 02:30 every day (Europe/Berlin)", 3)
    assert any("runs once, not twice" in note for note in told["notes"])

    id = made(program, cron="0 * * * *")["id"]
    run = program.post(f"/api/v1/schedules/{id}/run-now")
    assert run.status_code == 202
    start, end = (f"{now() - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (4, 0))
    first, second = (program.post(f"/api/v1/schedules/{id}/backfill", {"from": start, "to": end}).get_json() for _ in range(2))
    assert (len(first["job_ids"]), first["had_a_job"]) == (4, 0)
    assert (second["job_ids"], second["had_a_job"]) == ([], 4)
    page = program.get(f"/api/v1/schedules/{id}/ticks?limit=2").get_json()
    assert [each["state"] for each in page["ticks"]] == ["submitted"] * 2
    rest = program.get(f"/api/v1/schedules/{id}/ticks?before={page['next']}").get_json()
    assert len(rest["ticks"]) == 3
    assert rest["next"] is None
    chosen = {state: program.get(f"/api/v1/schedules/{id}/ticks?state={state}").get_json()["ticks"] for state in ("submitted", "missed")}
    assert (len(chosen["submitted"]), chosen["missed"]) == (5, [])
    status, errors = refused(program.get(f"/api/v1/schedules/{id}/ticks?state=lost"))
    assert (status, list(errors)) == (422, ["state"])
    browser = site.browser()
    assert "No missed ticks." in in_words(browser.get(f"/schedules/{id}?state=missed").text)
    assert browser.get(f"/schedules/{id}?state=submitted").text.count('class="badge running"') == 5
    assert sum(each["ticks"] for each in program.get("/api/v1/schedules/load").get_json()["hours"]) == 168
