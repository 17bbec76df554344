"""Callboard installed beside an application outside the repository: examples/flask_app, with a `src`, tables and pages of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from src.up.data import ports
from tests.harness import ROOT
from tests.harness.services import BrokerNode, Postgres, random_name
from tests.harness.waiting import eventually

PREFIX = "/background"
LINK = """
from callboard.operations.people.sessions import one_time_link
from callboard.operations.people.users import ensure_admin
ensure_admin()
print(one_time_link({url!r}))
"""


class Shop:
    """The example, copied to a folder of its own, with a Python that has Callboard installed."""

    def __init__(self, folder: Path, database_url: str, broker_url: str) -> None:
        self.place = folder / "flask_app"
        shutil.copytree(ROOT / "examples" / "flask_app", self.place, ignore=shutil.ignore_patterns("__pycache__"))
        self.python = self._install(folder / "venv")
        self.port = ports.anywhere(["web"])["web"]
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALLBOARD_", "PYTHON"))}
        self.environment = kept | {
            "SHOP_DATABASE_URL": database_url,
            "CALLBOARD_DATABASE_URL": database_url,
            "CALLBOARD_DATABASE_SCHEMA": "board",
            "CALLBOARD_BROKER_URL": broker_url,
            "CALLBOARD_ACTORS": "src.shop.jobs",
            "CALLBOARD_SECRET_KEY": "only for tests",
            "CALLBOARD_DATA_DIR": str(folder / "data"),
        }
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    @staticmethod
    def _install(venv: Path) -> Path:
        """Make a virtual environment with Callboard, and the libraries of this one; nothing of the checkout is on its path."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=60)
        [packages] = (venv / "lib").glob("python*/site-packages")
        (packages / "libraries.pth").write_text("\n".join(entry for entry in sys.path if entry.endswith("-packages")))
        build = ["setup.py", "-q", "build", "--build-base", str(venv / "build"), "--build-lib", str(packages)]
        subprocess.run([sys.executable, *build], cwd=ROOT, check=True, timeout=120, capture_output=True)
        return venv / "bin" / "python"

    def run(self, *arguments: str) -> str:
        """Run Python in the application's folder."""
        done = subprocess.run(
            [str(self.python), *arguments], cwd=self.place, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Path]:
        """Run Python in the background for the block; yields its log."""
        log = self.place.parent / f"{arguments[1]}.log"
        with open(log, "wb") as out:
            process = subprocess.Popen(
                [str(self.python), *arguments], cwd=self.place, env=self.environment, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            yield log
        finally:
            process.terminate()
            process.wait(60)

    def get(self, path: str) -> str:
        with self.browser.open(f"{self.url}{path}", timeout=60) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **fields: object) -> tuple[int, str]:
        request = urllib.request.Request(f"{self.url}{path}", urllib.parse.urlencode(fields).encode(), {"Referer": self.url})
        try:
            with self.browser.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()

    def state(self, order: int) -> Any:
        return json.loads(self.get(f"/orders/{order}"))["state"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, broker_node: BrokerNode) -> Iterator[Shop]:
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("only setuptools builds")
    database, vhost = random_name("shop"), random_name("shop")
    postgres.execute(f"CREATE DATABASE {database}")
    shop = Shop(tmp_path_factory.mktemp("existing"), postgres.url(database), broker_node.create_vhost(vhost))
    shop.run("-m", "src.shop.models")
    shop.run("-m", "callboard", "migrate")
    with ExitStack() as running:
        log = running.enter_context(shop.running("-m", "dramatiq", "callboard.actors", "-p", "1", "-t", "2"))
        web = running.enter_context(shop.running("-m", "flask", "--app", "src.shop.web", "run", "--port", str(shop.port)))
        eventually(lambda: "worker_serves" in log.read_text(), deadline_s=120, what=f"a worker serves; see {log}")
        eventually(lambda: "Running on" in web.read_text(), deadline_s=120, what=f"the application serves; see {web}")
        yield shop
    broker_node.delete_vhost(vhost)
    postgres.execute(f"DROP DATABASE {database} WITH (FORCE)")


def test_nothing_is_imported_from_the_checkout(shop: Shop) -> None:
    printed = shop.run(
        "-c", "import src.shop.web, callboard, src, sys; print(src.__file__, callboard.__file__, *sys.path)"
    )  # fmt: skip

    source, package, *checkout = printed.split()
    assert source == str(shop.place / "src" / "__init__.py")
    assert package.startswith(str(shop.python.parents[1]))
    assert str(ROOT) not in checkout


def test_an_order_and_its_job_are_one_transaction(shop: Shop) -> None:
    status, body = shop.post("/orders", article="tea", pieces=2)
    assert status == 201, body
    placed = json.loads(body)

    eventually(lambda: shop.state(placed["order"]) == "packed", deadline_s=60, what="the order is packed")
    count = "import callboard.database as d, sqlalchemy as s\nwith d.read() as session: print(session.execute(s.text('SELECT count(*) FROM jobs')).scalar())"
    before = shop.run("-c", count)
    assert shop.post("/orders", article="tea", pieces=0)[0] == 400

    assert shop.run("-c", count) == before
    handle = f"import callboard; print(callboard.job({placed['job']!r}).wait(30))"
    assert shop.run("-c", handle) == f"{placed['order']} packed by job {placed['job']}"


def test_the_console_works_under_a_prefix(shop: Shop) -> None:
    link = shop.run("-c", LINK.format(url=f"{shop.url}{PREFIX}")).splitlines()[-1]
    assert link.startswith(f"{shop.url}{PREFIX}/")
    shop.browser.open(link, timeout=60).close()

    followed = {f"{PREFIX}/"}
    for path in (f"{PREFIX}/", f"{PREFIX}/jobs", f"{PREFIX}/actors"):
        page = shop.get(path)
        links = set(re.findall(r'(?:href|src|action|hx-get|hx-post|data-url)="(/[^"]*)"', page))
        assert links
        assert {each for each in links if not each.startswith(f"{PREFIX}/")} == set()
        followed |= {each for each in links if each.startswith((f"{PREFIX}/static/", f"{PREFIX}/jobs"))}
    for each in sorted(followed - {f"{PREFIX}/jobs/many"}):  # which needs an action
        try:
            assert shop.get(each.partition("#")[0].replace("&amp;", "&"))
        except urllib.error.HTTPError as refusal:
            pytest.fail(f"{each}: {refusal.code} {refusal.read().decode()[-500:]}")


def test_a_form_of_the_console_is_protected_and_accepted_under_a_prefix(shop: Shop) -> None:
    shop.browser.open(shop.run("-c", LINK.format(url=f"{shop.url}{PREFIX}")).splitlines()[-1], timeout=60).close()
    page = shop.get(f"{PREFIX}/actors/pack")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]*)"', page)
    form = re.search(r'<form[^>]*action="([^"]*)"', page)
    assert token is not None
    assert form is not None
    status, order = shop.post("/orders", article="coffee", pieces=1)
    assert status == 201

    assert shop.post(f"{PREFIX}/actors/pack", order_id=json.loads(order)["order"])[0] == 400  # without the token
    status, body = shop.post(f"{PREFIX}/actors/pack", csrf_token=token[1], order_id=json.loads(order)["order"])

    assert status == 200, body
    assert f'href="{PREFIX}/jobs/' in body
