"""A user's first form, over plain HTTP: sign in by the link, fill in, submit, view the result."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

from tests.harness.waiting import eventually

TOTAL = 100


def create_users(link: str, *, total: int = TOTAL) -> int:
    """Submit the form of random user accounts and return how many users the list then shows."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    address = link.split("/sign-in/")[0]

    def get(path: str) -> str:
        with browser.open(address + path, timeout=15) as page:
            text: str = page.read().decode()
            return text

    with browser.open(link, timeout=15) as page:
        assert page.status == 200
    form = get("/users/new")
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    assert "form-csrf_token" in hidden, "the form carries a CSRF token"
    body = urllib.parse.urlencode({**hidden, "total": str(total)}).encode()
    with browser.open(f"{address}/users/new", body, timeout=15) as page:
        assert page.status == 200

    def shown() -> int:
        found = re.search(r"(\d[\d,. ]*)\s+users?", get("/users"))
        return int(re.sub(r"\D", "", found[1])) if found else 0

    return eventually(lambda: shown() if shown() >= total else 0, deadline_s=60, interval_s=0.2, what=f"{total} users are listed")
