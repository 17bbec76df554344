"""The running Callboard over HTTP alone: input accepted by a page reaches a real worker."""

from __future__ import annotations

import csv
import http.cookiejar
import io
import re
import urllib.request
from typing import Any

from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually


def test_a_real_worker_gets_what_was_typed(callboard: Callboard) -> None:
    assert callboard.run("unlock", "hush", {"user": "ann", "password": "push"})["result"] == "front: hsuh hsup"


def test_real_workers_run_the_rows_of_a_file(callboard: Callboard) -> None:
    """Submit and read a batch by HTTP alone, as a browser without JavaScript does."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    opener.open(callboard.one_time_link(), timeout=20).read()

    def post(page: str, action: str, body: bytes, kind: str) -> Any:
        request = urllib.request.Request(callboard.url + action, body, {"Content-Type": kind, "Referer": callboard.url + page})
        return opener.open(request, timeout=60)

    def token(page: str) -> str:
        return str(re.findall(r'name="form-csrf_token" value="([^"]+)"', opener.open(callboard.url + page, timeout=20).read().decode())[0])

    edge, rows = "edge", "x,y\r\n" + "".join(f"{number},1\r\n" for number in range(200))
    parts = f'--{edge}\r\nContent-Disposition: form-data; name="form-csrf_token"\r\n\r\n{token("/actors/add/rows")}\r\n'
    parts += f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="r.csv"\r\n\r\n{rows}\r\n--{edge}--\r\n'
    page = post("/actors/add/rows", "/actors/add/rows", parts.encode(), f"multipart/form-data; boundary={edge}").url.removeprefix(
        callboard.url
    )
    post(page, f"{page}/submit", f"csrf_token={token(page)}".encode(), "application/x-www-form-urlencoded").read()

    def ended() -> list[dict[str, str]] | None:
        lines = list(csv.DictReader(io.StringIO(opener.open(f"{callboard.url}{page}/rows.csv", timeout=20).read().decode())))
        return lines if all(line["callboard_state"] == "succeeded" for line in lines) else None

    lines = eventually(ended, deadline_s=60, interval_s=0.3, what="all rows have run")
    assert lines is not None
    assert [line["callboard_result"] for line in lines] == [str(number + 1) for number in range(200)]
