"""The page of a queue shows why RabbitMQ refuses it to workers."""

from __future__ import annotations

from src.jobs.leases import workers
from src.operations.people.roles import Role
from src.sql.database import write
from tests.harness.jobs import hired
from tests.harness.site import Site, in_words


def test_the_page_of_a_refused_queue_shows_the_reason(site: Site) -> None:
    worker = hired(site.database, "here-7:4711")
    viewer = site.browser(Role.VIEWER)
    with write() as session:
        workers.heartbeat(session, worker, busy=0, frontier={}, refusals={"default.high": "consuming is refused: RESOURCE_LOCKED <b>"})

    assert "here-7:4711: consuming is refused: RESOURCE_LOCKED <b>" in in_words(viewer.get("/queues/default").text)
    assert "<b>" not in viewer.get("/queues/default").text

    with write() as session:
        workers.heartbeat(session, worker, busy=0, frontier={})
    assert "refuses" not in in_words(viewer.get("/queues/default").text)
