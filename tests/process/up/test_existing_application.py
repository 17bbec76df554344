"""Callboard installed beside applications outside the repository: examples/, each with a `src`, tables and pages of its own."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.applications import FRAMEWORKS, PREFIX, SCHEMA, Application, installed, wheel
from tests.harness.services import BrokerNode, Postgres, random_name
from tests.harness.waiting import eventually

WHEELS = [pytest.param(f"{name} wheel", marks=pytest.mark.slow) for name in FRAMEWORKS]
#: each framework, and with --slow from the wheel and on SQLite, too
EACH = pytest.mark.parametrize("shop", [*FRAMEWORKS, *WHEELS, pytest.param("django sqlite", marks=pytest.mark.slow)], indirect=True)
#: Flask always, and with --slow each framework from the wheel
ONE = pytest.mark.parametrize("shop", ["flask", *WHEELS], indirect=True)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Path:
    return installed(tmp_path_factory.mktemp("installed") / "venv", built)


@pytest.fixture(scope="module")
def python_with_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(tmp_path_factory.mktemp("wheel") / "venv")


@pytest.fixture(scope="module")
def migrated(python: Path, postgres: Postgres) -> str:
    """The name of a database with Callboard's tables in a schema of their own."""
    name = random_name("migrated")
    postgres.execute(f"CREATE DATABASE {name}")
    environment = {"CALLBOARD_DATABASE_URL": postgres.url(name), "CALLBOARD_DATABASE_SCHEMA": SCHEMA}
    subprocess.run([python, "-m", "callboard", "migrate"], cwd=python.parent, env=os.environ | environment, check=True, timeout=120)
    return name


@pytest.fixture(scope="module")
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated: str, postgres: Postgres, broker_node: BrokerNode
) -> Iterator[Application]:
    framework, _, variant = request.param.partition(" ")
    python = request.getfixturevalue("python_with_wheel" if variant == "wheel" else "python")
    folder = tmp_path_factory.mktemp(framework)
    database, vhost = random_name("shop"), random_name("shop")
    postgres.execute(f"CREATE DATABASE {database}" + ("" if variant else f" TEMPLATE {migrated}"))
    url = f"sqlite:///{folder / 'shop.db'}" if variant == "sqlite" else postgres.url(database)
    shop = Application(framework, folder, python, url, broker_node.create_vhost(vhost))
    if variant:
        shop.run("-m", "callboard", "migrate")
    with shop.serving():
        yield shop
    broker_node.delete_vhost(vhost)
    postgres.execute(f"DROP DATABASE {database} WITH (FORCE)")


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

    before = shop.counts()
    assert shop.order("tea", 0)[0] == 400
    assert shop.counts() == before


@ONE
def test_every_page_and_link_of_the_console_is_under_its_prefix(shop: Application) -> None:
    assert shop.order("coffee", 1)[0] == 201
    with urllib.request.urlopen(f"{shop.url}{PREFIX}/jobs", timeout=60) as redirected:
        assert redirected.url == f"{shop.url}{PREFIX}/sign-in?next={PREFIX}/jobs"
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
    status, page = shop.post(f"{PREFIX}/actors/pack", csrf_token=token, order_id=1, **{"how-delay": "1h"})
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


@pytest.mark.slow
@pytest.mark.parametrize("shop", [WHEELS[-1]], indirect=True)
def test_the_tests_of_a_django_project_pass_in_its_test_database(shop: Application, postgres: Postgres) -> None:
    database = f"test_{shop.database_url.rpartition('/')[2]}"
    postgres.execute(f"CREATE DATABASE {database}")

    shop.run(str(shop.python.with_name("callboard")), "migrate", CALLBOARD_DATABASE_URL=postgres.url(database))
    shop.run("manage.py", "test", "--keepdb", "src")


@pytest.mark.slow
@pytest.mark.parametrize("shop", [WHEELS[0]], indirect=True)
def test_the_wheel_starts_all_of_callboard_on_a_rabbitmq_of_its_own(shop: Application, tmp_path: Path) -> None:
    callboard = str(shop.python.with_name("callboard"))
    everything = {
        "CALLBOARD_BROKER_URL": "",
        "CALLBOARD_DATABASE_SCHEMA": "",
        "CALLBOARD_DATABASE_URL": "",
        "CALLBOARD_DATA_DIR": str(tmp_path / "data"),
    }
    program = "print('sum:', job(add.send(20, 22)).wait(60))\n"

    try:
        shop.run(callboard, "up", "--detach", "--port", "0", "--workers", "1", **everything)
        status = json.loads(shop.run(callboard, "status", "--json", **everything))
        assert "sum: 42" in shop.run(callboard, "shell", stdin=program, **everything)
    finally:
        shop.run(callboard, "down", **everything)

    assert status["ready"] is True


@ONE
def test_the_shell_has_the_actors_of_the_application_and_nothing_of_the_checkout(shop: Application) -> None:
    placed = json.loads(shop.order("tea", 1)[1])
    program = f"""
import callboard, json, src, sys
print("packed:", job(pack.send({placed["order"]})).wait(60))
print("places:", json.dumps([src.__file__, callboard.__file__, *sys.path]))
"""

    printed = shop.run("-m", "callboard", "shell", stdin=program)

    assert f"packed: {placed['order']} packed by job" in printed
    source, package, *path = json.loads(printed.partition("places: ")[2].splitlines()[0])
    assert source == str(shop.place / "src" / "__init__.py")
    assert package.startswith(str(shop.python.parents[1]))
    assert str(ROOT) not in path
