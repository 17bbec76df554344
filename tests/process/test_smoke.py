"""One walk through every process: form, API, command, schedule, relay, worker, fork server and mailbox. `./run test --quick` ends with it."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from pathlib import Path

from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.services import BrokerNode
from tests.harness.stores import only_on
from tests.harness.waiting import eventually


@only_on("postgresql")  # the embedded store's walk is tests/process/up/test_up.py
def test_a_job_goes_through_every_process(database_url: str, broker_node: BrokerNode, tmp_path: Path) -> None:
    with Callboard(broker_node, database_url, tmp_path) as callboard:
        callboard.serve()
        callboard.scheduler()

        assert callboard.run("add", 1, 2)["result"] == 3
        assert callboard.command("submit", "add", "--x", "3", "--y", "4", "--wait").splitlines()[-1] == "7"

        schedule = callboard.api("POST", "/schedules", {"name": "often", "actor": "add", "args": [5, 6], "every": 1})
        assert "id" in schedule, schedule
        eventually(
            lambda: [job["state"] for job in callboard.jobs_of("add")].count("succeeded") > 2,
            deadline_s=DEADLINE_S,
            what="a tick's job has run",
        )

        form = callboard.page("/actors/mul")
        token = re.search(r'name="form-csrf_token" value="([^"]+)"', form)
        assert token is not None
        assert callboard._browser is not None
        typed = urllib.parse.urlencode({"csrf_token": token[1], "x": "3", "y": "4"}).encode()
        request = urllib.request.Request(f"{callboard.url}/actors/mul", typed, {"Referer": f"{callboard.url}/actors/mul"})
        with callboard._browser.open(request, timeout=DEADLINE_S) as answer:
            assert "/jobs/" in answer.url
        eventually(
            lambda: [job["state"] for job in callboard.jobs_of("mul")] == ["succeeded"],
            deadline_s=DEADLINE_S,
            what="the form's job has run",
        )

        sent = callboard.api(
            "POST",
            "/jobs",
            {"actor": "send_mail", "kwargs": {"to": ["ada@example.com"], "subject": "A smoke test", "context": {"text": "Hello."}}},
        )
        assert "id" in sent, sent
        eventually(lambda: "A smoke test" in callboard.page("/mailbox"), deadline_s=DEADLINE_S, what="the mail has arrived")
