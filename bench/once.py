"""The same submission through several web processes at the same moment: is it one job, and one id?

    .venv/bin/python -m bench.once --store postgresql

Threads send each key to all web front ends at once: some as Idempotency-Key, some as unique_key, some as a workflow.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select

from bench.site import open_site, parser, share, tell, until
from src.jobs.core.models import Job
from src.jobs.core.workflow_models import StoredWorkflow
from tests.harness.breakable import submitters_token, web_command
from tests.harness.fleet import Fleet

#: how a key is sent: path, body and headers of one request
KINDS = ("idempotency key", "unique key", "workflow")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--fronts", type=int, default=3, help="web front ends, each of two processes")
    options.add_argument("--keys", type=int, default=200)
    options.add_argument("--senders", type=int, default=6, help="requests of each key, all at once")
    chosen = options.parse_args()
    answers: dict[str, set[str]] = defaultdict(set)
    problems: list[str] = []
    seconds: list[float] = []
    with open_site(chosen.store) as site, Fleet(site.environment, site.folder / "web.log", workers=0, scheduler=False) as fleet:
        urls = []
        for number in range(chosen.fronts):
            command, environment, url = web_command()
            fleet.add(f"web-{number}", command, environment)
            until(lambda url=url: _answers(url), 60, f"{url} answers")  # type: ignore[misc]
            urls.append(url)
        token, line = submitters_token(), threading.Barrier(chosen.senders)

        def send(sender: int) -> None:
            connection = http.client.HTTPConnection(urlsplit(urls[sender % len(urls)]).netloc, timeout=60)
            for number in range(chosen.keys):
                key = f"{KINDS[number % len(KINDS)]} {number}"
                path, body, headers = _request(key)
                line.wait(60)
                begun = time.monotonic()
                connection.request(
                    "POST", path, json.dumps(body), {**headers, "Authorization": f"Bearer {token}", "Content-Type": "application/json"}
                )
                answer = connection.getresponse()
                document = json.loads(answer.read())
                seconds.append(time.monotonic() - begun)
                if answer.status == 202:
                    answers[key].add(document["id"])
                else:
                    problems.append(f"{answer.status} {document.get('detail', '')}")

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(chosen.senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with site.database.read() as session:
            jobs = session.execute(select(func.count()).select_from(Job)).scalar_one()
            workflows = session.execute(select(func.count()).select_from(StoredWorkflow)).scalar_one()
    sent = chosen.keys * chosen.senders
    kinds = {kind: sum(key.startswith(kind) for key in answers) for kind in KINDS}
    tell(
        "once",
        chosen.store,
        [
            f"{sent} requests for {chosen.keys} keys ({', '.join(f'{count} × {kind}' for kind, count in kinds.items())}) over {chosen.fronts} front ends",
            f"{jobs} jobs, {workflows} of them the one step of a workflow; refused {len(problems)} {problems[:2] or ''}",
            f"answered after p50 {share(seconds, 0.5) * 1000:.0f} ms, p99 {share(seconds, 0.99) * 1000:.0f} ms",
        ],
        [
            ("one id for each key", len(answers) == chosen.keys and all(len(ids) == 1 for ids in answers.values())),
            ("one job for each key", jobs == chosen.keys),
            ("none refused", not problems),
        ],
    )


def _request(key: str) -> tuple[str, Any, dict[str, str]]:
    job = {"actor": "once", "args": [key]}
    if key.startswith("unique"):
        return "/api/v1/jobs", {**job, "unique_key": key}, {}
    if key.startswith("workflow"):
        return "/api/v1/workflows", {"name": key, "steps": [job]}, {"Idempotency-Key": key}
    return "/api/v1/jobs", job, {"Idempotency-Key": key}


def _answers(url: str) -> bool:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
