"""The metrics of /metrics, and that dashboard, rules and docs use only those."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import yaml
from sqlalchemy import update

from src.broker.recover import management
from src.broker.recover.management import Overview, QueueNumbers
from src.jobs import State
from src.jobs.alerts.models import Alert, AlertKind, AlertWatch
from src.jobs.core.models import Job
from src.operations.people.roles import Role
from src.schedules.edit import editing
from src.schedules.rows.drafts import Draft
from src.schedules.rows.models import Schedule
from src.sql.clock import now
from src.sql.database import write
from src.telemetry.metering.meters import Meters
from tests.harness import ROOT
from tests.harness.jobs import claimed, ended, hired, settle, submitted
from tests.harness.site import Site

pytestmark = pytest.mark.both_stores

DOCS = ROOT / "docs" / "how-to"
#: the /metrics of docs/how-to/monitoring.md; those of single processes are tested elsewhere
FLEET = (DOCS / "monitoring.md").read_text().split("## Numbers of each process", 1)[0]
SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>-?[0-9.e+]+)")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
#: PromQL's own words in these files
WORDS = {
    "sum", "max", "count", "by", "and", "or", "time", "vector", "min_over_time", "max_over_time", "absent", "rate", "histogram_quantile",
}  # fmt: skip
TOKEN = re.compile(r'"[^"]*"|[A-Za-z_:][A-Za-z0-9_:]*|\d+(?:\.\d+)?[smhd]?|=~|!=|==|>=|<=|[-+*/<>(){}\[\],=:]|\s+')
#: metrics of Prometheus itself
OTHERS = {"up": {"job", "instance"}, "process_resident_memory_bytes": {"job", "instance", "role"}}


@pytest.fixture
def told(site: Site, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Return the /metrics of a site with every kind of content: name -> labels and samples."""
    numbers = {"default": QueueNumbers(ready=3, unacked=0, consumers=1)}
    monkeypatch.setattr(management, "overview", lambda **_: Overview(True, "4.0", numbers, is_counted=True))
    worker = hired(site.database, actors=["add", "back_up"])
    settle(site.database, worker, ended(claimed(site.database, worker, actor="back_up"), actor="back_up"))
    for state in (State.SUCCEEDED, State.SUCCEEDED, State.DEAD, State.RETRYING):
        one = claimed(site.database, worker, 1, 2)
        settle(site.database, worker, ended(one, state, actor="add"))
    claimed(site.database, worker, 1, 2)
    waits = submitted(site.database, 1, 2).id
    with write() as session:
        session.execute(update(Job).where(Job.id == waits).values(published_at=now() - timedelta(minutes=10)))
        editing.create(session, Draft('ni"ght\\ly', "add", cron="* * * * *", args=[1, 2]), by="tester")
        session.execute(update(Schedule).values(due_at=now() - timedelta(minutes=7)))
        at = now()
        session.add(Alert(kind=AlertKind.BACKLOG, subject="default", text="…", seen_at=at, began_at=at))
        session.execute(update(AlertWatch).values(looked_at=at))
    return read(site.program(Role.VIEWER).get("/metrics").text)


def read(text: str) -> dict[str, dict[str, Any]]:
    """Prometheus' text format: every sample behind the HELP and TYPE of its metric, each once."""
    found: dict[str, dict[str, Any]] = {}
    here = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, here, help = line.split(" ", 3)
            assert here not in found, here
            assert help.endswith("."), here
            found[here] = {"labels": set(), "samples": {}}
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {here} gauge"
        else:
            match = SAMPLE.fullmatch(line)
            assert match is not None, line
            assert match["name"] == here
            labels = LABEL.findall(match["labels"] or "")
            key = tuple(value for _, value in labels)
            assert key not in found[here]["samples"], line
            found[here]["labels"] |= {name for name, _ in labels}
            found[here]["samples"][key] = float(match["value"])
    return found


def test_the_metrics_say_what_is_so(told: dict[str, dict[str, Any]]) -> None:
    samples = {name: each["samples"] for name, each in told.items()}
    jobs = {state: number for (state,), number in samples["callboard_jobs"].items() if number}
    assert jobs == {"queued": 1, "running": 1, "retrying": 1, "dead": 1}
    assert samples["callboard_queue_queued"] == {("default",): 1}
    assert 600 <= samples["callboard_queue_oldest_seconds"][("default",)] < 900
    assert samples["callboard_ended_jobs"] == {("add", "succeeded"): 2, ("add", "dead"): 1, ("back_up", "succeeded"): 1}
    assert {actor for actor, _ in samples["callboard_run_seconds"]} == {"add", "back_up"}
    assert abs(samples["callboard_backup_timestamp_seconds"][()] - now().timestamp()) < 300
    assert samples["callboard_workers"] == {(): 1}
    [(schedule, late)] = samples["callboard_schedule_late_seconds"].items()
    assert (schedule, 420 <= late < 720) == (('ni\\"ght\\\\ly',), True)
    assert samples["callboard_alert"] == {("backlog", "default"): 1}
    assert abs(samples["callboard_alerts_looked_at_timestamp_seconds"][()] - now().timestamp()) < 300
    assert samples["callboard_broker_ready"] == {("default",): 3}
    assert samples["callboard_queue_missing_messages"] == {("default",): 0}
    assert all(each["samples"] for each in told.values())


