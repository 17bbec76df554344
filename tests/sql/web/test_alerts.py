"""Alerts on the overview and in the API, and their webhooks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from src.jobs.alerts.models import Alert, AlertKind
from src.operations.format.instants import write_instant
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import write
from tests.harness.site import Program, Site, Visit, in_words


def raise_alert(kind: AlertKind, subject: str, text: str, *, minutes: float = 5, recovered: bool = False) -> None:
    at = now() - timedelta(minutes=minutes)
    with write() as session:
        session.add(
            Alert(
                kind=kind,
                subject=subject,
                text=text,
                seen_at=at,
                began_at=at,
                recovered_at=at + timedelta(minutes=1) if recovered else None,
            )
        )


def test_alerts_are_on_the_overview_and_in_the_api(site: Site) -> None:
    viewer, program = site.browser(Role.VIEWER), site.program(Role.VIEWER)
    assert "alert " not in _needs(viewer)
    assert program.get("/api/v1/alerts").get_json() == {"alerts": [], "recovered": [], "looked_at": None}

    raise_alert(AlertKind.BACKLOG, "orders", "3 jobs are ready in queue orders, more than 2")
    raise_alert(AlertKind.NO_WORKER, "", "No worker process is alive")
    raise_alert(AlertKind.LATE, "nightly", "The schedule <b>nightly</b> is 6 minutes late")
    raise_alert(AlertKind.FAILURES, "", "10 of 12 jobs are dead", recovered=True)
    with write() as session:  # seen, but not for long enough
        session.add(Alert(kind=AlertKind.OLDEST, subject="orders", text="The oldest job has waited", seen_at=now()))

    page = viewer.get("/").text
    words = in_words(page)
    assert "alert 3 jobs are ready in queue orders, more than 2. since" in words
    assert "No worker process is alive. since" in words
    assert "Show queue alert No worker" in words
    assert "<b>nightly" not in page
    assert "10 of 12" not in words
    assert "The oldest job" not in words
    listed = program.get("/api/v1/alerts").get_json()
    assert [(each["kind"], each["subject"], each["recovered_at"]) for each in listed["alerts"]] == [
        ("backlog", "orders", None),
        ("no_worker", None, None),
        ("late", "nightly", None),
    ]
    assert [each["text"] for each in listed["recovered"]] == ["10 of 12 jobs are dead"]
    assert listed["recovered"][0]["recovered_at"] > listed["recovered"][0]["began_at"]


def test_a_webhook_of_alerts_is_created_with_its_own_states(site: Site) -> None:
    browser, program = site.browser(), site.program()
    everything = ["succeeded", "dead", "cancelled", "expired", "began", "recovered"]  # as the form has them ticked
    made = browser.fill_in("/admin/webhooks", url="https://example.org/alerts", kind="alert", states=everything)
    assert made.status_code == 200
    assert "receives alert events: began, recovered." in in_words(made.text)
    made = browser.fill_in("/admin/webhooks", url="https://example.org/jobs", kind="job", states=everything)
    assert made.status_code == 200
    by_api = program.post("/api/v1/webhooks", {"url": "https://example.org/api", "kind": "alert", "states": ["began"]})
    assert by_api.status_code == 201
    assert [(each["kind"], each["states"]) for each in program.get("/api/v1/webhooks").get_json()["webhooks"]] == [
        ("alert", ["began"]),
        ("job", ["cancelled", "dead", "expired", "succeeded"]),
        ("alert", ["began", "recovered"]),
    ]
    default = program.post("/api/v1/webhooks", {"url": "https://example.org/api"}).get_json()
    assert default["states"] == ["cancelled", "dead", "expired", "succeeded"]

    def refused(**wish: object) -> list[str]:
        answer = program.post("/api/v1/webhooks", {"url": "https://example.org/", **wish})
        assert answer.status_code == 422
        return [f"{each['field']}: {each['message']}" for each in answer.get_json()["errors"]]

    assert refused(kind="alert", states=["dead"]) == ["states: Give at least one of the states of an alert to notify of: began, recovered."]
    assert refused(kind="alert", actor="add") == ["actor: An alert has no actor of its own: leave it out."]
    assert browser.fill_in("/admin/webhooks", url="https://example.org/", kind="what", states=everything).status_code == 422


@pytest.mark.both_stores
def test_an_alert_is_muted_until_a_time_and_then_notifies_again(site: Site) -> None:
    operator, viewer, program = site.browser(Role.OPERATOR), site.browser(Role.VIEWER), site.program(Role.OPERATOR)
    assert "No active alerts." in in_words(viewer.get("/alerts").text)
    raise_alert(AlertKind.BACKLOG, "orders", "3 jobs are ready in queue orders, more than 2")
    raise_alert(AlertKind.LATE, "nightly", "The schedule <b>nightly</b> is 6 minutes late")
    raise_alert(AlertKind.FAILURES, "", "10 of 12 jobs are dead", recovered=True)
    [backlog, late] = program.get("/api/v1/alerts").get_json()["alerts"]
    mute = f"/alerts/{backlog['id']}/mute"

    page = viewer.get("/alerts").text
    assert "<b>nightly" not in page
    assert "<form" not in page.split("<main")[1]
    assert "10 of 12 jobs are dead" in in_words(page).split("Resolved", 1)[1]
    assert operator.fill_in("/alerts", action=mute, **{"for": "90m"}).status_code == 303
    words = in_words(operator.get("/alerts").text)
    assert "Alert muted" in words
    assert "Unmute backlog orders" in words
    assert "3 jobs are ready" not in in_words(viewer.get("/").text)
    assert "is 6 minutes late" in in_words(viewer.get("/").text)
    [backlog, late] = program.get("/api/v1/alerts").get_json()["alerts"]
    assert backlog["muted_by"].startswith("user")
    assert backlog["muted_until"] > backlog["began_at"]
    assert (late["muted_until"], late["muted_by"]) == (None, None)
    assert viewer.get("/alerts?format=json").get_json()["alerts"][0] == backlog
    assert viewer.get("/alerts?format=csv").text.count("\n") == 4
    # another of the same subject later on is muted too
    with write() as session:
        session.execute(update(Alert).where(Alert.id == int(backlog["id"])).values(recovered_at=now()))
    raise_alert(AlertKind.BACKLOG, "orders", "9 jobs are ready in queue orders, more than 2", minutes=1)
    assert "9 jobs" not in in_words(viewer.get("/").text)

    assert operator.fill_in("/alerts", action=f"/alerts/{late['id']}/mute", **{"for": "whenever"}).status_code == 303
    assert "Failed: for: " in in_words(operator.get("/alerts").text)
    assert program.post(f"/api/v1/alerts/{late['id']}/mute", {"until": "2030-01-01T00:00:00Z"}).status_code == 422
    assert program.post(f"/api/v1/alerts/{late['id']}/mute", {"for": "2h", "until": "2030-01-01T00:00:00Z"}).status_code == 422
    assert program.post(f"/api/v1/alerts/{late['id']}/mute", {"for": -5}).status_code == 422
    assert program.post("/api/v1/alerts/999999/mute", {"for": "2h"}).status_code == 404
    assert program.post(f"/api/v1/alerts/{2**70}/unmute").status_code == 404
    until = write_instant(now() + timedelta(days=1))
    assert program.post(f"/api/v1/alerts/{late['id']}/mute", {"until": until}).get_json()["muted_until"] == until
    assert "alert " not in _needs(viewer)
    heard = program.post(f"/api/v1/alerts/{late['id']}/unmute").get_json()
    assert (heard["subject"], heard["muted_until"]) == ("nightly", None)
    assert operator.fill_in("/alerts", action=f"/alerts/{_open(program)['id']}/unmute").status_code == 303
    assert "9 jobs" in in_words(viewer.get("/").text)

    audited = [(each["action"], each["subject"]) for each in site.program().get("/api/v1/audit?kind=alert").get_json()["lines"]]
    assert ("alert.mute", backlog["id"]) in audited
    assert ("alert.unmute", late["id"]) in audited
    audit = site.browser().get("/admin/audit?action=alert.mute").text
    assert "alert= late subject= nightly until= " in in_words(audit)
    assert f'until=</span><time datetime="{until.replace("Z", "+00:00")}"' in audit


def _open(program: Program) -> dict[str, str]:
    [found] = [each for each in program.get("/api/v1/alerts").get_json()["alerts"] if each["kind"] == "backlog"]
    return dict(found)


def _needs(viewer: Visit) -> str:
    """The words under "Needs attention"."""
    words = in_words(viewer.get("/").text)
    return words[words.index("Needs attention") : words.index("Changes")]
