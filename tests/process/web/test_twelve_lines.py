"""A developer saves twelve lines; form, API, command, schedule, docs and metrics exist without another edit."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from tests.harness.callboard import Callboard
from tests.harness.services import BrokerNode
from tests.harness.waiting import eventually

TWELVE_LINES = '''\
from typing import Annotated

import dramatiq
from pydantic import Field


@dramatiq.actor(max_retries=3, rate_limit="100/s")
def water_plants(litres: Annotated[int, Field(ge=1, le=50, description="for all plants together")] = 5, *, fertiliser: bool = False) -> str:
    """Water the plants.

    Those on the window sill come first."""
    return f"{litres} litres" + (" with fertiliser" if fertiliser else "")
'''


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory, broker_node: BrokerNode, request: pytest.FixtureRequest) -> Iterator[Callboard]:
    # On SQLite alone: nothing here asks the store for anything that a test of its own does not ask both.
    folder = tmp_path_factory.mktemp("garden")
    shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), folder / "callboard.db")
    (folder / "garden_actors").mkdir()
    (folder / "garden_actors" / "plants.py").write_text(TWELVE_LINES)
    url = f"sqlite:///{folder / 'callboard.db'}"
    with Callboard(broker_node, url, folder, actors=f"{folder}/garden_actors/") as callboard:
        callboard.serve()
        yield callboard


def test_twelve_lines_in_a_folder_are_an_actor_everywhere(garden: Callboard) -> None:
    assert len(TWELVE_LINES.splitlines()) == 12

    form = garden.page("/actors/water_plants")
    assert "<h1>Water the plants</h1>" in form
    assert "Those on the window sill come first." in form
    assert re.search(r'<input type="number" [^>]*name="litres" [^>]*min="1" max="50" value="5"', form)
    assert "for all plants together" in form

    described = garden.api("GET", "/openapi.json")
    assert described["paths"]["/actors/water_plants/jobs"]["post"]["summary"] == "Water the plants"
    litres = described["components"]["schemas"]["Arguments.water_plants"]["properties"]["litres"]
    assert (litres["minimum"], litres["maximum"], litres["default"]) == (1, 50, 5)

    docs = garden.page("/api/docs")
    assert 'id="post-actors-water_plants-jobs"' in docs
    assert "kwargs.litres" in docs

    said = garden.command("submit", "water_plants", "--litres", "7", "--fertiliser", "--wait")
    assert said.splitlines()[1] == '"7 litres with fertiliser"'

    schedule = garden.api("POST", "/schedules", {"name": "Mornings", "actor": "water_plants", "kwargs": {"litres": 3}, "cron": "0 7 * * *"})
    assert schedule["actor"] == "water_plants"
    garden.api("POST", f"/schedules/{schedule['id']}/run-now")
    assert "<option>water_plants</option>" in garden.page("/schedules/new")

    def watered() -> bool:
        return [job["state"] for job in garden.jobs_of("water_plants")] == ["succeeded", "succeeded"]

    eventually(watered, deadline_s=30, interval_s=0.1, what="the schedule's job has run")
    metrics = garden.page("/metrics")
    assert re.search(r'^callboard_ended_jobs\{actor="water_plants",state="succeeded"\} 2\.0$', metrics, re.MULTILINE)
    assert 'callboard_run_seconds{actor="water_plants",quantile="0.5"}' in metrics
