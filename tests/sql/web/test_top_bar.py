"""The top bar: search, suggestions of the palette, display preferences, the environment's name and the counts beside the menu."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from src.jobs import State
from src.jobs.core.models import Job
from src.operations.people.roles import Role
from src.settings import WrongSettings, get_settings
from src.sql.clock import now
from src.sql.database import write
from tests.harness import jobs
from tests.harness.site import Site


def test_the_search_leads_to_a_job_by_its_id_to_an_actor_by_its_name_and_else_to_the_list(site: Site) -> None:
    visit, id = site.browser(Role.VIEWER), site.program().submit("add", 1, 2)

    def led(text: str) -> str:
        return visit.client.get("/find", query_string={"q": text}).location

    assert [led(text) for text in (id, f" {id[:13]} ", f"{id[:8]}…{id[-4:]}")] == [f"/jobs/{id}"] * 3
    assert led("add") == "/actors/add"
    assert (led("state:dead"), led("00000000"), led("")) == ("/jobs?q=state:dead", "/jobs?q=00000000", "/jobs")


def test_suggestions_name_only_what_the_visitor_may_see(site: Site) -> None:
    id = site.program().submit("mul", 1, 2)
    everything = site.browser(Role.VIEWER).get(f"/find/suggestions?q={id}").text
    assert f'href="/jobs/{id}"' in everything
    limited = site.browser(Role.VIEWER, ["add"])
    assert f'href="/jobs/{id}"' not in limited.get(f"/find/suggestions?q={id}").text
    assert 'href="/actors/mul"' in site.browser(Role.VIEWER).get("/find/suggestions?q=mul").text
    assert 'href="/actors/mul"' not in limited.get("/find/suggestions?q=mul").text
    assert 'href="/actors/add"' in limited.get("/find/suggestions?q=AD").text


def test_a_browser_keeps_its_theme_and_its_time_zone(site: Site) -> None:
    visit, id = site.browser(Role.VIEWER, ["add"]), site.program().submit("add", 1, 2)
    assert "data-theme" not in visit.get("/jobs").text
    answer = visit.fill_in("/jobs", action="/preferences", theme="dark", zone="Asia/Kathmandu")
    assert (answer.status_code, answer.location) == (303, "/jobs")
    page = visit.get(f"/jobs/{id}").text
    assert '<html lang="en" data-theme="dark">' in page
    assert "Times in Asia/Kathmandu." in page
    visit.fill_in("/jobs", action="/preferences", theme="auto", zone="Nowhere/Land")
    page = visit.get("/jobs").text
    assert "data-theme" not in page
    assert "Time zone not changed: &#39;Nowhere/Land&#39;" in page
    assert "Times in Asia/Kathmandu." in page
    visit.fill_in("/jobs", action="/preferences", zone="")
    assert f"Times in {get_settings().timezone}." in visit.get("/jobs").text


def test_the_axis_of_a_timeline_is_in_the_zone_of_the_page(site: Site) -> None:
    visit, id = site.browser(Role.VIEWER, ["add"]), site.program().submit("add", 1, 2)
    begun = now() - timedelta(minutes=4)
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(created_at=begun))
    visit.fill_in("/jobs", action="/preferences", zone="Asia/Kathmandu")
    axis = visit.get(f"/jobs/{id}").text.partition('class="axis"')[2].partition("</svg>")[0]
    first = (begun + timedelta(minutes=1)).astimezone(ZoneInfo("Asia/Kathmandu"))
    assert re.findall(r">(\d\d:\d\d)</text>", axis)[0] == f"{first:%H:%M}"


def test_a_forged_cookie_is_ignored(site: Site) -> None:
    visit = site.browser(Role.VIEWER)
    for name, value in (("callboard_theme", '"><script>'), ("callboard_zone", "../../etc/passwd")):
        visit.client.set_cookie(name, value)
    page = visit.get("/jobs").text
    assert "data-theme" not in page
    assert f"Times in {get_settings().timezone}." in page


def test_the_environment_is_in_the_bar_and_in_every_title(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_ENVIRONMENT", "production & more")
    monkeypatch.setenv("CALLBOARD_ENVIRONMENT_COLOR", "red")
    get_settings.cache_clear()
    try:
        page = site.browser(Role.VIEWER).get("/actors").text
        assert '<span class="environment red">production &amp; more</span>' in page
        assert "<title>Actors · production &amp; more · Callboard</title>" in page
        monkeypatch.setenv("CALLBOARD_ENVIRONMENT_COLOR", "#f00")
        get_settings.cache_clear()
        with pytest.raises(WrongSettings, match="CALLBOARD_ENVIRONMENT_COLOR"):
            get_settings()
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


def test_the_menu_counts_dead_and_held_jobs_of_the_visitors_actors(site: Site) -> None:
    for state in (State.DEAD, State.HELD, State.SUCCEEDED):
        jobs.in_state(site.database, state)
    page = site.browser(Role.VIEWER).get("/actors").text
    assert '<span class="rail-count dead">1<span class="unseen"> dead</span></span>' in page
    assert '<span class="rail-count held">1<span class="unseen"> held</span></span>' in page
    assert "rail-count" not in site.browser(Role.VIEWER, ["mul"]).get("/actors").text
