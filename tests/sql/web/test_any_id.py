"""Jobs, queues, actors and workers with names that URLs cannot hold: their pages, streams, API and actions work."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import quote, unquote

import pytest
from dramatiq import Message
from sqlalchemy import update

from src.formats.url_segments import segment
from src.jobs import State
from src.jobs.control import held
from src.jobs.core.models import Job
from src.operations.people.roles import Role
from src.sql.database import write
from tests.harness.jobs import hired, in_state, look
from tests.harness.site import Program, Site, Stream, Visit, in_words

IDS = ("//a/b/", "..", "../../etc", "a?b=c#d;e,f", "%2F%252f", "~2F", "\\", "a\nb", " ", "\"'><b>{{id}}", "many", "\U0001f3ad" * 255)


def foreign(id: str, *args: Any, actor: str = "add", **options: Any) -> None:
    """A held job of this id, as a foreign message leaves one."""
    with write() as session:
        message: Message[Any] = Message("default", actor, args, {}, options, message_id=id, message_timestamp=1)
        held.hold_foreign(session, [("default", message)], run=False)


def links(page: str) -> set[str]:
    """The addresses within a page that it offers to follow."""
    found = re.findall(r'(?:href|hx-get|hx-sse:connect|sse-connect)="(/[^"]*)', page)
    return {html.unescape(each).partition("#")[0] for each in found if "/static/" not in each}


def follow(visit: Visit, page: str, id: str) -> None:
    """Every link of the page that is about this job must lead somewhere."""
    about = {link for link in links(page) if f"/{unquote(segment(id))}" in unquote(link)}
    for link in about:
        answer = visit.client.get(link, follow_redirects=True)
        assert answer.status_code in (200, 204) or (answer.status_code == 404 and link.endswith("/result")), (link, answer.status)
        answer.close()


@pytest.mark.long
@pytest.mark.parametrize("id", IDS, ids=range(len(IDS)))
def test_a_job_of_any_id_is_shown_and_acted_on(site: Site, id: str) -> None:
    foreign(id, 1, 2)
    operator, program = site.browser(Role.OPERATOR), site.program(Role.OPERATOR)

    listed = operator.get("/held").text
    follow(operator, listed, id)
    [page_link] = {link for link in links(operator.get("/jobs?q=state:held").text) if unquote(link) == unquote(f"/jobs/{segment(id)}")}
    page = operator.get(page_link)
    assert (page.status_code, page.headers.get("Location")) == (200, None)
    follow(operator, page.text, id)
    with Stream(operator, f"{page_link}/events"):
        pass

    address = f"/api/v1/jobs/{segment(id)}"
    assert program.get(address).get_json()["id"] == id
    assert _quoted(program, id).get_json()["id"] == id
    assert program.get(f"{address}/logs").status_code == 200
    assert program.patch(address, {"priority": 7}).status_code in (200, 409)
    released = operator.fill_in(page_link, action=f"{page_link}/release")
    assert (released.status_code, look(site.database, id).state) == (303, State.QUEUED)
    assert operator.get(released.location).status_code == 200
    assert program.post(f"{address}/cancel").status_code in (200, 202)
    assert look(site.database, id).state is State.CANCELLED
    assert operator.get(f"{page_link}/re-run").status_code == 200


def _quoted(program: Program, id: str) -> Any:
    """The job as a client finds it that has percent-encoded the id by itself; it cannot for a word that is a page, or looks escaped."""
    return program.get(f"/api/v1/jobs/{segment(id) if id in ('many', '~2F') else quote(id, safe='').replace('.', '%2E')}")


def test_it_is_discarded_on_its_page_and_with_the_api(site: Site) -> None:
    for id in ("a/b", ".."):
        foreign(id)
    operator = site.browser(Role.OPERATOR)

    assert operator.fill_in(f"/jobs/{segment('a/b')}", action=f"/jobs/{segment('a/b')}/discard").status_code == 303
    assert site.program(Role.OPERATOR).post(f"/api/v1/jobs/{quote('..', safe='').replace('.', '%2E')}/discard").status_code == 200

    assert operator.get("/held").text.count("/discard") == 0


def test_values_that_no_producer_of_ours_sends_are_shown(site: Site) -> None:
    foreign(
        "odd/1",
        None,
        True,
        10**400,
        float("nan"),
        "\x00\ud800",
        [[[]]],
        {"\x00": 1},
        actor="a/b ?",
        scheduled_for=5,
        traceparent=[],
        time_limit={},
    )
    viewer = site.browser(Role.VIEWER)

    assert viewer.get("/jobs/odd~2F1").status_code == 200
    assert viewer.get("/held").status_code == 200
    assert site.program(Role.VIEWER).get("/api/v1/jobs/odd~2F1").status_code == 200


@pytest.mark.long
@pytest.mark.parametrize("name", ["a/b", "..", "a?b#c", "%2F", 'x"y', "ü \\"], ids=range(6))
def test_queues_actors_and_workers_of_any_name_have_their_pages(site: Site, name: str) -> None:
    id = in_state(site.database, State.QUEUED)
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(queue=name, actor=name))
    hired(site.database, name)
    admin, program = site.browser(), site.program()

    for overview in ("/queues", "/workers", "/jobs", f"/jobs/{id}", "/errors", "/"):
        page = admin.get(overview)
        assert page.status_code == 200
        follow(admin, page.text, name)
    assert admin.get(f"/queues/{segment(name)}").status_code == 200
    assert program.post(f"/api/v1/workers/{segment(name)}/quiet").status_code == 200
    assert program.post(f"/api/v1/workers/{quote(name, safe='').replace('.', '%2E')}/resume").status_code == 200
    assert program.post("/api/v1/pauses", {"target": f"queue:{name}"}).status_code in (200, 201, 422)
    assert name in in_words(admin.get(f"/queues/{segment(name)}").text)
