"""API features common to every request: ETags, preconditions, rate limits, a readable page."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from pydantic import NewPath

import src.actors
from src.jobs.limits.rates import Rate
from src.operations.people.roles import Role
from src.settings import get_settings
from src.sql.clock import clock, now
from src.web import create_app
from src.web.api.requests.rate_limit import Budget
from tests.harness.site import Site, in_words


@dramatiq.actor(queue_name="linger", max_retries=0)
def export_once(target: NewPath) -> None:
    """Write a new file."""


def test_a_read_with_the_tag_of_the_last_one_costs_no_body(site: Site) -> None:
    program = site.program()
    id = program.submit("add", 1, 2)
    first = program.get(f"/api/v1/jobs/{id}")
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"

    again = program.client.get(f"/api/v1/jobs/{id}", headers={**program.headers, "If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    program.post(f"/api/v1/jobs/{id}/cancel")
    changed = program.client.get(f"/api/v1/jobs/{id}", headers={**program.headers, "If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_an_edit_with_an_old_tag_overwrites_nothing(site: Site) -> None:
    program = site.program()
    id = program.submit("add", 1, 2, delay="1h")
    tag = program.get(f"/api/v1/jobs/{id}").headers["ETag"]
    edited = program.client.patch(f"/api/v1/jobs/{id}", json={"priority": 9}, headers={**program.headers, "If-Match": tag})
    assert (edited.status_code, edited.get_json()["priority"]) == (200, 9)
    refused = program.client.patch(f"/api/v1/jobs/{id}", json={"priority": 1}, headers={**program.headers, "If-Match": tag})
    assert refused.status_code == 412
    assert refused.mimetype == "application/problem+json"
    assert program.get(f"/api/v1/jobs/{id}").get_json()["priority"] == 9


def test_a_tag_that_a_proxy_has_weakened_is_ours(site: Site) -> None:
    program = site.program()
    id = program.submit("add", 1, 2, delay="1h")
    tag = f"W/{program.get(f'/api/v1/jobs/{id}').headers['ETag']}"
    assert program.client.get(f"/api/v1/jobs/{id}", headers={**program.headers, "If-None-Match": tag}).status_code == 304
    statuses = [
        program.client.patch(f"/api/v1/jobs/{id}", json={"priority": priority}, headers={**program.headers, "If-Match": tag}).status_code
        for priority in (9, 1)
    ]
    assert statuses == [200, 412]


def test_a_schedule_is_edited_and_deleted_by_its_version_though_its_instants_move_on(site: Site) -> None:
    program = site.program()
    program.post("/api/v1/schedules", {"name": "nightly", "actor": "add", "args": [1, 2], "cron": "0 3 * * *"})
    tag = program.get("/api/v1/schedules/nightly").headers["ETag"]
    changed = program.client.patch("/api/v1/schedules/nightly", json={"cron": "0 4 * * *"}, headers={**program.headers, "If-Match": tag})
    assert changed.status_code == 200
    for method in ("patch", "delete"):
        late = getattr(program.client, method)("/api/v1/schedules/nightly", json={}, headers={**program.headers, "If-Match": tag})
        assert late.status_code == 412, method
    tag = program.get("/api/v1/schedules/nightly").headers["ETag"]
    assert program.client.delete("/api/v1/schedules/nightly", headers={**program.headers, "If-Match": tag}).status_code == 204


def test_a_job_is_submitted_at_its_actors_own_address(site: Site) -> None:
    program = site.program(Role.SUBMITTER)
    made = program.post("/api/v1/actors/add/jobs", {"kwargs": {"x": 1, "y": 2}, "delay": "10m"}, Idempotency_Key="one")
    assert (made.status_code, made.get_json()["state"]) == (202, "scheduled")
    again = program.post("/api/v1/actors/add/jobs", {"kwargs": {"x": 1, "y": 2}, "delay": "10m"}, Idempotency_Key="one")
    assert (again.get_json()["id"], again.headers["Idempotency-Replayed"]) == (made.get_json()["id"], "true")
    wrong = program.post("/api/v1/actors/add/jobs", {"kwargs": {"x": "one", "z": 3}})
    assert wrong.status_code == 422
    assert {each["field"] for each in wrong.get_json()["errors"]} == {"z"}
    assert program.post("/api/v1/actors/nobody/jobs", {}).status_code == 404
    assert program.post("/api/v1/actors/add/jobs", {"actor": "mul"}).status_code == 422


def test_a_repeated_request_is_not_judged_by_the_present_clock_or_disk(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, target = site.program(Role.SUBMITTER), tmp_path / "export.csv"
    by_path = ("/api/v1/actors/export_once/jobs", {"kwargs": {"target": str(target)}})
    by_clock = ("/api/v1/jobs", {"actor": "add", "args": [1, 2], "expires": (now() + timedelta(hours=1)).isoformat()})
    requests = [(by_path, "path"), (by_clock, "clock")]
    first = [program.post(*request, Idempotency_Key=key).get_json()["id"] for request, key in requests]
    target.touch()
    later = now() + timedelta(hours=2)
    monkeypatch.setattr(clock, "now", lambda: later)

    again = [program.post(*request, Idempotency_Key=key) for request, key in requests]

    assert [(each.get_json()["id"], each.headers["Idempotency-Replayed"]) for each in again] == [(id, "true") for id in first]
    assert [program.post(*request, Idempotency_Key="new").status_code for request, _ in requests] == [422, 422]
    other = {"kwargs": {"target": str(tmp_path / "other.csv")}}
    assert program.post(by_path[0], other, Idempotency_Key="path").status_code == 409


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("jobs/bulk", [{"actor": "add", "args": [1, 2]}]),
        ("schedules/nightly/run-now", None),
        ("schedules/nightly/backfill", {"since": "2030-01-01T00:00:00Z"}),
        ("jobs/many", {"verb": "retry", "q": "state:dead", "count": 0}),
    ],
)
def test_a_promise_that_a_request_does_not_keep_is_refused(site: Site, path: str, body: Any) -> None:
    program = site.program()
    answer = program.post(f"/api/v1/{path}", body, Idempotency_Key="k")
    assert answer.status_code == 422
    assert answer.get_json()["detail"].startswith("Idempotency-Key: This request does not take the header. ")
    assert "its idempotency_key" in answer.get_json()["detail"]
    answer = program.post(f"/api/v1/{path}", body, If_Match='"old"')
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "If-Match")
    answer = program.post(f"/api/v1/{path}?delay=10m", body)
    assert answer.get_json()["detail"] == "delay: There is no such query parameter. There are none here."


def test_an_empty_header_promises_nothing_and_is_refused(site: Site) -> None:
    program = site.program()
    id = program.submit("add", 1, 2, delay="1h")
    assert program.post("/api/v1/jobs", {"actor": "add", "args": [1, 2]}, Idempotency_Key="").status_code == 422
    edited = program.client.patch(f"/api/v1/jobs/{id}", json={"priority": 9}, headers={**program.headers, "If-Match": " "})
    assert (edited.status_code, "leave the header out" in edited.text) == (422, True)
    cancelled = program.post(f"/api/v1/jobs/{id}/cancel", If_Match='"old"')
    assert (cancelled.status_code, program.get(f"/api/v1/jobs/{id}").get_json()["state"]) == (422, "scheduled")
    assert program.post("/api/v1/jobs?priority=9", {"actor": "add", "args": [1, 2]}).status_code == 422


def test_one_client_may_use_up_its_own_budget_and_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "api_rate", "3/h")
    limited = Site(site.database, create_app())
    program, other = limited.program(Role.VIEWER), limited.program(Role.VIEWER)
    for left in (2, 1, 0):
        answer = program.get("/api/v1/jobs")
        assert answer.status_code == 200
        assert answer.headers["RateLimit"].startswith(f'"api";r={left};t=')
        assert answer.headers["RateLimit-Policy"] == '"api";q=3;w=3600'
    refused = program.get("/api/v1/jobs")
    assert (refused.status_code, refused.mimetype) == (429, "application/problem+json")
    assert 1100 < int(refused.headers["Retry-After"]) <= 1201
    assert other.get("/api/v1/jobs").status_code == 200
    refused = limited.stranger().get("/api/v1/jobs")
    assert refused.status_code == 401
    assert "./run token create NAME --role viewer" in refused.text
    assert "/account" in refused.text


def test_an_unreadable_rate_is_reported_when_the_site_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "api_rate", "often")
    with pytest.raises(ValueError, match=r"CALLBOARD_API_RATE='often' is not a rate: write e\.g\. 600/m"):
        create_app()


def test_a_budget_is_whole_again_after_its_period() -> None:
    present = 0.0
    budget = Budget(Rate(60, 60), lambda: present)
    assert [budget.take("a").allowed for _ in range(61)] == [True] * 60 + [False]
    present = 1.0
    assert [budget.take("a").allowed for _ in range(2)] == [True, False]
    present = 120.0
    assert budget.take("a").remaining == 59


def test_the_api_can_be_read_as_a_page_with_the_role_and_an_example_of_each_operation(site: Site) -> None:
    page = site.browser(Role.VIEWER).get("/api/docs")
    words = in_words(page.text)
    assert page.status_code == 200
    assert "POST /actors/create_random_user_accounts/jobs" in words
    assert "kwargs.total required body integer 50…500" in words
    assert "Requires role operator. Responses: 200, 400, 401" in words
    assert "--json &#39;{&#34;kwargs&#34;: {&#34;total&#34;: 50}}&#39;" in page.text
    assert " role . " not in words
    assert "Requires role admin. Responses: 200, 400, 401, 403, 404, 409, 413" in words  # an address with a number in it
    assert "-F file=@a.png http" in words
    assert "file required part file" in words
    assert "Retry a dead, cancelled, expired or retrying job" in words
    assert "Queue a scheduled or retrying job now" in words
    assert "A repeated Idempotency-Key returns the same job or workflow, with" in words
    assert site.stranger().get("/api/docs").location.startswith("/sign-in")


def test_the_examples_of_reads_and_submissions_work(site: Site) -> None:
    program = site.program()
    page = html.unescape(site.browser().get("/api/docs").text)
    reads = re.findall(r"""curl -H "Authorization: Bearer \$TOKEN" '?http://[^/]+(/[^\s<{']+)'?</""", page)
    calls = re.findall(r"--json '(.*)' http://[^/]+(/api/v1/actors/\w+/jobs)</", page)
    assert "/api/v1/jobs/many?verb=retry" in reads
    assert "/api/v1/actors/call_http/jobs" in dict(calls).values()
    for path in set(reads) - {"/api/v1/events"}:
        assert program.get(path).status_code == 200, path
    own = {
        f"/api/v1/actors/{name}/jobs"
        for name, actor in src.actors.broker.actors.items()
        if str(getattr(actor.fn, "__module__", "")).startswith("src.")
    }
    for body, path in calls:
        if path not in own:
            continue  # another test's, in whose type an example cannot be known
        assert program.post(path, json.loads(body)).status_code == 202, (path, body)


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/api/v1/jobs/", 404, "There is nothing at '/api/v1/jobs/'. Did you mean /api/v1/jobs?"),
        ("GET", "/api/v1/worker", 404, "There is nothing at '/api/v1/worker'. Did you mean /api/v1/workers?"),
        ("GET", "/api/v2/xyzzy-and-more", 404, "There is nothing at '/api/v2/xyzzy-and-more'. /api/docs lists the API."),
        ("PUT", "/api/v1/jobs", 405, "PUT is not allowed here. Send GET or POST."),
    ],
)
def test_an_address_or_method_that_is_wrong_is_refused_with_the_cure(site: Site, method: str, path: str, status: int, detail: str) -> None:
    program = site.program()
    refused = program.client.open(path, method=method, headers=program.headers)
    assert (refused.status_code, refused.mimetype, refused.get_json()["detail"]) == (status, "application/problem+json", detail)


def test_a_compressed_body_is_refused_with_the_cure(site: Site) -> None:
    program = site.program()
    headers = {**program.headers, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    refused = program.client.post("/api/v1/jobs", data=b"\x1f\x8b", headers=headers)
    assert (refused.status_code, refused.get_json()["detail"]) == (415, "Send the body uncompressed, without the header Content-Encoding.")


def test_a_page_that_is_not_there_names_the_one_that_was_meant(site: Site) -> None:
    page = site.browser().get("/worker")
    assert page.status_code == 404
    assert "Did you mean /workers?" in in_words(page.text)
