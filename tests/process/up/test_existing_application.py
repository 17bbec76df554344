"""Callboard installed beside applications outside the repository: examples/, each with a `src`, tables and pages of its own."""

from __future__ import annotations

import html
import json
import re
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.applications import FRAMEWORKS, PREFIX, SCHEMA, Application, installed
from tests.harness.services import BrokerNode, Postgres, random_name
from tests.harness.waiting import eventually

EACH = pytest.mark.parametrize("shop", FRAMEWORKS, indirect=True)
#: Flask always, the others with --slow
ONE = pytest.mark.parametrize(
    "shop", ["flask", *(pytest.param(name, marks=pytest.mark.slow) for name in FRAMEWORKS if name != "flask")], indirect=True
)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Path:
    return installed(tmp_path_factory.mktemp("installed") / "venv", built)


@pytest.fixture(scope="module")
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, python: Path, postgres: Postgres, broker_node: BrokerNode
) -> Iterator[Application]:
    database, vhost = random_name("shop"), random_name("shop")
    postgres.execute(f"CREATE DATABASE {database}")
    shop = Application(
        request.param, tmp_path_factory.mktemp(request.param), python, postgres.url(database), broker_node.create_vhost(vhost)
    )
    with shop.serving():
        yield shop
    broker_node.delete_vhost(vhost)
    postgres.execute(f"DROP DATABASE {database} WITH (FORCE)")


@ONE
def test_nothing_is_imported_from_the_checkout(shop: Application) -> None:
    printed = shop.run("-c", "import callboard.actors, callboard, src, sys; print(src.__file__, callboard.__file__, *sys.path)")

    source, package, *checkout = printed.split()
    assert source == str(shop.place / "src" / "__init__.py")
    assert package.startswith(str(shop.python.parents[1]))
    assert str(ROOT) not in checkout


@EACH
def test_an_order_and_its_job_are_one_transaction(shop: Application) -> None:
    status, body = shop.order("tea", 2)
    assert status == 201, body
    placed = json.loads(body)

    ended = json.loads(shop.get(f"/jobs/{placed['job']}"))
    assert ended == {"state": "succeeded", "result": f"{placed['order']} packed by job {placed['job']}"}
    assert json.loads(shop.get(f"/orders/{placed['order']}"))["state"] == "packed"
    if "task" in placed:  # of Django's own framework
        assert json.loads(shop.get(f"/jobs/{placed['task']}"))["result"] == "thanked for tea"

    before = shop.count("orders"), shop.count(f"{SCHEMA}.jobs")
    assert shop.order("tea", 0)[0] == 400
    assert (shop.count("orders"), shop.count(f"{SCHEMA}.jobs")) == before


@ONE
def test_every_page_and_link_of_the_console_is_under_its_prefix(shop: Application) -> None:
    assert shop.order("coffee", 1)[0] == 201
    shop.sign_in()
    assert {cookie.path for cookie in shop.cookies} == {PREFIX}

    seen, waiting = set(), [f"{PREFIX}/", f"{PREFIX}/jobs"]
    while waiting:
        path = waiting.pop()
        if (shape := shape_of(path)) in seen:
            continue
        seen.add(shape)
        try:
            page = shop.get(path)
        except urllib.error.HTTPError as refusal:
            pytest.fail(f"{path}: {refusal.code} {refusal.read().decode()[-500:]}")
        if "/static/" not in path and "<html" in page:
            assert {each for each in _ADDRESS.findall(page) if not each.startswith(f"{PREFIX}/")} == set(), path
        waiting += [html.unescape(each).partition("#")[0] for each in _FOLLOWED.findall(page)]
    assert {f"{PREFIX}/jobs/ID", f"{PREFIX}/actors/NAME", f"{PREFIX}/static/callboard.css", f"{PREFIX}/api/v1/openapi.json"} <= seen
    assert len(seen) > 40, sorted(seen)


#: addresses of this server in a page, and those that a browser gets
_ADDRESS = re.compile(r'(?:href|src|action|formaction|hx-get|hx-post|hx-sse:connect|data-url)="(/[^"]*)"')
_FOLLOWED = re.compile(r'(?:href|src|hx-get)="(/[^"]*)"')
_NAMED = re.compile(r"^(actors|queues|workers|schedules|users|files)/[^/]+")
_UUID = re.compile(r"[0-9a-f]{8}[0-9a-f-]*")


def shape_of(path: str) -> str:
    """Return the address with placeholders for ids and names: one page of each kind is enough."""
    kind = _UUID.sub("ID", path.partition("?")[0].removeprefix(f"{PREFIX}/"))
    return f"{PREFIX}/" + _NAMED.sub(r"\1/NAME", kind)


@ONE
def test_a_live_page_streams_under_the_prefix(shop: Application) -> None:
    shop.sign_in()
    token = shop.token(f"{PREFIX}/actors/pack")
    status, page = shop.post(f"{PREFIX}/actors/pack", csrf_token=token, order_id=1, delay="1h")
    assert status == 200, page
    stream = re.search(r'hx-sse:connect="([^"]*)"', page)
    assert stream is not None
    assert stream[1].startswith(f"{PREFIX}/jobs/")

    with shop.browser.open(f"{shop.url}{html.unescape(stream[1])}", timeout=60) as events:
        assert events.headers["Content-Type"].startswith("text/event-stream")
        assert events.readline()


@ONE
def test_a_form_of_the_console_is_protected_and_accepted_under_a_prefix(shop: Application) -> None:
    shop.sign_in()
    token = shop.token(f"{PREFIX}/actors/pack")
    status, order = shop.order("coffee", 1)
    assert status == 201

    assert shop.post(f"{PREFIX}/actors/pack", order_id=json.loads(order)["order"])[0] == 400  # without the token
    status, body = shop.post(f"{PREFIX}/actors/pack", csrf_token=token, order_id=json.loads(order)["order"])

    assert status == 200, body
    assert f'href="{PREFIX}/jobs/' in body
    eventually(lambda: "succeeded" in shop.get(f"{PREFIX}/jobs?state=succeeded"), deadline_s=60, what="the job of the form succeeds")
