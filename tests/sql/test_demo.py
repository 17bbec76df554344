"""The demo shop: its history fits the tables, the counts and its own views. In a process of its own, since it declares actors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.harness import fork_server

_PROGRAM = """
import json, logging
from datetime import timedelta
from src import migrations
migrations.migrate()
import src.actors
from sqlalchemy import func, select
from src import console
from src.console import JobView
from src.demo import history, shop
from src.demo.opening import open_shop
from src.jobs.core.models import Attempt, FailureGroup, Job
from src.jobs.read.models import JobStatistics
from src.jobs.core.states import FINAL, Outcome, State
from src.jobs.core.workflow_models import StoredWorkflow
from src.jobs.upkeep import ended_counts
from src.schedules.rows.models import Tick
from src.sql.database import read, write
from src.web.render import extensions
from src.operations.jobs.documents import job_documents

history.WEEK = timedelta(hours=12)
first, second = open_shop(), open_shop()
counted = 1
while counted:
    with write() as session:
        counted = ended_counts.count_new(session)
with read() as session:
    number = lambda what, *where: session.execute(select(func.count()).select_from(what).where(*where)).scalar_one()
    job = session.execute(select(Job).where(Job.actor == "charge_card", Job.state == State.SUCCEEDED).limit(1)).scalar_one()
    stock = session.execute(select(Job).where(Job.actor == "check_stock", Job.state == State.SUCCEEDED).limit(1)).scalar_one()
    view = extensions.view(job)
    found = {
        "first": first, "second": second, "ended": number(Job, Job.state.in_(FINAL)), "waiting": number(Job, Job.state.not_in(FINAL)),
        "counted": int(session.execute(select(func.sum(JobStatistics.jobs)).where(JobStatistics.span == 1)).scalar_one()),
        "actors": sorted(session.execute(select(Job.actor).distinct()).scalars()),
        "failed": number(Attempt, Attempt.outcome == Outcome.FAILED), "attempts": number(Attempt),
        "groups": sorted(session.execute(select(FailureGroup.kind)).scalars()), "workflows": number(StoredWorkflow), "ticks": number(Tick),
        "card": view.arguments["card"], "result": str(extensions.own_result(job).html), "items": str(extensions.own_argument(stock, "items", stock.args[1]).html),
        "links": job_documents.links(job), "tab": str(extensions.call(extensions.tab("job", "charge_card", "order").function, view).html),
        "declined": extensions.call(extensions.tab("actor", "charge_card", "declined-cards").function, "charge_card").problem,
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("demo")
    own = {
        "CALLBOARD_DATA_DIR": str(folder),
        "CALLBOARD_DATABASE_URL": f"sqlite:///{folder / 'callboard.db'}",
        "CALLBOARD_ACTORS": "src.demo.shop,src.demo.shop_console",
    }
    done = fork_server.server().run(["-c", _PROGRAM], {**os.environ, **own})
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert Path(folder, "callboard.db").exists()
    return found


@pytest.mark.long
def test_the_history_is_written_once_and_counted_as_real_jobs_are(shop: dict[str, Any]) -> None:
    assert shop["second"] == 0
    assert shop["first"] == shop["ended"] > 1000
    # The newest half minute is not counted yet.
    assert 0 <= shop["ended"] - shop["counted"] < 20
    assert shop["ticks"] == 12 * 30


@pytest.mark.long
def test_six_actors_fail_in_two_ways_three_times_in_a_hundred(shop: dict[str, Any]) -> None:
    own = {"serve_customers", "check_stock", "charge_card", "pack_order", "send_receipt", "resize_photo"}
    assert own <= set(shop["actors"])
    assert shop["groups"] == ["CardDeclined", "CarrierTimeout"]
    assert 0.02 < shop["failed"] / shop["attempts"] < 0.05


def test_it_opens_with_workflows_a_batch_and_reports(shop: dict[str, Any]) -> None:
    assert shop["workflows"] == 3
    assert shop["waiting"] == 3 * 4 + 11 + 2
    assert {"sales_report", "daily_operations"} <= set(shop["actors"])


def test_its_own_views_show_its_jobs_and_no_card(shop: dict[str, Any]) -> None:
    assert "€</strong> from " in shop["result"]
    assert "<table>" in shop["items"]
    [[label, address]] = shop["links"]
    assert label.startswith("Order ")
    assert address.startswith("https://shop.example/orders/")
    assert "<ul>" in shop["tab"]
    assert shop["declined"] is None
    assert "4000" not in shop["card"]
