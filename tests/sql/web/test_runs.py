"""Runs beside a job: those with its arguments, its relatives, and the comparison with another one."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, update

import tests.actors.web
from src.jobs import State, submit
from src.jobs.attempts import attempt_logs
from src.jobs.attempts.log_lines import Line
from src.jobs.core.models import Job, Worker
from src.jobs.search import extent, runs
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.columns import to_microseconds
from src.sql.database import write
from tests.harness.jobs import claim, ended, hired, look, message, settle
from tests.harness.site import Site, in_words
from tests.harness.workflows import Hand

assert tests.actors.web  # its actors have secrets

pytestmark = pytest.mark.both_stores


def _run(site: Site, *args: object, state: State = State.SUCCEEDED, actor: str = "add", lines: tuple[str, ...] = ()) -> str:
    """Submit a job and bring it to its end; return its id."""
    id, worker = site.program().submit(actor, *args), hired(site.database)
    one = claim(site.database, worker, id)
    assert one is not None
    log = [Line(number, to_microseconds(now()), "info", text) for number, text in enumerate(lines, 1)]
    with write() as session:
        attempt_logs.write(session, attempt_logs.rows(one.seq, 1, log))
    settle(site.database, worker, ended(one, state, error=None if state is State.SUCCEEDED else "ValueError: no"))
    return id


def test_runs_with_the_same_arguments_are_found_within_a_bound(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    program = site.program()
    first, other, second, third = _run(site, 1, 2), _run(site, 2, 1), _run(site, 1, 2, state=State.DEAD), _run(site, 1, 2)
    _run(site, 1, 2, actor="mul")

    def listed(query: str = "") -> tuple[list[str], str | None, bool]:
        page = program.get(f"/api/v1/jobs/{first}/runs{query}").get_json()
        return [job["id"] for job in page["jobs"]], page["next"], page["partial"]

    monkeypatch.setattr(runs, "BUDGET_S", 60.0)
    assert listed() == ([third, second], None, False)
    ids, after, partial = listed("?limit=1")
    assert (ids, partial) == ([third], False)
    assert listed(f"?limit=1&after={after}")[0] == [second]
    page = in_words(site.browser().get(f"/jobs/{first}").text)
    assert "Runs with the same arguments" in page
    assert third[-4:] in page
    assert other[-4:] not in page.partition("Runs with the same arguments")[2]

    monkeypatch.setattr(extent, "FIRST", 3)  # the newest three are searched: mul, third and second; then its time is over
    monkeypatch.setattr(runs, "BUDGET_S", 0.0)
    ids, after, partial = listed()
    assert (ids, after, partial) == ([third, second], str(look(site.database, second).seq), True)
    monkeypatch.setattr(runs, "BUDGET_S", 60.0)
    assert listed(f"?after={after}") == ([], None, False)
    assert site.browser().get(f"/jobs/{first}/runs?after={after}").status_code == 200


def test_the_duration_of_a_job_that_ended_while_it_waited_is_that_of_its_newest_attempt(site: Site) -> None:
    id, worker, long_ago = site.program().submit("add", 1, 2), hired(site.database), now() - timedelta(minutes=40)
    one = claim(site.database, worker, id)
    assert one is not None
    started, finished = (to_microseconds(long_ago + timedelta(seconds=seconds)) for seconds in (0, 8))
    settle(site.database, worker, replace(ended(one, State.RETRYING, error="ValueError: no"), started_us=started, finished_us=finished))
    assert site.program().post(f"/api/v1/jobs/{id}/cancel").status_code == 200
    other, visit = _run(site, 1, 2), site.browser()
    seq = look(site.database, id).seq
    for path in ("/jobs", "/actors/add?tab=jobs", f"/jobs/{other}", f"/jobs/newer?since=0&shown={seq}", f"/jobs/{id}"):
        page = visit.get(path).text
        assert "40 min" not in page, path
        assert "8 s" in page, path
    assert "after" not in in_words(visit.get(f"/jobs/{id}").text).partition("Finished")[2].partition("Attempts")[0]
    assert "after" in in_words(visit.get(f"/jobs/{other}").text).partition("Finished")[2].partition("Attempts")[0]


def test_two_runs_are_compared_value_by_value_with_their_versions_and_logs(site: Site) -> None:
    program = site.program()
    good = _run(site, 1, 2, lines=("started 12", "fetched 100 rows", "done in 3 s"))
    with write() as session:
        session.execute(update(Worker).values(version="1.0", started_at=now() - timedelta(hours=1)))
    bad = _run(site, 1, 3, state=State.DEAD, lines=("started 13", "fetched 0 rows", "no rows: giving up"))
    with write() as session:
        session.execute(update(Worker).where(Worker.version != "1.0").values(version="2.0", started_at=now() - timedelta(minutes=1)))
        session.execute(update(Job).where(Job.id == bad).values(priority=9, keep_until=datetime(2089, 1, 1, 12, tzinfo=UTC)))
    found = program.get(f"/api/v1/jobs/{bad}/compare/{good}").get_json()
    rows = {row["name"]: (row["left"], row["right"], row["same"]) for row in found["rows"]}
    assert rows["x"] == (1, 1, True)
    assert rows["y"] == (3, 2, False)
    assert rows["Priority"] == (9, 5, False)
    assert rows["State"] == ("dead", "succeeded", False)
    assert rows["Outcomes"] == ("failed", "succeeded", False)
    assert rows["Error"] == ("ValueError: no", None, False)
    assert [(line["mark"], line["text"]) for line in found["log"]] == [
        (" ", "started 13"),
        (" ", "fetched 0 rows"),
        ("-", "no rows: giving up"),
        ("+", "done in 3 s"),
    ]
    assert rows["Submitted"][0].endswith("Z")
    assert rows["Keep until"] == ("2089-01-01T12:00:00Z", None, False)
    page = in_words(site.browser().get(f"/jobs/{bad}/compare/{good}").text)
    assert "differs: y 3 2" in page
    assert "differs: Keep until 01 Jan 2089 none" in page
    table = page.partition("Timings")[2].partition("Log of the last attempts")[0]
    assert re.search(r"Submitted \d\d:\d\d:\d\d \d\d:\d\d:\d\d ", table), table
    assert "− no rows: giving up" in page


def test_the_versions_are_those_of_the_workers_at_that_time(site: Site) -> None:
    one = _run(site, 1, 2)
    with write() as session:
        session.execute(update(Worker).values(name="here:1", version="1.0", started_at=now() - timedelta(hours=1)))
        later = {"name": "here:1", "version": "2.0", "started_at": now() + timedelta(minutes=1)}
        always = {
            "host": "here",
            "pid": 1,
            "threads": 1,
            "queues": [],
            "actors": [],
            "heartbeat_at": now(),
            "expires_at": now(),
            "frontier": {},
        }
        session.execute(insert(Worker).values(**later, **always))
    rows = site.program().get(f"/api/v1/jobs/{one}/compare/{one}").get_json()["rows"]
    assert [row["left"] for row in rows if row["name"] == "Version of the code"] == ["1.0"]
    assert [row["name"] for row in rows if not row["same"]] == ["Submitted"]


def test_compare_leads_to_the_last_success_of_the_same_arguments_or_else_of_the_actor(site: Site) -> None:
    visit = site.browser()
    alone = _run(site, 7, 7, state=State.DEAD)
    assert "No other run of add has succeeded" in in_words(visit.get(f"/jobs/{alone}/compare").text)
    other = _run(site, 1, 2)
    assert visit.get(f"/jobs/{alone}/compare").location == f"/jobs/{alone}/compare/{other}"
    same = _run(site, 7, 7)
    _run(site, 3, 4)
    assert visit.get(f"/jobs/{alone}/compare").location == f"/jobs/{alone}/compare/{same}"
    assert visit.get(f"/jobs/{alone}/compare?with={other[:12]}…{other[-4:]}").location == f"/jobs/{alone}/compare/{other}"
    wrong = visit.get(f"/jobs/{alone}/compare?with=nothing")
    assert (wrong.status_code, "There is no job nothing" in wrong.text) == (422, True)


def test_a_run_that_the_caller_may_not_see_is_not_compared(site: Site) -> None:
    mine, hidden = _run(site, 1, 2), _run(site, 1, 2, actor="mul")
    program, visit = site.program(Role.VIEWER, actors=["add"]), site.browser(Role.VIEWER, actors=["add"])
    assert program.get(f"/api/v1/jobs/{mine}/compare/{mine}").status_code == 200
    assert program.get(f"/api/v1/jobs/{mine}/compare/{hidden}").status_code == 404
    assert program.get(f"/api/v1/jobs/{hidden}/compare/{mine}").status_code == 404
    assert visit.get(f"/jobs/{mine}/compare/{hidden}").status_code == 404
    assert visit.get(f"/jobs/{mine}/compare?with={hidden}").status_code == 422


def test_secret_arguments_stay_hidden_in_a_comparison(site: Site) -> None:
    program = site.program()
    ids = [program.submit("unlock", word) for word in ("sesame", "abracadabra")]
    answer = program.get(f"/api/v1/jobs/{ids[0]}/compare/{ids[1]}")
    assert "sesame" not in answer.text
    assert "abracadabra" not in answer.text
    assert [row["same"] for row in answer.get_json()["rows"] if row["section"] == "arguments"] == [None]


def test_lineage_names_re_runs_steps_schedule_batch_and_callbacks(site: Site) -> None:
    program, visit, hand = site.program(), site.browser(), Hand(site.database)

    def relatives(id: str) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
        found = program.get(f"/api/v1/jobs/{id}/lineage").get_json()
        parents, children = ([(each["relation"], each["kind"], each["id"]) for each in found[side]] for side in ("parents", "children"))
        return parents, children

    first = _run(site, 1, 2)
    visit.fill_in(f"/jobs/{first}", action=f"/jobs/{first}/re-run")
    parents, [(relation, _, again)] = relatives(first)
    assert (parents, relation) == ([], "re-run as")
    assert relatives(again)[0] == [("re-run of", "job", first)]

    workflow = program.post("/api/v1/workflows", {"chain": [{"actor": "add", "args": [1, 2]}, {"actor": "mul", "args": [3]}]}).get_json()
    add, mul = workflow["jobs"]["add"], workflow["jobs"]["mul"]
    hand.end(add, result=3)
    assert relatives(add) == ([("step add of workflow", "workflow", workflow["id"])], [("before step", "job", mul)])
    assert relatives(mul)[0] == [("step mul of workflow", "workflow", workflow["id"]), ("after step", "job", add)]

    batch = visit.fill_in("/actors/add/rows", file=(io.BytesIO(b"x,y\n1,2\n"), "rows.csv")).location
    visit.fill_in(batch, action=f"{batch}/submit")
    [row] = [job["id"] for job in program.get("/api/v1/jobs?q=source:form").get_json()["jobs"]] or [""]
    assert relatives(row)[0] == [("row 2 of batch", "batch", batch.rsplit("/", 1)[1])]

    with write() as session:
        called = submit(session, message(1, 1), source="callback", parent_id=first).id
        sent = submit(session, message(1, 1), parent_id=first).id
    assert relatives(called)[0] == [("callback of", "job", first)]
    assert relatives(sent)[0] == [("submitted by", "job", first)]
    assert relatives(first)[1][1:] == [("callback", "job", called), ("submitted", "job", sent)]
    for id in (first, again, add, mul, row, called):
        words = in_words(visit.get(f"/jobs/{id}").text)
        assert "Lineage" in words
