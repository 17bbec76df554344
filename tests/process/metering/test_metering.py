"""Metrics of each worker and scheduler process, as Prometheus' own parser reads them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from src.settings import get_settings
from src.telemetry.metering import exposing
from src.telemetry.metering.meters import Meters
from src.up.data import ports
from tests.harness import ROOT
from tests.harness.callboard import Callboard
from tests.harness.services import BrokerNode
from tests.harness.waiting import eventually

DOCS = ROOT / "docs" / "how-to"


@pytest.fixture
def metered(database_url: str, broker_node: BrokerNode, tmp_path: Path) -> Iterator[Callboard]:
    with Callboard(
        broker_node, database_url, tmp_path, actors="tests.actors.web", metrics_port=ports.anywhere(["metrics"])["metrics"]
    ) as callboard:
        callboard.serve(processes=2)
        callboard.scheduler()
        yield callboard


def told(folder: Path, role: str) -> list[dict[str, Metric]]:
    """Return the metrics of each process of the role, found as Prometheus finds them."""
    found = []
    for file in sorted((folder / "metrics").glob("*.json")):
        [one] = json.loads(file.read_text())
        if one["labels"]["role"] == role:
            with urllib.request.urlopen(f"http://{one['targets'][0]}/metrics", timeout=5) as answer:
                text = answer.read().decode()
            found.append({family.name: family for family in text_string_to_metric_families(text)})
    return found


def total(processes: list[dict[str, Metric]], name: str, **labels: str) -> float:
    """The sum over all processes of the samples of this name that have these labels."""
    return sum(
        sample.value
        for families in processes
        for family in families.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_every_process_tells_of_itself_on_a_port_of_its_own(metered: Callboard, tmp_path: Path) -> None:
    for _ in range(5):
        metered.run("add", 1, 2)
    metered.run("divide", 1, 0)
    schedule = metered.api("POST", "/schedules", {"name": "often", "actor": "add", "args": [1, 2], "every": 1})
    assert "id" in schedule, schedule

    eventually(lambda: len(told(tmp_path / "data", "worker")) == 2, what="both worker processes tell", deadline_s=30)
    workers = told(tmp_path / "data", "worker")
    assert total(workers, "callboard_attempt_duration_seconds_count", actor="divide", outcome="failed") >= 1
    assert total(workers, "callboard_attempt_duration_seconds_bucket", actor="add", outcome="succeeded", le="+Inf") >= 5
    assert 0 < total(workers, "callboard_attempt_duration_seconds_sum", actor="add") < 60
    assert total(workers, "callboard_claims_total", queue="default", result="claimed") >= 6
    assert total(workers, "callboard_committed_ends_total") >= 6
    assert total(workers, "callboard_commit_duration_seconds_count") >= 1
    assert total(workers, "callboard_threads") == 8
    assert total(workers, "process_resident_memory_bytes") > 0
    lingers = metered.api("POST", "/jobs", {"actor": "linger"})["id"]
    eventually(lambda: total(told(tmp_path / "data", "worker"), "callboard_threads_busy") >= 1, what="a thread is busy")
    metered.api("POST", f"/jobs/{lingers}/cancel")

    eventually(
        lambda: total(told(tmp_path / "data", "scheduler"), "callboard_ticks_total", state="submitted") >= 2,
        what="ticks are told",
        deadline_s=30,
    )
    [scheduler] = told(tmp_path / "data", "scheduler")
    assert total([scheduler], "callboard_schedule_looks_total") >= 1
    assert 0 <= total([scheduler], "callboard_tick_lateness_seconds_sum") < 60
    assert total([scheduler], "callboard_process_info", role="scheduler") == 1


def test_files_of_killed_processes_are_deleted_and_taken_ports_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = ports.anywhere(["metrics"])["metrics"]
    monkeypatch.setenv("CALLBOARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CALLBOARD_METRICS_PORT", str(port))
    get_settings.cache_clear()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = tmp_path / "metrics"
    folder.mkdir()
    try:
        first = exposing.expose(Meters("scheduler"), "scheduler")
        [mine] = folder.glob("*.json")
        left = mine.with_name(mine.name.replace(mine.stem.rpartition("@")[2], str(gone.pid)))
        left.write_text("[]")

        second = exposing.expose(Meters("scheduler"), "scheduler")

        assert first is not None
        assert second is not None
        assert not left.exists()
        assert json.loads(mine.read_text()) == [{"targets": [f"127.0.0.1:{second.server.server_port}"], "labels": {"role": "scheduler"}}]
        assert second.server.server_port > first.server.server_port
        second.close()
        assert list(folder.iterdir()) == []
        first.close()
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


def test_the_docs_name_every_number_with_its_labels_and_no_other() -> None:
    section = (DOCS / "monitoring.md").read_text().split("## Numbers of each process", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `callboard_")]
    documented = {name.strip(" `"): set(re.findall(r"`([a-z]+)`", labels)) for name, labels, _ in rows}
    known = {}
    for metric in (metric for role in ("worker", "scheduler") for metric in set(Meters(role).registry._collector_to_names)):
        if isinstance(metric, MetricWrapperBase):
            known[metric._name + ("_total" if metric._type == "counter" else "")] = set(metric._labelnames)
    assert documented == known
