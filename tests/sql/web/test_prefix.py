"""The console under a prefix of another application (`SCRIPT_NAME`): every address that it makes has the prefix, once."""

from __future__ import annotations

import pytest

from src.settings import get_settings
from src.sql.database import Database, use_database
from src.web.auth.access import SESSION_KEY
from tests.harness.services import random_name
from tests.harness.site import Site

HERE = "http://localhost/background"


def test_signing_in_leads_back_to_the_page(site: Site) -> None:
    visit = site.stranger().client

    refused = visit.get("/jobs?state=dead", base_url=HERE)

    assert refused.location == "/background/sign-in?next=/background/jobs?state%3Ddead"


@pytest.mark.parametrize(
    ("public", "base"), [("", "http://localhost/background"), ("https://shop.example/background", "https://shop.example/background")]
)
def test_a_link_to_sign_in_has_the_prefix_once(site: Site, monkeypatch: pytest.MonkeyPatch, public: str, base: str) -> None:
    monkeypatch.setenv("CALLBOARD_PUBLIC_URL", public)
    get_settings.cache_clear()
    admin = site.program()

    user = {"name": random_name("ada"), "role": "viewer"}
    made = admin.client.post("/api/v1/users", json=user, headers=admin.headers, base_url=HERE).get_json()

    assert made["link"].startswith(f"{base}/sign-in/link?t=")


def test_a_page_that_fails_is_tried_again_under_the_prefix(site: Site) -> None:
    client = site.app.test_client()
    with client.session_transaction(base_url=HERE) as cookie:
        cookie[SESSION_KEY] = "any"
    away = Database("postgresql://callboard@127.0.0.1:1/nothing")
    use_database(away)

    failed = client.get("/jobs?state=dead", base_url=HERE)

    use_database(site.database)
    away.engine.dispose()
    assert failed.status_code == 503
    assert 'href="/background/jobs?state=dead"' in failed.text
