"""Statistics on pages and in the API, the overview's groups, the tabs of an actor, and bulk actions in the audit."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from src.audit.models import AuditEntry, Outcome, Via
from src.jobs import State
from src.jobs.core.models import Job
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import write
from tests.harness.site import Site, in_words
from tests.sql.web.test_errors_page import fail


def _end(site: Site, actor: str = "add", state: State = State.SUCCEEDED, *, minutes: int = 3, ran_s: float = 2.0) -> str:
    id = site.program().submit(actor, 1, 1)
    at = now() - timedelta(minutes=minutes)
    times = {"created_at": at - timedelta(seconds=10 + ran_s), "started_at": at - timedelta(seconds=ran_s), "finished_at": at}
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(state=state, attempt=1, **times))
    return id


@pytest.mark.both_stores
def test_the_api_gives_the_numbers_of_the_charts_to_each_caller_for_its_actors(site: Site) -> None:
    for actor, state in (("add", State.SUCCEEDED), ("add", State.DEAD), ("divide", State.SUCCEEDED)):
        _end(site, actor, state)
    _end(site, minutes=90)

    def counted(query: str = "", actors: list[str] | None = None) -> tuple[int, int]:
        steps = site.program(Role.ADMIN if actors is None else Role.VIEWER, actors).get(f"/api/v1/statistics{query}").get_json()["steps"]
        return sum(each["succeeded"] for each in steps), sum(each["dead"] for each in steps)

    assert counted() == (2, 1)
    assert counted("?range=6h") == (3, 1)
    assert counted("?range=6h&actor=divide") == counted("?range=6h", ["divide"]) == (1, 0)
    assert site.program(Role.VIEWER, ["divide"]).get("/api/v1/statistics?actor=add").status_code == 403
    assert site.program().get("/api/v1/statistics?range=9h").status_code == 422
    [step] = [each for each in site.program().get("/api/v1/statistics").get_json()["steps"] if each["succeeded"]]
    assert 1.6 <= step["run_p50"] <= 2.5
    assert 6.3 <= step["wait_p50"] <= 16


def test_charts_have_their_numbers_each_leading_to_its_column(site: Site) -> None:
    _end(site)
    page = site.browser().get("/?range=1h").text
    figure = page.split("<figcaption>Finished jobs</figcaption>")[1].split("</figure>")[0]
    address = html.unescape(figure.split('<th scope="row"><a href="')[1].split('"')[0])
    assert "total succeeded 1, dead 0" in figure
    narrow = site.browser().get(address).text
    assert "total succeeded 1, dead 0" in narrow


def test_a_group_shows_its_newest_message_and_retries_its_dead_jobs_which_are_not_listed_again(site: Site) -> None:
    ids = [fail(site, number, at=now() - timedelta(minutes=3 - number)) for number in range(3)]
    page = site.browser().get("/").text
    needs = page.split("<h2>Needs attention</h2>")[1].split("<h2>Changes</h2>")[0]
    assert "ValueError: no order 2" in html.unescape(needs)
    assert "Retry 3" in in_words(needs)
    assert not any(id in needs for id in ids)
    address = html.unescape(needs.split('class="button" href="')[1].split('"')[0])
    assert "3" in in_words(site.browser().get(address).text)
    with write() as session:
        session.execute(update(Job).where(Job.id == ids[0]).values(attempt=2))  # lost: its newest attempt has no failure
    assert ids[0] in site.browser().get("/").text


@pytest.mark.parametrize("tab", ["jobs", "schedules", "batches", "api", "settings"])
def test_each_tab_of_an_actor_is_a_page_of_its_own(site: Site, tab: str) -> None:
    _end(site)
    page = site.browser().get(f"/actors/add?tab={tab}")
    assert page.status_code == 200
    assert f'tab={tab}" aria-current="page"' in page.text
    assert site.browser().get("/actors/add?tab=other").status_code == 404


def test_the_newest_inputs_stand_beside_the_form(site: Site) -> None:
    id = _end(site)
    visit = site.browser()
    page = visit.get("/actors/add").text
    assert f'href="/actors/add?like={id}"' in page
    assert 'value="1"' in visit.get(f"/actors/add?like={id}").text


def test_actors_are_listed_by_origin_with_their_activity(site: Site) -> None:
    _end(site)
    _end(site, state=State.DEAD)
    visit = site.browser()
    page = visit.get("/actors?origin=examples").text
    row = in_words(page.split('href="/actors/add')[1].split("</tr>")[0])
    assert "50.0 %" in row
    assert "2 finished, 1 dead" in page
    assert 'href="/actors/send_mail' not in page
    assert visit.get("/actors?origin=other").status_code == 404


def test_a_bulk_action_is_one_row_of_the_audit(site: Site) -> None:
    row = {"at": now(), "who": "ada", "via": Via.PAGE, "outcome": Outcome.DONE, "action": "job.retry", "kind": "job"}
    with write() as session:
        for bulk, number in (("bulk-1", 1_300), ("bulk-2", 2), (None, 1)):
            details = {"bulk": bulk} if bulk else None
            session.execute(insert(AuditEntry), [{**row, "subject": f"job-{each}", "details": details} for each in range(number)])
    visit = site.browser()
    page = visit.get("/admin/audit?who=ada").text
    found = [in_words(each) for each in page.split("<tbody>")[1].split("</tbody>")[0].split("<tr>")[1:]]
    assert len(found) == 3
    assert "2 jobs" in found[1]
    assert "part of bulk action bulk-1" in found[2]
    older = html.unescape(page.split('rel="next" href="')[1].split('"')[0])
    assert "303 jobs" in in_words(visit.get(older).text)
