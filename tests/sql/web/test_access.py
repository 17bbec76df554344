"""Permissions: every address of the application, requested anonymously and by every role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.routing import AnyConverter, IntegerConverter, Rule

from src.operations.people.roles import Role
from src.web.auth.access import rule_of
from tests.harness.site import Site

#: the whole table; an address that is missing here fails the test below
OPEN = {"static", "health.alive", "health.ready", "auth.sign_in", "auth.check_sign_in", "auth.follow_link"}
SUBMITTER = {"actors.submit", "users.create", "count.start", "api.submit", "api.submit_bulk", "api.submit_workflow", "api.call_actor"}
OPERATOR = {
    "jobs.act", "errors.act", "bulk.confirm", "bulk.start", "jobs.rerun", "jobs.change_and_rerun", "jobs.rerun_with_edits", "jobs.edit", "jobs.save", "api.act", "api.edit", "api.pause", "api.resume", "api.set_limits", "api.follow_code", "api.reset_breaker",
    "schedules.new", "schedules.create", "schedules.edit", "schedules.change", "schedules.act", "api.create_schedule", "api.change_schedule",
    "api.delete_schedule", "api.act_on_schedule", "api.run_schedule_now", "api.backfill_schedule",
    "api.act_on_workflow", "api.rerun_workflow", "workflows.act", "workflows.rerun", "controls.pause", "workers.act", "api.act_on_worker", "queues.requeue", "api.requeue_dead_letters", "controls.resume", "controls.limit", "controls.reset",
    "mails.index", "mails.show", "mails.html", "mails.part", "mails.raw", "mails.resend", "mailbox.index", "mailbox.show", "mailbox.html",
    "mailbox.part", "mailbox.raw", "mailbox.empty", "api.list_mails", "api.show_mail", "api.resend_mail", "api.list_mailbox", "api.show_received",
}  # fmt: skip
VIEWER = {
    "overview.show", "actors.index", "actors.form", "jobs.index", "workers.index", "errors.index", "errors.show", "jobs.suggest", "jobs.save_view", "jobs.delete_view", "jobs.show", "jobs.live", "jobs.events", "jobs.log", "jobs.whole_log", "jobs.list_attempts", "comparison.history", "comparison.choose", "comparison.show", "api.list_attempts", "api.timeline", "api.show_lineage", "api.same_arguments", "api.compare", "jobs.result", "jobs.submission", "api.logs", "api.result", "held.index", "users.index",
    "users.new", "count.show", "auth.sign_out", "metrics.show", "openapi", "api.index", "api.show", "api.events", "api.actors",
    "api.list_queues", "api.list_workers", "api.show_statistics", "api.list_alerts", "api.describe", "queues.index", "queues.show", "api.list_pauses", "api.list_limits",
    "api.list_breakers", "workflows.index", "workflows.show", "workflows.live", "workflows.events", "api.list_workflows", "api.show_workflow",
    "api.workflow_events", "api_docs.show",
    "reports.index", "reports.issues", "reports.latest", "reports.show", "reports.save", "api.list_reports", "api.list_issues",
    "api.show_report",
    "schedules.index", "schedules.show", "schedules.show_preview", "api.list_schedules", "api.show_schedule",
    "api.preview_schedule", "api.schedules_load", "api.schedule_ticks",
}  # fmt: skip
ADMIN = {
    "audit.index", "api.list_audit", "people.index", "people.create", "people.change", "tokens.index", "tokens.create", "tokens.revoke",
    "webhooks.index", "webhooks.create", "webhooks.show", "webhooks.ping", "webhooks.delete", "webhooks.resend", "api.list_webhooks",
    "api.create_webhook", "api.show_webhook", "api.delete_webhook", "api.ping_webhook", "api.list_deliveries", "api.resend_delivery",
    "sign_ins.index", "sign_ins.end", "configuration.index", "backups.index", "api.list_backups",
}  # fmt: skip
ADMIN |= {
    "api.list_users",
    "api.create_user",
    "api.change_user",
    "api.act_on_user",
    "api.reset_user",
    "api.list_tokens",
    "api.create_api_token",
    "api.revoke_api_token",
}
VIEWER |= {"account.show", "account.change_password", "account.end_session", "account.create_token", "account.revoke_token"}
VIEWER |= {"usage.index", "api.list_usage", "forecasts.job", "forecasts.queue", "forecasts.actor", "api.forecast_job", "api.forecast_queue"}
VIEWER |= {"api.fleet_events"}
VIEWER |= {"tabs.of_job", "tabs.of_actor"}
VIEWER |= {"alerts.index", "bar.find", "bar.suggest", "bar.prefer", "newer_jobs.show", "api.list_errors"}
OPERATOR |= {
    "errors.act_on_many",
    "letters.index",
    "letters.act",
    "letters.purge",
    "alerts.mute",
    "alerts.unmute",
    "api.act_on_error",
    "api.mute_error",
    "api.list_dead_letters",
    "api.requeue_dead_letter",
    "api.delete_dead_letter",
    "api.purge_dead_letters",
    "api.mute_alert",
    "api.unmute_alert",
    "api.purge_queue",
}
SUBMITTER |= {"batches.new", "batches.read", "batches.submit", "batches.discard"}
OPERATOR |= {"batches.act", "api.count_many", "api.act_on_many"}
VIEWER |= {
    "api.show_error",
    "workers.show",
    "api.show_worker_memory",
    "batches.index",
    "batches.show",
    "batches.progress",
    "batches.rows",
    "batches.template",
}
SUBMITTER |= {"api.bring_file", "api.job_file", "jobs.file"}
SUBMITTER |= {"actors.save_preset", "actors.delete_preset"}


def _rules(site: Site) -> list[Rule]:
    return list(site.app.url_map.iter_rules())


def _address(rule: Rule) -> str:
    values: dict[str, Any] = {
        "id": "nobody-has-this",
        "name": "add",
        "action": "cancel",
        "verb": "pause",
        "filename": "callboard.css",
        "seq": 1,
        "number": 1,
        "form": "csv",
        "file": "file_" + "0" * 40,
        "other": "nobody-has-this",
    }
    values |= {"tab": "none", "target": "actor:add", "key": "0" * 24, "fingerprint": "0" * 16, "setting": "rate_limit", "actor": "add"}
    for name, converter in rule._converters.items():
        if isinstance(converter, IntegerConverter):
            values[name] = 1
        elif isinstance(converter, AnyConverter) and values.get(name) not in converter.items:
            values[name] = min(converter.items)
    built = rule.build(values, append_unknown=False)
    assert built is not None
    return built[1]


def test_every_address_has_the_rule_that_the_table_says(site: Site) -> None:
    wanted: dict[str, Role | str] = dict.fromkeys(OPEN, "open to all")
    wanted |= dict.fromkeys(VIEWER, Role.VIEWER) | dict.fromkeys(SUBMITTER, Role.SUBMITTER) | dict.fromkeys(OPERATOR, Role.OPERATOR)
    wanted |= dict.fromkeys(ADMIN, Role.ADMIN)
    assert {rule.endpoint: rule_of(site.app, rule.endpoint) for rule in _rules(site)} == wanted


def test_a_stranger_gets_nothing_but_the_door(own_site: Site) -> None:
    client = own_site.stranger().client
    own_site.app.config["WTF_CSRF_ENABLED"] = False  # the door must hold by itself
    for rule in _rules(own_site):
        if rule.endpoint in OPEN:
            continue
        for method in rule.methods or ():
            if method == "OPTIONS":
                continue
            answer = client.open(_address(rule), method=method)
            to_the_door = answer.status_code == 303 and answer.location.startswith("/sign-in")
            assert to_the_door or answer.status_code == 401, f"{method} {rule.rule}: {answer.status}"


def test_a_stranger_does_not_learn_which_addresses_exist(site: Site) -> None:
    assert site.stranger().get("/no/such/page").location.startswith("/sign-in")
    assert site.stranger().get("/api/v1/no-such-thing").status_code == 401


#: written here once more: the code under test must not be asked what is right
RANKS = {Role.VIEWER: 0, Role.SUBMITTER: 1, Role.OPERATOR: 2, Role.ADMIN: 3}


@pytest.mark.long
@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_table_says_on_pages_and_api(own_site: Site, role: Role) -> None:
    own_site.app.config["WTF_CSRF_ENABLED"] = False
    browser, program = own_site.browser(role).client, own_site.program(role)
    own_site.app.view_functions = {name: _allowed(view) for name, view in own_site.app.view_functions.items()}
    for rule in _rules(own_site):
        if rule.endpoint in OPEN:
            continue
        needed = rule_of(own_site.app, rule.endpoint)
        assert isinstance(needed, Role)
        method = next(iter((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        answer = (
            browser.open(_address(rule), method=method)
            if not rule.endpoint.startswith("api.")
            else program.client.open(_address(rule), method=method, headers=program.headers)
        )
        assert (answer.status_code == 200) == (RANKS[role] >= RANKS[needed]), f"{role} {method} {rule.rule}: {answer.status}"
        assert answer.status_code in (200, 403)


def _allowed(view: Callable[..., Any]) -> Callable[..., str]:
    """A view that only says that it was reached, with the rule of the real one."""

    def reached(**_: object) -> str:
        return "reached"

    reached.__dict__.update(view.__dict__)
    return reached


def test_a_view_without_a_rule_refuses_every_request(own_site: Site) -> None:
    own_site.app.add_url_rule("/forgotten", endpoint="forgotten", view_func=lambda: "secret")
    assert own_site.stranger().get("/forgotten").status_code == 303
    assert own_site.browser(Role.ADMIN).get("/forgotten").status_code == 403


def test_changing_requests_need_the_forms_csrf_token(site: Site) -> None:
    browser = site.browser()
    for path in ("/actors/add", "/users/new", "/count", "/sign-out", "/jobs/some-id/cancel"):
        assert browser.client.post(path, data={"x": "1", "y": "2", "total": "50"}).status_code == 400, path
    assert site.program().get("/api/v1/jobs").get_json()["jobs"] == []


def test_a_browsers_cookie_opens_the_api_for_looking_only(site: Site) -> None:
    browser = site.browser()
    assert browser.get("/api/v1/jobs").status_code == 200
    assert browser.client.post("/api/v1/jobs", json={"actor": "add", "args": [1, 2]}).status_code == 401


def test_every_answer_forbids_foreign_scripts_framing_and_guessing(site: Site) -> None:
    for path in ("/sign-in", "/healthz", "/no/such/page", "/api/v1/jobs", "/static/callboard.css"):
        headers = site.stranger().get(path).headers
        assert "script-src 'self'" in headers["Content-Security-Policy"], path
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"


def test_pages_are_kept_by_no_cache_and_files_for_ever(site: Site) -> None:
    page = site.browser().get("/")
    assert page.headers["Cache-Control"] == "no-store"
    address = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    assert "immutable" in site.stranger().get(address).headers["Cache-Control"]
