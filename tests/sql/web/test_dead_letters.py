"""The form that edits a dead letter; tests/process/broker/test_dead_letters.py has the messages themselves."""

from __future__ import annotations

import pytest

from tests.harness.site import Site


@pytest.mark.parametrize("args", ["[", "[1e400]", "[NaN]", "[" * 100_000, '["\\ud800"]', "[" * 300 + "]" * 300, "{}", ""])
def test_arguments_that_no_message_can_hold_are_refused_before_anything_is_sent(site: Site, args: str) -> None:
    browser = site.browser()
    address = "/queues/default/dead-letters"
    token = browser.hidden("/jobs", action="/preferences")["form-csrf_token"]
    answer = browser.client.post(
        f"{address}/{'0' * 24}/requeue", data={"args": args, "kwargs": "{}", "csrf_token": token}, follow_redirects=False
    )
    assert answer.status_code == 303
    with browser.client.session_transaction() as cookie:
        [(_, told)] = cookie["_flashes"]
    assert told.startswith("Failed: ")
    assert "JSON" in told
