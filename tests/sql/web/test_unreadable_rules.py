"""A schedule whose time zone is missing on this host, as after an update of the system: it says so, and stops no other."""

from __future__ import annotations

from threading import Event

import pytest
from sqlalchemy import update

from src.actors import broker
from src.broker.options import periodic
from src.operations.people.roles import Role
from src.schedules.rows.models import Schedule
from src.schedules.rows.queries import find
from src.schedules.ticks import ticks
from src.scheduling import housekeeping
from src.sql.clock import now
from src.sql.database import read, write
from tests.harness.site import Program, Site, in_words

WHY = "There is no time zone 'Mars/Olympus_Mons'"


@pytest.fixture
def program(site: Site) -> Program:
    program = site.program(Role.ADMIN)
    for name in ("good", "bad"):
        document = {"name": name, "actor": "add", "kwargs": {"x": 1, "y": 2}, "cron": "0 6 * * *"}
        assert program.post("/api/v1/schedules", document).status_code == 201
    with write() as session:
        session.execute(update(Schedule).where(Schedule.name == "bad").values(zone="Mars/Olympus_Mons"))
    return program


def test_lists_and_pages_show_all_schedules_and_the_reason(site: Site, program: Program) -> None:
    listed = {each["name"]: each for each in program.get("/api/v1/schedules").get_json()["schedules"]}
    assert (listed["bad"]["condition"], listed["bad"]["next"]) == ("broken", [])
    assert listed["bad"]["reason"].startswith(WHY)
    assert (listed["good"]["condition"], len(listed["good"]["next"])) == ("active", 3)
    assert program.get("/api/v1/schedules/load").status_code == 200
    assert program.get("/api/v1/schedules/bad").get_json()["words"].startswith(WHY)
    browser = site.browser(Role.ADMIN)
    with read() as session:
        id = find(session, "bad").id
    for page in ("/schedules", f"/schedules/{id}", f"/schedules/{id}/edit"):
        answer = browser.get(page)
        assert (answer.status_code, WHY in in_words(answer.text)) == (200, True), page


def test_a_new_zone_mends_it(program: Program) -> None:
    assert program.patch("/api/v1/schedules/bad", {"zone": "Europe/Berlin"}).status_code == 200
    assert program.get("/api/v1/schedules/bad").get_json()["condition"] == "active"


def test_the_clock_that_is_set_back_rewinds_the_others(program: Program) -> None:
    with write() as session:
        session.execute(
            update(Schedule)
            .where(Schedule.name.in_(["good", "bad"]))
            .values(tick_at=now().replace(year=2090), due_at=now().replace(year=2090))
        )
    with write() as session:
        assert ticks.rewind(session, now()) == 1
    with read() as session:
        assert (find(session, "good").due_at or now()).year < 2090


def test_a_scheduler_that_starts_marks_it(program: Program) -> None:
    housekeeping.register(broker, periodic.maker(broker), Event())
    with read() as session:
        assert str(find(session, "bad").broken).startswith(WHY)
        assert find(session, "good").broken is None