def test_an_empty_installation_has_every_metric_with_its_type(site: Site) -> None:
    rows = [line for line in FLEET.splitlines() if line.startswith("| `callboard_")]
    assert set(read(site.program(Role.VIEWER).get("/metrics").text)) == {row.split("`")[1] for row in rows}


def test_the_docs_name_every_metric_with_its_labels(told: dict[str, dict[str, Any]]) -> None:
    rows = [line.strip("|").split("|") for line in FLEET.splitlines() if line.startswith("| `callboard_")]
    documented = {name.strip(" `"): set(re.findall(r"`([a-z]+)`", labels)) for name, labels, _ in rows}
    assert documented == {name: each["labels"] for name, each in told.items()}


def test_dashboard_and_rules_ask_for_metrics_and_labels_that_there_are(told: dict[str, dict[str, Any]]) -> None:
    known = {**{name: each["labels"] for name, each in told.items()}, **OTHERS, **of_processes()}
    asked = set()
    expressions = [*in_rules(), *in_dashboard()]
    assert len(expressions) > 25
    for expression in expressions:
        asked |= check(expression, known)
    assert set(told) - asked == set()  # unused metrics are unnecessary


def of_processes() -> dict[str, set[str]]:
    """The samples that worker and scheduler processes tell themselves, and their labels."""
    found: dict[str, set[str]] = {}
    for role in ("worker", "scheduler"):
        for name, metric in Meters(role).registry._names_to_collectors.items():
            found[name] = {*getattr(metric, "_labelnames", ()), *(("le",) if name.endswith("_bucket") else ())}
    return found


def in_rules() -> Iterator[str]:
    document = yaml.safe_load((DOCS / "monitoring" / "alert-rules.yml").read_text())
    for rule in document["groups"][0]["rules"]:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}
        kept = set(re.findall(r"by \(([a-z, ]+)\)", rule["expr"]))
        for label in re.findall(r"\$labels\.([a-z]+)", rule["annotations"]["summary"]):
            assert label == "instance" or any(label in each.split(", ") for each in kept), rule["alert"]
        yield rule["expr"]


def in_dashboard() -> Iterator[str]:
    document = json.loads((DOCS / "monitoring" / "grafana-dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        at = panel["gridPos"]
        covers = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not covers & taken, panel["title"]
        taken |= covers
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert re.search(rf"by \([a-z, ]*\b{label}\b[a-z, ]*\)", target["expr"]), panel["title"]
            yield target["expr"]
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])


def check(expression: str, known: dict[str, set[str]]) -> set[str]:
    """The metrics that a PromQL expression names; each must be there with the labels it is asked by, and all brackets closed."""
    tokens = [token for token in TOKEN.findall(expression) if not token.isspace()]
    assert "".join(tokens) == re.sub(r"\s+", "", expression).strip(), expression  # only known tokens
    closing = {"(": ")", "{": "}", "[": "]"}
    open_brackets: list[tuple[str, str]] = []
    metrics: set[str] = set()
    newest = ""
    grouping: set[str] = set()
    for number, token in enumerate(tokens):
        before = tokens[number - 1] if number else ""
        if token in closing:
            open_brackets.append((token, before))
        elif token in closing.values():
            assert closing[open_brackets.pop()[0]] == token, expression
        elif re.fullmatch(r"[a-z_]+", token):
            bracket, owner = open_brackets[-1] if open_brackets else ("", "")
            if bracket == "{":
                assert token in known[newest], f"{newest} has no label {token}: {expression}"
            elif owner == "by":
                grouping.add(token)
            elif token not in WORDS:
                assert token in known, f"there is no metric {token}: {expression}"
                newest = token
                metrics.add(token)
    assert not open_brackets, expression
    assert metrics, expression
    assert grouping <= set().union(*(known[name] for name in metrics)), expression
    return metrics


@pytest.mark.parametrize(
    "wrong",
    ["max(callboard_worker)", 'callboard_jobs{queue="a"}', "max by (actor) (callboard_jobs)", "max(callboard_jobs", "callboard_jobs $ 1"],
)
def test_the_check_of_expressions_can_fail(wrong: str, told: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(AssertionError):
        check(wrong, {name: each["labels"] for name, each in told.items()})
