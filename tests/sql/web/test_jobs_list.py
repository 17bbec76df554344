"""The list of jobs: its query, chips, counts, saved views, and machine-readable alternatives."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from typing import Any

import pytest
from sqlalchemy import select, update

from src.jobs import State
from src.jobs.core.models import Job
from src.operations.people.models import SavedView
from src.operations.people.roles import Role
from src.sql.database import read, write
from tests.harness.site import Site, in_words

pytestmark = pytest.mark.both_stores


def become(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def listed(text: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/jobs/([^"]+)"', text)


def test_a_query_lists_what_it_means_with_a_chip_for_each_term_and_counts_by_state(site: Site) -> None:
    visit, program = site.browser(Role.VIEWER), site.program()
    dead, other, mul = program.submit("add", 1, 2), program.submit("add", 3, 4), program.submit("mul", 1, 2)
    for id in (dead, mul):
        become(id, state=State.DEAD, error="ValueError: no")
    page = visit.get("/jobs?q=state:dead+actor:add").text
    assert listed(page) == [dead]
    assert "<title>(1) Dead jobs" in page
    chips = dict(re.findall(r'<a class="chip" href="([^"]+)"><code>([^<]+)</code>', page))
    assert chips == {"/jobs?q=actor:add": "state:dead", "/jobs?q=state:dead": "actor:add"}
    assert listed(visit.get("/jobs?q=actor:add").text) == [other, dead]
    # The tab of another state says how many the rest of the query means.
    tabs = in_words(page[page.index('aria-label="State"') : page.index("</nav>", page.index('aria-label="State"'))])
    assert "queued 1" in tabs
    assert "dead 1" in tabs
    assert "Error ValueError 1" in in_words(page)


def test_words_of_the_arguments_find_the_job(site: Site) -> None:
    visit, program = site.browser(), site.program()
    program.submit("add", 1, 2)
    wanted = program.submit("add", 123456, 2)
    assert listed(visit.get("/jobs?q=123456").text) == [wanted]
    assert listed(visit.get("/jobs?q=arg.x:123456").text) == [wanted]
    assert listed(visit.get("/jobs?q=arg.y:123456").text) == []


def test_a_wrong_query_is_shown_where_it_is_wrong_and_kept(site: Site) -> None:
    visit = site.browser()
    answer = visit.get("/jobs?q=actor:add+stat:dead")
    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    assert 'value="actor:add stat:dead"' in answer.text
    assert "actor:add stat:dead\n          ^^^^^^^^^" in html.unescape(answer.text)
    assert "Did you mean state:?" in in_words(answer.text)
    problem = site.program().get("/api/v1/jobs?q=actor:add+stat:dead")
    assert problem.status_code == 422
    assert problem.get_json()["errors"][0]["field"] == "q"
    assert "At characters 11 to 19." in problem.get_json()["errors"][0]["message"]
    assert visit.get("/jobs?q=stat:dead&format=json").status_code == 422


def test_what_no_store_holds_is_no_query(site: Site) -> None:
    answer = site.browser(Role.VIEWER).get("/jobs?q=add%00")
    assert answer.status_code == 422
    assert "A text cannot contain this character" in in_words(answer.text)
    assert site.program(Role.VIEWER).get("/api/v1/jobs?q=%00add").status_code == 422
    assert site.browser(Role.VIEWER).get("/jobs/suggest?q=add%00").status_code < 500


def test_the_twins_of_a_page_have_its_rows(site: Site) -> None:
    visit, program = site.browser(), site.program()
    ids = [program.submit("add", number, 2) for number in range(3)]
    become(ids[0], submitted_by="=HYPERLINK(1)")
    page = visit.get("/jobs?q=actor:add").text
    twin = re.search(r'<link rel="alternate" type="application/json" href="([^"]+)"', page)
    assert twin is not None
    document = json.loads(visit.get(html.unescape(twin[1])).text)
    assert [job["id"] for job in document["jobs"]] == ids[::-1]
    assert document["counts"]["queued"] == {"count": 3, "exact": True}
    assert document["facets"]["actor"] == {"add": 3}
    rows = list(csv.DictReader(io.StringIO(visit.get("/jobs?q=actor:add&format=csv&limit=2").text)))
    assert [row["id"] for row in rows] == ids[:0:-1]
    everything = list(csv.DictReader(io.StringIO(visit.get("/jobs?format=csv").text)))
    assert everything[-1]["submitted_by"] == "'=HYPERLINK(1)"  # no formula for a spreadsheet
    assert json.loads(everything[-1]["args"]) == [0, 2]
    assert visit.get("/jobs?format=xml").status_code == 404


def test_the_api_takes_the_same_queries(site: Site) -> None:
    program = site.program(Role.VIEWER)
    ids = [site.program().submit("add", number, 2) for number in range(3)]
    become(ids[1], state=State.DEAD)
    assert [job["id"] for job in program.get("/api/v1/jobs?q=-state:dead").get_json()["jobs"]] == [ids[2], ids[0]]
    first = program.get("/api/v1/jobs?q=actor:add&limit=2").get_json()
    second = program.get(f"/api/v1/jobs?q=actor:add&limit=2&after={first['next']}").get_json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ids[::-1]
    assert (first["partial"], second["next"]) == (False, None)


def test_completion_goes_on_with_what_is_typed(site: Site) -> None:
    visit = site.browser()

    def offered(typed: str) -> list[str]:
        found = re.findall(r'<option value="([^"]*)"', visit.get(f"/jobs/suggest?q={typed}").text)
        return [html.unescape(each) for each in found]

    assert offered("sta") == ["state:", "started:"]
    assert offered("state:de") == ["state:dead"]
    assert offered("actor:add -state:dead,he") == ["actor:add -state:dead,held"]
    assert "queue:default actor:add" in offered("queue:default actor:ad")
    assert offered("nonsense:x") == []
    assert 'value="state:dead queue:"' in visit.get("/jobs?q=state:dead").text  # without scripts: what may come next


def test_a_view_is_saved_shown_shared_and_deleted(site: Site) -> None:
    mine, others = site.browser(Role.OPERATOR), site.browser(Role.VIEWER)

    def save(visit: Any, **fields: str) -> None:
        assert visit.fill_in("/jobs?q=state:dead", action="/jobs/views", **fields).status_code == 303

    save(mine, name="my dead")
    save(mine, name="all dead", shared="1")
    save(mine, name="my dead")  # replaces the first
    assert [view in mine.get("/jobs").text for view in ("my dead", "all dead")] == [True, True]
    assert [view in others.get("/jobs").text for view in ("my dead", "all dead")] == [False, True]
    token = others.hidden("/jobs?q=state:dead", action="/jobs/views")
    others.client.post("/jobs/views", data={**token, "name": "for all", "shared": "1"})
    assert "requires role operator" in in_words(others.get("/jobs").text)
    with read() as session:
        views = {view.name: view for view in session.execute(select(SavedView)).scalars()}
    assert {name: view.query for name, view in views.items()} == {"my dead": "state:dead", "all dead": "state:dead"}
    others.client.post(f"/jobs/views/{views['all dead'].id}/delete", data=token)  # not his
    mine.fill_in("/jobs", action=f"/jobs/views/{views['my dead'].id}/delete")
    with read() as session:
        assert session.execute(select(SavedView.name)).scalars().all() == ["all dead"]


def test_rows_stand_closer_when_asked_and_stay_so(site: Site) -> None:
    visit = site.browser()
    site.program().submit("add", 1, 2)
    assert '<div class="compact">' in visit.get("/jobs?density=compact").text
    assert '<div class="compact">' in visit.get("/jobs").text
    assert '<div class="normal">' in visit.get("/jobs?density=normal").text


def test_the_error_column_is_there_where_jobs_have_failed_and_columns_are_chosen_in_the_url_and_remembered(site: Site) -> None:
    visit, program = site.browser(Role.VIEWER), site.program()
    id = program.submit("add", 1, 2, priority=9)

    def headings(path: str) -> list[str]:
        table = visit.get(path).text.partition('<table class="rows jobs">')[2]
        return re.findall(r"<th scope=\"col\"[^>]*>([^<]+)</th>", table)

    assert headings("/jobs") == ["State", "Actor", "Arguments", "Queue", "Attempt", "Duration", "Submitted"]
    become(id, state=State.DEAD, error="ValueError: no order 7 in 'shop <1>'")
    assert headings("/jobs") == ["State", "Actor", "Arguments", "Error", "Queue", "Attempt", "Duration", "Submitted"]
    assert "ValueError: no order <mark>7</mark> in <mark>&#39;shop &lt;1&gt;&#39;</mark>" in visit.get("/jobs").text
    assert headings("/jobs?columns=&columns=priority&columns=error&columns=nonsense") == ["State", "Actor", "Error", "Priority"]
    assert headings("/jobs") == ["State", "Actor", "Error", "Priority"]
    assert headings("/jobs?columns=usual")[2:4] == ["Arguments", "Error"]


def test_a_page_learns_of_newer_jobs_and_of_new_states_without_moving_its_rows(site: Site) -> None:
    visit, program = site.browser(Role.VIEWER), site.program()
    shown = program.submit("add", 1, 2)
    page = html.unescape(visit.get("/jobs?q=actor:add").text)
    address = re.search(r'hx-get="(/jobs/newer[^"]+)"', page)
    assert address is not None
    assert "new · show" not in visit.get(address[1]).text
    program.submit("add", 3, 4)
    program.submit("mul", 3, 4)
    become(shown, state=State.RUNNING)
    answer = visit.get(address[1]).text
    assert '<a class="button" href="/jobs?q=actor:add">1 new · show</a>' in answer
    assert re.search(r'<hx-partial hx-target="#state-\d+" hx-swap="innerHTML"><span class="badge running">', answer)
    assert "hx-partial" not in site.browser(Role.VIEWER, ["mul"]).get(address[1]).text
