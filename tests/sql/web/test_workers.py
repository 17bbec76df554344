"""Worker commands: operators quiet and stop workers on the page, with the API and at a terminal; all are audited."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from src.jobs.core.models import StackRequest, Worker
from src.jobs.core.states import WorkerCommand
from src.jobs.leases import worker_commands, workers
from src.jobs.read.memory import Sample, growth
from src.jobs.read.models import WorkerMemory
from src.jobs.upkeep import worker_samples
from src.operations.people.roles import Role
from src.sql.clock import clock
from src.sql.database import read, write
from tests.harness.jobs import StillClock, claimed, hired, submitted
from tests.harness.site import Site, in_words

pytestmark = pytest.mark.both_stores

NAME = "here-7:4711"


def test_the_page_says_how_much_memory_each_takes(site: Site) -> None:
    id = hired(site.database, NAME)
    assert "memory" not in in_words(site.browser(Role.VIEWER).get("/workers").text)
    with write() as session:
        workers.heartbeat(session, id, busy=1, frontier={}, memory_bytes=187_300_000)
    assert "memory 187.3 MB" in in_words(site.browser(Role.VIEWER).get("/workers").text)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    still = StillClock()
    monkeypatch.setattr(clock, "now", still.now)
    return still


def test_page_and_api_show_memory_over_time_and_how_it_has_grown(site: Site, time: StillClock) -> None:
    id, viewer = hired(site.database, NAME), site.browser(Role.VIEWER)
    for minute in range(6):
        with write() as session:
            workers.heartbeat(session, id, busy=0, frontier={}, memory_bytes=100_000_000 + 2_000_000 * minute, jobs_done=10 * minute)
            for _ in range(2):  # a second scheduler
                worker_samples.sample(session)
        time.forward(60)
    with write() as session:
        workers.heartbeat(session, id, busy=0, frontier={}, memory_bytes=110_000_000, jobs_done=50)

    document = viewer.get(f"/api/v1/workers/{NAME}/memory?range=15m").get_json()
    assert [each["memory_bytes"] for each in document["steps"] if each["memory_bytes"]] == [
        100_000_000 + 2_000_000 * minute for minute in range(6)
    ]
    assert document["growth"] == {"memory_bytes": 10_000_000, "seconds": 300, "jobs": 50}
    page = in_words(viewer.get(f"/workers/{NAME}?range=15m").text)
    assert "grew by 10.0 MB in 5 min, over 50 jobs: 200 kB per job." in page
    assert "110.0" in page, "the chart has its numbers"
    assert "grew by 10.0 MB in 5 min" in in_words(viewer.get("/workers?range=15m").text)
    assert (viewer.get("/workers/none:1").status_code, viewer.get("/api/v1/workers/none:1/memory").status_code) == (404, 404)

    assert 'd="M0.0 ' not in viewer.get("/workers?range=15m").text, "it was not there at the begin of the range"
    with write() as session:
        session.execute(update(Worker).values(started_at=clock.now() - timedelta(hours=1)))
    assert 'd="M0.0 ' in viewer.get("/workers?range=15m").text, "an older process has no sample yet, not no memory"

    assert len(_samples(1)) == 6
    assert len(_samples(1440)) <= 2, "rolled up"
    time.forward(timedelta(days=500).total_seconds())
    with write() as session:
        worker_samples.prune(session)
    assert _samples(1) == _samples(10) == []


def _samples(span: int) -> list[int]:
    with read() as session:
        return list(session.execute(select(WorkerMemory.memory_bytes).where(WorkerMemory.span == span)).scalars())


def test_a_process_that_began_again_grows_from_its_start() -> None:
    samples = [Sample(900, 40), Sample(990, 50), None, Sample(100, 0), Sample(130, 6)]
    assert growth(samples) == (30, 1, 6)
    assert growth([None, Sample(1, 1)]) is None


def test_the_page_and_the_api_tell_how_many_jobs_it_has_run_and_why_the_one_before_it_was_recycled(site: Site) -> None:
    why = "1000 jobs (CALLBOARD_MAX_JOBS is 1000)"
    with write() as session:
        id = workers.register(session, name=NAME, host="h", pid=1, version="0", threads=1, queues=["default"], actors=[], recycled=why)
        workers.heartbeat(session, id, busy=0, frontier={}, jobs_done=17_000)
    viewer = site.browser(Role.VIEWER)
    page = in_words(viewer.get("/workers").text)
    assert "jobs 17 000 since" in page
    assert f"Replaced a process that was recycled: {why}." in page
    [listed] = viewer.get("/api/v1/workers").get_json()["workers"]
    assert (listed["jobs_done"], listed["recycled"]) == (17_000, why)


def test_how_busy_it_is_said_to_be_agrees_with_the_jobs_beside_it(site: Site) -> None:
    id = hired(site.database, NAME)
    with write() as session:
        workers.heartbeat(session, id, busy=3, frontier={})
    viewer = site.browser(Role.VIEWER)
    assert "busy 0 of 4" in (page := in_words(viewer.get("/workers").text))
    assert "Idle." in page
    assert "0 of 4 threads busy" in in_words(viewer.get("/").text)
    jobs = [claimed(site.database, id, number, 2) for number in range(5)]
    assert "busy 4 of 4" in (page := in_words(viewer.get("/workers").text))  # one of them waits for a thread
    assert jobs[0].id[:8] in page
    assert "4 of 4 threads busy" in in_words(viewer.get("/").text)
    assert viewer.get("/api/v1/workers").get_json()["workers"][0]["busy"] == 4


def test_a_single_thread_is_in_the_singular(site: Site) -> None:
    with write() as session:
        workers.register(session, name=NAME, host="h", pid=1, version="0", threads=1, queues=["default"], actors=["add"])
    assert "0 of 1 thread of 1 process is busy." in in_words(site.browser(Role.VIEWER).get("/workers").text)


def wish(id: int) -> WorkerCommand | None:
    with read() as session:
        return worker_commands.of(session, id)


def test_an_operator_quiets_resumes_and_stops_a_worker_on_the_page(site: Site) -> None:
    id = hired(site.database, NAME)
    operator, viewer = site.browser(Role.OPERATOR), site.browser(Role.VIEWER)
    act = f"/workers/{NAME}/"

    answer = operator.fill_in("/workers", action=act + "quiet")
    assert (answer.status_code, answer.location) == (303, "/workers")
    assert wish(id) is WorkerCommand.QUIET
    page = operator.get("/workers").text
    assert "stops taking jobs" in in_words(page)
    assert "Takes no new jobs and finishes its current ones (requested by user_" in in_words(page)
    assert act + "quiet" not in page
    operator.fill_in("/workers", action=act + "resume")
    assert wish(id) is None
    operator.fill_in("/workers", action=act + "stop")
    assert wish(id) is WorkerCommand.STOP
    page = operator.get("/workers").text
    assert "Stops when its current jobs have finished" in in_words(page)
    assert act not in page  # there is nothing left to be wanted

    shown = viewer.get("/workers").text
    assert "<button" not in shown.partition("<main")[2] or act not in shown
    lines = site.program().get("/api/v1/audit?kind=worker").get_json()["lines"]
    assert [(line["action"], line["subject"]) for line in lines] == [
        ("worker.stop", NAME),
        ("worker.resume", NAME),
        ("worker.quiet", NAME),
    ]


def test_the_api_says_what_is_wanted_and_what_cannot_be(site: Site) -> None:
    hired(site.database, NAME)
    operator = site.program(Role.OPERATOR)
    assert operator.post(f"/api/v1/workers/{NAME}/quiet").get_json()["wish"] == "quiet"
    [listed] = operator.get("/api/v1/workers").get_json()["workers"]
    assert (listed["wish"], listed["wished_by"][:6], listed["memory_bytes"]) == ("quiet", "token_", None)
    assert operator.post(f"/api/v1/workers/{NAME}/resume").get_json()["wish"] is None
    assert operator.post(f"/api/v1/workers/{NAME}/stop").get_json()["wish"] == "stop"

    refused = operator.post(f"/api/v1/workers/{NAME}/resume")
    assert (refused.status_code, refused.get_json()["errors"][0]["field"]) == (422, "name")
    assert operator.post("/api/v1/workers/nobody:1/quiet").status_code == 404
    assert operator.post(f"/api/v1/workers/{NAME}/dance").status_code == 404
    assert site.program(Role.SUBMITTER).post(f"/api/v1/workers/{NAME}/quiet").status_code == 403
    [csv] = operator.get("/workers?format=csv").text.splitlines()[1:]
    assert "stop" in csv


def test_a_queue_whose_only_worker_is_quiet_needs_attention(site: Site) -> None:
    hired(site.database, NAME)
    submitted(site.database, 1, 2)
    assert "no worker consumes it" not in in_words(site.browser().get("/").text)
    site.program().post(f"/api/v1/workers/{NAME}/quiet")
    assert "no worker consumes it" in in_words(site.browser().get("/").text)
    with read() as session:
        assert len(workers.alive(session)) == 1


def test_where_a_running_job_is_is_asked_for_on_its_page_and_with_the_api(site: Site) -> None:
    operator, program = site.browser(Role.OPERATOR), site.program(Role.OPERATOR)
    id = claimed(site.database, hired(site.database, NAME), 1, 2).id
    page = f"/jobs/{id}"
    assert "Stack trace" in operator.get(page).text
    assert "Stack trace" not in site.browser(Role.VIEWER).get(page).text

    assert operator.fill_in(page, action=f"{page}/stack").status_code == 303
    assert "Stack trace requested" in in_words(operator.get(page).text)
    assert program.post(f"/api/v1/jobs/{id}/stack").get_json()["state"] == "running"
    with read() as session:
        assert session.execute(select(StackRequest.attempt)).scalars().all() == [1]
    lines = site.program().get("/api/v1/audit?action=job.stack").get_json()["lines"]
    assert [(line["via"], line["subject"]) for line in lines] == [("api", id), ("page", id)]

    waits = submitted(site.database, 1, 2).id
    assert "Stack trace" not in operator.get(f"/jobs/{waits}").text
    assert program.post(f"/api/v1/jobs/{waits}/stack").status_code == 409
