"""Bulk actions of operators, in a real Chromium: executed by real workers, and audited."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pika
import pytest
from playwright.sync_api import Page, expect

from src.broker.core import topology
from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually

#: seconds a few thousand jobs may take on a machine that does other things, too
LONG_S = 240


def _audited(callboard: Callboard, action: str) -> list[str]:
    lines = callboard.api("GET", f"/audit?action={action}&limit=200")
    return [line["subject"] for line in lines["lines"]]


@pytest.mark.slow  # 8,624 attempts
def test_4312_dead_jobs_are_retried_after_their_number_was_typed(page: Page, callboard: Callboard) -> None:
    accepted = callboard.api("POST", "/jobs/bulk", [{"actor": "spill", "kwargs": {"of": number}} for number in range(4312)])
    assert len(accepted["ids"]) == 4312
    page.goto("/jobs?q=actor:spill+state:dead")
    eventually(
        lambda: page.reload() and "all 4 312 matching" in page.content().replace("\u202f", " "),
        deadline_s=LONG_S,
        interval_s=2,
        what="all are dead",
    )

    page.get_by_label("Bulk action").select_option("retry")
    page.get_by_role("button", name=re.compile("All .* matching")).click()
    expect(page.get_by_text("Retry jobs whose actor is spill and whose state is dead")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Retry")).click()
    expect(page.get_by_role("alert")).to_contain_text("4312")  # not typed: nothing is done
    page.get_by_label("Type 4312 to confirm").fill("4312")
    page.get_by_role("button", name=re.compile("^Retry")).click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("succeeded", timeout=LONG_S * 1000)
    expect(page.get_by_label("Result")).to_contain_text("4312")
    again = "/jobs?q=actor:spill+state:dead+attempt:2"
    eventually(
        lambda: page.goto(again) and "all 4 312 matching" in page.content().replace("\u202f", " "),
        deadline_s=LONG_S,
        interval_s=2,
        what="all have died again",
    )


@pytest.mark.slow  # 992 jobs
def test_a_thousand_rows_of_which_seven_do_not_fit(page: Page, callboard: Callboard, tmp_path: Path) -> None:
    lines = [f"{number},{number % 7 + 1}" for number in range(1, 1001)]
    for place, line in {3: "x,1", 100: ",5", 250: "1,", 500: "1,2,3", 777: "1.5,2", 998: "7,two", 1000: "1 0,1"}.items():
        lines[place - 1] = line
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(["x,y", *lines]))

    page.goto("/actors/add")
    page.get_by_role("link", name="Batch from CSV").click()
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_text("993 of 1 000 rows are valid.".replace(" 000", "\u202f000"))).to_be_visible()
    expect(page.get_by_role("table", name="Invalid rows").locator("tbody tr")).to_have_count(7)
    page.get_by_role("button", name=re.compile("Submit 993 jobs")).click()

    expect(page.get_by_text("993 of 993 finished")).to_be_visible(timeout=LONG_S * 1000)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download with results").click()
    with open(download.value.path(), newline="") as back:
        rows = list(csv.DictReader(back))
    sums = [row for row in rows if row["callboard_state"] == "succeeded"]
    assert len(rows) == 1000
    assert len(sums) == 993
    assert all(int(row["callboard_result"]) == int(row["x"]) + int(row["y"]) for row in sums)


def test_the_edited_value_is_the_one_that_runs(page: Page, callboard: Callboard) -> None:
    old = callboard.run("add", 1, 2)
    page.goto(f"/jobs/{old['id']}")
    page.get_by_role("link", name="Re-run with edits").click()
    expect(page.get_by_role("spinbutton", name="y")).to_have_value("2")
    page.get_by_role("spinbutton", name="y").fill("40")
    page.get_by_role("button", name="Re-run").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("succeeded")
    expect(page.get_by_label("Result")).to_have_text("41")
    new = page.url.rsplit("/", 1)[1]
    assert new != old["id"]
    assert callboard.api("GET", f"/jobs/{old['id']}")["result"] == 3
    assert new in _audited(callboard, "job.re-run")


def test_dead_letters_go_back_to_their_queue_and_are_held_with_the_reason(page: Page, callboard: Callboard) -> None:
    with pika.BlockingConnection(pika.URLParameters(callboard.broker_url)) as connection, connection.channel() as channel:
        topology.declare(channel, "default")
        channel.confirm_delivery()
        body = json.dumps(
            {"queue_name": "default", "actor_name": "add", "args": [1, 2], "kwargs": {}, "options": {}, "message_id": "a-letter"}
        )
        channel.basic_publish("", topology.dead_letter_queue("default"), body.encode())
    page.goto("/queues/default")
    letters = page.get_by_role("region", name=re.compile("dead letter"))
    eventually(lambda: page.reload() and letters.count() == 1, deadline_s=60, interval_s=1, what="RabbitMQ counts it")

    letters.get_by_role("button", name="Requeue all").click()

    expect(page.get_by_text("1 dead letter requeued.")).to_be_visible()
    page.goto("/held")
    eventually(
        lambda: page.reload() and "This message was not submitted here" in page.content(), interval_s=1, what="the worker has met it"
    )
    assert "default" in _audited(callboard, "queue.requeue")
