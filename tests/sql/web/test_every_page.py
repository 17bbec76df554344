"""Every page and every read-only API route answers on both stores, on a console with content on each page."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Rule

from tests.harness import plans
from tests.harness.contract import operations, path_of
from tests.harness.sample import furnish
from tests.harness.site import Site

#: addresses that lead to another one, or need RabbitMQ
ELSEWHERE = {
    "api.list_dead_letters": 503, "auth.follow_link": 303, "bar.find": 302, "reports.latest": 302, "comparison.choose": 302,
    "forecasts.actor": 302,
}  # fmt: skip
#: streams end with their job or workflow only; test_live.py reads them
STREAMS = {"api.fleet_events", "jobs.events", "workflows.events", "api.events", "api.workflow_events"}
#: which of the sample's ids an address means, by the word before it
NAMES = {
    "actors": "add", "attempts": "1", "batches": "{batch}", "compare": "{succeeded}", "errors": "0123456789abcdef", "jobs": "{job}", "mailbox": "{received}", "mails": "{mail}",
    "parts": "{part}", "queues": "default", "reports": "orders", "<name>": "2026-03-18-aa", "schedules": "{schedule}", "static": "callboard.css",
    "webhooks": "{webhook}", "workers": "here:1", "workflows": "{workflow}",
}  # fmt: skip
#: addresses that need something of their own
OWN = {
    "jobs.edit": "/jobs/{waiting}/edit",
    "jobs.file": "/jobs/{with_file}/files/{file}",
    "jobs.result": "/jobs/{succeeded}/result",
    "tabs.of_job": "/jobs/{job}/tabs/notes",
    "tabs.of_actor": "/actors/add/tabs/stock",
    "bulk.confirm": "/jobs/many?verb=retry&q=state:dead",
    "api.job_file": "/api/v1/jobs/{with_file}/files/{file}",
    "api.result": "/api/v1/jobs/{succeeded}/result",
    "api.count_many": "/api/v1/jobs/many?verb=retry&q=state:dead",
}


def _address(rule: Rule, ids: dict[str, str]) -> str:
    if rule.endpoint in OWN:
        return OWN[rule.endpoint].format(**ids)
    parts = [NAMES[before] if part.startswith("<") else part for before, part in pairwise(rule.rule.split("/"))]
    return "/" + "/".join(parts).format(**ids) + (".csv" if rule.endpoint == "reports.save" else "")


def _furnished(site: Site) -> dict[str, str]:
    """Fill the console; return the ids that every address needs."""
    ids = furnish(site)
    program, admin = site.program(), site.browser()
    with_file: dict[str, Any] = {"photo": (io.BytesIO(b"a picture"), "a.png")}
    answer = program.client.post("/api/v1/actors/archive/jobs", data=with_file, headers=program.headers)
    ids["with_file"] = answer.get_json()["id"]
    ids["file"] = program.get(f"/api/v1/jobs/{ids['with_file']}").get_json()["kwargs"]["photo"]["id"]
    [ids["part"]] = set(re.findall(r"/parts/(\d+)", admin.get(f"/mails/{ids['mail']}").text))
    return ids


#: searches of the jobs list beside the plain one: each field reads jobs in its own way
SEARCHES = (
    "state:dead", "state:succeeded", "state:queued queue:default", "actor:add", "user:ada", "created:today", "finished:24h state:dead", "duration:>40s",
    "error:ZeroDivisionError", "error:0123456789abcdef", "worker:host*", "source:api -state:succeeded", "is:stalled", "is:overdue", "pen", "arg.x:1", "key:*",
    "workflow:nightly", "schedule:nightly", "id:01234567",
)  # fmt: skip


@pytest.mark.long
@pytest.mark.both_stores
def test_every_page_and_route_answers_on_a_furnished_console_and_reads_no_growing_table_as_a_whole(site: Site) -> None:
    ids, program, admin = _furnished(site), site.program(), site.browser()
    answered: dict[str, int] = {}
    with plans.recorded(site.database) as statements:
        for rule in site.app.url_map.iter_rules():
            if "GET" not in (rule.methods or ()) or rule.endpoint in STREAMS:
                continue
            answer = (program if rule.endpoint.startswith("api.") else admin).get(_address(rule, ids))
            answered[rule.endpoint] = answer.status_code
            answer.close()
        for path in ("/?period=7d", *(f"/jobs?q={quote(search)}" for search in SEARCHES)):
            assert admin.get(path).status_code == 200, path
    assert len(answered) > 90
    assert answered == {**dict.fromkeys(answered, 200), **ELSEWHERE}

    assert len(statements) > 50
    if site.database.is_sqlite:  # test_large_console.py asks PostgreSQL
        assert plans.whole_reads(site.database, statements) == {}


class _Noted(ImmutableMultiDict[str, str]):
    """Query parameters that note which of them a view reads."""

    read: ClassVar[set[str]] = set()

    def get(self, key: str, *args: Any, **named: Any) -> Any:
        self.read.add(key)
        return super().get(key, *args, **named)

    def getlist(self, key: str, *args: Any, **named: Any) -> Any:
        self.read.add(key)
        return super().getlist(key, *args, **named)


@pytest.mark.long
@pytest.mark.both_stores
def test_every_described_query_parameter_is_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, program = _furnished(site), site.program()
    monkeypatch.setattr(site.app.request_class, "parameter_storage_class", _Noted)
    unread = {}
    for rule in site.app.url_map.iter_rules():
        if (
            rule.endpoint.startswith("api.")
            and rule.endpoint != "api.describe"
            and "GET" in (rule.methods or ())
            and rule.endpoint not in STREAMS
        ):
            _Noted.read.clear()
            program.get(_address(rule, ids)).close()
            described = operations()[path_of(rule.rule, {}), "get"]["parameters"]
            unread[rule.rule] = {each["name"] for each in described if each["in"] == "query"} - _Noted.read
    assert {rule: names for rule, names in unread.items() if names} == {}
    assert len(unread) > 25
