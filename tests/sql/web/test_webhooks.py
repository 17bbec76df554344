"""Webhooks: an admin creates, views and deletes them, on the pages and with the API."""

from __future__ import annotations

import pytest

from tests.harness.site import Site, in_words

pytestmark = pytest.mark.both_stores


def test_a_webhook_is_created_on_the_page_pinged_and_deleted(site: Site) -> None:
    browser = site.browser()
    assert '<a href="/alerts">alerts</a>' in browser.get("/admin/webhooks").text
    made = browser.fill_in("/admin/webhooks", url="https://example.org/hook", kind="job", actor="add", states="dead")
    assert "You will not see it again: whsec_" in in_words(made.text)
    [listed] = site.program().get("/api/v1/webhooks").get_json()["webhooks"]
    assert (listed["url"], listed["actor"], listed["states"]) == ("https://example.org/hook", "add", ["dead"])
    page = f"/admin/webhooks/{listed['id']}"
    assert "whsec_" not in browser.get(page).text

    assert browser.fill_in(page, action=f"{page}/ping").status_code == 303
    [delivery] = site.program().get(f"/api/v1/webhooks/{listed['id']}/deliveries").get_json()["deliveries"]
    assert (delivery["event"], delivery["state"], delivery["tries"]) == ("ping", "waiting", 0)
    assert browser.fill_in(page, action=f"/admin/webhook-deliveries/{delivery['id']}/resend").status_code == 303
    assert "ping" in in_words(browser.get(page).text)

    assert browser.fill_in(page, action=f"{page}/delete").status_code == 303
    assert site.program().get("/api/v1/webhooks").get_json() == {"webhooks": []}
    assert browser.get(page).status_code == 404


def test_errors_are_shown_at_the_form_and_in_the_api(site: Site) -> None:
    browser, program = site.browser(), site.program()
    wrong = browser.fill_in("/admin/webhooks", url="gopher://example.org", kind="job", states="dead")
    assert wrong.status_code == 422
    assert "Give an address that begins with https:// or http://, in ASCII: https://HOST/PATH." in in_words(wrong.text)
    assert program.post("/api/v1/webhooks", {"url": "https://example.org/", "states": []}).status_code == 422
    for url in (
        "http:///x",
        "https://example.org:99999/",
        "https://example.org:0/",
        "http://[::1",
        "https://example.org/\n",
        "https://example.org/\0",
    ):
        assert program.post("/api/v1/webhooks", {"url": url}).get_json()["errors"][0]["field"] == "url"
    assert program.post("/api/v1/webhooks", {"url": "https://example.org/", "kind": "workflow", "actor": "add"}).get_json()["errors"] == [
        {"field": "actor", "message": "A workflow has no actor of its own: leave it out."}
    ]
    assert program.post("/api/v1/webhooks", {"url": "https://example.org/", "actor": "nobody"}).status_code == 422
    assert program.get("/api/v1/webhooks/nobody").status_code == 404
    assert program.post("/api/v1/webhook-deliveries/nobody/resend").status_code == 404


def test_the_secret_is_shown_once_and_every_action_is_audited(site: Site) -> None:
    program = site.program()
    made = program.post("/api/v1/webhooks", {"url": "https://example.org/hook"})
    assert made.status_code == 201
    id = made.get_json()["id"]
    assert made.get_json()["secret"].startswith("whsec_")
    assert "secret" not in program.get(f"/api/v1/webhooks/{id}").get_json()
    assert program.post(f"/api/v1/webhooks/{id}/ping").status_code == 202
    assert program.delete(f"/api/v1/webhooks/{id}").status_code == 204
    lines = program.get("/api/v1/audit?kind=webhook").get_json()["lines"]
    assert [line["action"] for line in lines] == ["webhook.delete", "webhook.ping", "webhook.create"]
    assert "whsec_" not in program.get("/api/v1/audit").text
