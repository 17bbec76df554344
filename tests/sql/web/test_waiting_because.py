"""The page, the API and the command give the same waiting reasons of a job."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path

import pytest

from src.jobs.limits import overrides
from tests.harness import fork_server
from tests.harness.site import Site, in_words


@pytest.mark.long
def test_page_api_and_command_say_the_same(site: Site, tmp_path: Path) -> None:
    program = site.program()
    id = program.submit("add", 1, 2)
    with site.database.write() as session:
        overrides.pause(session, "queue", "default", reason="deploy", by="ada")
    document = program.get(f"/api/v1/jobs/{id}").get_json()
    because = document["waiting_because"]
    assert because[:2] == ["queue default is paused until it is resumed by ada: deploy", "RabbitMQ cannot be reached"]
    assert {"no worker is alive", "no relay is alive that could publish it: start a worker or a scheduler"} <= set(because)
    assert document["reason"] == "queue default is paused: deploy"
    page = in_words(site.browser().get(f"/jobs/{id}").text)
    for sentence in because:
        assert html.unescape(f"{sentence[0].upper()}{sentence[1:]}.") in page, sentence
    url = site.database.url.render_as_string(hide_password=False)
    environment = {**os.environ, "CALLBOARD_DATA_DIR": str(tmp_path), "CALLBOARD_DATABASE_URL": url}
    command = fork_server.server().run(["-m", "src", "job", id], environment)
    assert json.loads(command.stdout)["waiting_because"] == because


def test_a_changed_waiting_reason_does_not_refuse_an_edit(site: Site) -> None:
    program = site.program()
    id = program.submit("add", 1, 2)
    read = program.get(f"/api/v1/jobs/{id}")
    with site.database.write() as session:
        overrides.pause(session, "all", by="ada")
        overrides.resume(session, "all")
    program.submit("add", 1, 2)
    edited = program.client.patch(f"/api/v1/jobs/{id}", json={"priority": 9}, headers={**program.headers, "If-Match": read.headers["ETag"]})
    assert edited.status_code == 200
    again = program.client.patch(f"/api/v1/jobs/{id}", json={"priority": 1}, headers={**program.headers, "If-Match": read.headers["ETag"]})
    assert again.status_code == 412
