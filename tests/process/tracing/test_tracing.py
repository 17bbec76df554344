"""One trace leads from the request to each attempt, whatever lies between; with tracing off there are no spans."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import NoOpTracerProvider

from src.telemetry.tracing import spans as spans_module
from src.telemetry.tracing.spans import Spans
from tests.harness import ROOT
from tests.harness.callboard import Callboard
from tests.harness.collector import Collector, Span
from tests.harness.services import BrokerNode
from tests.harness.waiting import eventually


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def traced(database_url: str, broker_node: BrokerNode, collector: Collector, tmp_path: Path) -> Iterator[Callboard]:
    with Callboard(
        broker_node,
        database_url,
        tmp_path,
        actors="tests.actors.tracing",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="100",
        CALLBOARD_TRACE_URL="http://127.0.0.1:16686/trace/{trace_id}",
    ) as callboard:
        callboard.serve()
        yield callboard


def _arrived(collector: Collector, trace_id: str, *names: str) -> dict[str, list[Span]]:
    """The spans of a trace by name, once there are those named."""

    def by_name() -> dict[str, list[Span]] | None:
        found: dict[str, list[Span]] = {}
        for span in collector.trace(trace_id):
            found.setdefault(span.name, []).append(span)
        there = sorted(name for name, spans in found.items() for _ in spans)
        assert there == sorted(names), there
        return found

    found = eventually(by_name, deadline_s=30, what=f"the spans {names} have arrived")
    assert found is not None
    return found


def test_a_job_is_one_trace_from_the_request_through_its_retry_to_the_job_that_it_sends(
    traced: Callboard, collector: Collector, tmp_path: Path
) -> None:
    job = traced.run("traced_parent")

    spans = _arrived(
        collector, job["trace_id"], "POST /api/v1/jobs", "send traced", "process traced", "process traced",
        "send traced_children", "process traced_children",
    )  # fmt: skip
    [request], [send], [child_sent] = spans["POST /api/v1/jobs"], spans["send traced"], spans["send traced_children"]
    first, second = sorted(spans["process traced"], key=lambda span: int(span.attributes["callboard.attempt"]))
    [child] = spans["process traced_children"]
    assert [one.kind for one in (request, send, first, second)] == ["SERVER", "PRODUCER", "CONSUMER", "CONSUMER"]
    assert request.parent_id == ""
    assert send.parent_id == request.span_id
    assert first.parent_id == second.parent_id == send.span_id
    assert first.links == [send.span_id]
    assert child_sent.parent_id == second.span_id
    assert child.parent_id == child_sent.span_id
    assert {request.service, first.service} == {"callboard-web", "callboard-worker"}

    assert send.attributes == {
        "messaging.system": "rabbitmq", "messaging.operation.type": "send", "messaging.operation.name": "send",
        "messaging.destination.name": "traced", "messaging.rabbitmq.destination.routing_key": "traced",
        "messaging.message.id": job["id"], "callboard.actor": "traced_parent",
    }  # fmt: skip
    assert request.attributes["http.route"] == "/api/v1/jobs"
    assert request.attributes["http.response.status_code"] == 202
    assert first.is_error
    assert first.attributes["error.type"] == "ConnectionError"
    assert first.attributes["callboard.state"] == "retrying"
    assert first.events[0]["exception.message"] == "the first time it is away"
    assert "traced_parent" in first.events[0]["exception.stacktrace"]
    assert not second.is_error
    assert second.attributes["callboard.outcome"] == "succeeded"

    assert f'href="http://127.0.0.1:16686/trace/{job["trace_id"]}"' in traced.page(f"/jobs/{job['id']}")

    def trace_ids() -> set[str]:
        lines = [json.loads(line) for line in traced.worker_logs().splitlines() if line.startswith("{") and job["id"] in line]
        return {line.get("trace_id") for line in lines if line["event"] == "attempt_failed"}

    assert eventually(trace_ids, what="the failure is logged") == {job["trace_id"]}

    # Other follow-ups: from a child process, by a callback that the commit of the end submits, as a workflow's
    isolated = traced.run("traced_isolated")
    spans = _arrived(
        collector, isolated["trace_id"], "POST /api/v1/jobs", "send traced", "process traced", "process traced_children",
    )  # fmt: skip
    assert spans["process traced_children"][0].parent_id == spans["process traced"][0].span_id

    followed = traced.run("traced_with_callback")
    spans = _arrived(
        collector, followed["trace_id"], "POST /api/v1/jobs", "send traced", "process traced", "send traced_children", "process traced_children",
    )  # fmt: skip
    assert spans["send traced_children"][0].parent_id == spans["process traced"][0].span_id

    workflow = traced.api("POST", "/workflows", {"name": "w", "steps": _two_steps()})
    trace_id = traced.api("GET", f"/jobs/{workflow['jobs']['one']}")["trace_id"]
    spans = _arrived(
        collector, trace_id, "POST /api/v1/workflows", "send traced_children", "process traced_children", "process traced_children"
    )
    assert {span.parent_id for span in spans["process traced_children"]} == {spans["send traced_children"][0].span_id}
    assert spans["send traced_children"][0].attributes["messaging.batch.message_count"] == 2

    schedule = traced.api("POST", "/schedules", {"name": "s", "actor": "traced_child", "cron": "0 0 1 1 *"})
    ran = traced.api("POST", f"/schedules/{schedule['id']}/run-now")
    trace_id = traced.api("GET", f"/jobs/{ran['job_id']}")["trace_id"]
    spans = _arrived(
        collector, trace_id, "POST /api/v1/schedules/<id>/run-now", "tick", "send traced_children", "process traced_children"
    )  # fmt: skip
    assert spans["send traced_children"][0].parent_id == spans["tick"][0].span_id

    assert not [name for name in collector.names() if "healthz" in name or "readyz" in name]


def _two_steps() -> list[dict[str, Any]]:
    return [{"name": "one", "actor": "traced_child"}, {"name": "two", "actor": "traced_child", "after": ["one"]}]


class Hanging(NoOpTracerProvider):
    """A provider whose collector takes spans and never answers."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answers = threading.Event()

    def force_flush(self) -> None:
        self.asked.set()
        self.answers.wait()


def test_a_collector_that_hangs_keeps_no_process_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans_module, "FLUSH_S", 0.05)
    hanging = Hanging()

    Spans(hanging).flush()

    assert hanging.asked.is_set()
    hanging.answers.set()


OFF = """
import sys
import src.actors, src.scheduling.clock
from src.telemetry import metering, tracing
assert metering.start("worker") is None and metering.active() is None
assert not [name for name in sys.modules if name.startswith("prometheus_client")]
from src.web import create_app
create_app()
assert tracing.start("worker") is None and tracing.active() is None and tracing.carrier() == {}
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


def test_without_an_exporter_and_a_port_neither_library_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", OFF], cwd=ROOT, capture_output=True, text=True)

    assert done.stdout.strip() == "[]", done.stdout + done.stderr
