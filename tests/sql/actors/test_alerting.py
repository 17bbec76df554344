"""Alert rules: each alert notifies once, and once more when it is over, and notifying never does harm."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from src.actors.mail import deliver_mail
from src.actors.notifications import alert_notifications, fleet_watch
from src.actors.webhooks import deliver_webhook
from src.jobs import State
from src.jobs.alerts import alerts, mutes
from src.jobs.alerts.models import AlertWatch
from src.jobs.control import actions
from src.jobs.core.models import Job, Worker
from src.jobs.webhooks import webhooks
from src.jobs.webhooks.models import Kind, WebhookDelivery
from src.mail import deliveries, reading
from src.schedules.edit import editing
from src.schedules.rows.drafts import Draft
from src.schedules.rows.models import Schedule
from src.settings import Settings, get_settings
from src.sql.clock import now
from src.sql.database import Database, use_database
from tests.harness.jobs import StillClock, all_claimed, ended, hired, settle, submitted
from tests.harness.smtp import MailServer
from tests.harness.waiting import eventually

Set = Callable[..., None]


@pytest.fixture(autouse=True)
def setting(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Set]:
    """Change settings: setting(alert_backlog=3). At first no alert can begin, and there is an admin."""

    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"CALLBOARD_{name.upper()}", str(value))
        get_settings.cache_clear()

    monkeypatch.setattr(alert_notifications, "PAUSES_S", (0.0, 0.0))
    change(mail_admins="ops@example.com", alert_backlog=0, alert_oldest=0, alert_no_worker=0, alert_failures=0, alert_late=0)
    change(alert_no_scheduler=0, alert_fewer=0, alert_broker=0, alert_held=0, alert_backup=0)
    yield change
    told()
    monkeypatch.undo()
    get_settings.cache_clear()


def look(time: StillClock, *, seconds: float = 10, times: int = 1) -> None:
    """So many looks of a scheduler, each some seconds after the one before."""
    for _ in range(times):
        time.forward(seconds)
        fleet_watch.check()


def told() -> None:
    """Return when nothing is being delivered from here any more."""
    eventually(lambda: not any(thread.name == "telling" for thread in threading.enumerate()), deadline_s=30)


def subjects(database: Database) -> list[str]:
    """The mails that were written, the oldest first."""
    with database.read() as session:
        return [mail.subject for mail in reversed(deliveries.page(session).mails)]


def current(database: Database) -> list[tuple[str, str]]:
    with database.read() as session:
        return [(alert.kind.value, alert.subject) for alert in alerts.current(session)]


def serve(database: Database, *queues: str) -> None:
    """A worker that takes from these queues and lives on."""
    hired(database)
    with database.write() as session:
        session.execute(update(Worker).values(queues=list(queues), expires_at=now() + timedelta(days=1)))


def fail(database: Database, number: int, *, actor: str = "orders", state: State = State.DEAD) -> None:
    worker = hired(database, actors=[actor])
    ends = [ended(one, state, actor=actor) for one in all_claimed(database, worker, number, actor=actor)]
    settle(database, worker, *ends)


@pytest.mark.both_stores
def test_a_lasting_backlog_notifies_once_and_its_end_once(database: Database, time: StillClock, setting: Set) -> None:
    setting(alert_backlog=2, alert_backlog_for=5)
    serve(database, "mail", "webhooks")
    ids = [submitted(database, number, queue="orders").id for number in range(3)]

    look(time, times=29)
    assert (subjects(database), current(database)) == ([], [])
    look(time, times=30)
    assert subjects(database) == ["Alert: 3 jobs are ready in queue orders, more than 2"]
    assert current(database) == [("backlog", "orders")]

    with database.write() as session:
        actions.cancel(session, ids[0])
    look(time, times=12)
    assert current(database) == [("backlog", "orders")]
    look(time, times=30)
    assert subjects(database)[1:] == ["Recovered after 6 minutes: 3 jobs are ready in queue orders, more than 2"]
    assert current(database) == []
    with database.read() as session:
        assert [alert.subject for alert in alerts.recovered(session)] == ["orders"]
    time.forward(31 * 86_400)
    with database.write() as session:
        alerts.prune(session)
        assert alerts.recovered(session) == []


def test_a_problem_that_comes_and_goes_notifies_once(database: Database, time: StillClock, setting: Set) -> None:
    setting(alert_backlog=1, alert_backlog_for=0)
    serve(database, "mail", "webhooks")
    submitted(database, queue="orders")
    for _ in range(5):
        second = submitted(database, queue="orders").id
        look(time, times=5)
        with database.write() as session:
            actions.cancel(session, second)
        look(time, times=5)

    assert len(subjects(database)) == 1
    assert current(database) == [("backlog", "orders")]


@pytest.mark.both_stores
def test_a_muted_alert_begins_after_the_mute_and_one_that_was_notified_recovers_as_usual(
    database: Database, time: StillClock, setting: Set
) -> None:
    setting(alert_backlog=3, alert_backlog_for=0)
    serve(database, "mail", "webhooks")
    ids = [submitted(database, queue="orders").id for _ in range(4)]
    look(time, times=2)
    assert [each[:5] for each in subjects(database)] == ["Alert"]
    with database.write() as session:
        [alert] = alerts.current(session)
        mutes.mute(session, alert.id, until=time.now() + timedelta(hours=1), by="ada")
    with database.write() as session:
        actions.cancel(session, ids[0])
    look(time, times=14)
    assert [each[:5] for each in subjects(database)] == ["Alert", "Recov"]

    submitted(database, queue="orders")
    look(time, times=30)
    assert len(subjects(database)) == 2
    assert current(database) == []
    with database.read() as session:
        muted = mutes.in_force(session)
        assert [(each.subject, each.began_at) for each in alerts.standing(session, muted)] == [("orders", None)]
        assert alerts.unmuted(session) == []
    look(time, seconds=100, times=36)
    assert [each[:5] for each in subjects(database)] == ["Alert", "Recov", "Alert"]
    assert current(database) == [("backlog", "orders")]


def test_many_schedulers_tell_of_it_once(database: Database, time: StillClock, setting: Set) -> None:
    setting(alert_backlog=1, alert_backlog_for=0)
    serve(database, "mail", "webhooks")
    for _ in range(2):
        submitted(database, queue="orders")
    for _ in range(3):
        time.forward(10)
        schedulers = [threading.Thread(target=fleet_watch.check) for _ in range(8)]
        for each in schedulers:
            each.start()
        for each in schedulers:
            each.join()

    assert subjects(database) == ["Alert: 2 jobs are ready in queue orders, more than 1"]
    with database.read() as session:
        assert session.execute(select(AlertWatch.looked_at)).scalars().all() == [time.now()]


@pytest.mark.both_stores
def test_a_problem_does_not_last_while_no_check_runs(database: Database, time: StillClock, setting: Set) -> None:
    """A scheduler that comes back after hours does not know whether there was no worker all the time."""
    setting(alert_no_worker=2)
    look(time)
    look(time, seconds=7_200)
    assert current(database) == []
    look(time, times=12)
    assert current(database) == [("no_worker", "")]


def test_the_oldest_job_counts_from_when_it_could_have_started(database: Database, time: StillClock, setting: Set) -> None:
    setting(alert_oldest=30)
    serve(database, "mail", "webhooks")
    waits = submitted(database, queue="orders").id
    with database.write() as session:  # ready since just now, though asked for long ago
        session.execute(update(Job).where(Job.id == waits).values(created_at=now() - timedelta(days=9), published_at=now()))
    look(time, seconds=100, times=18)
    assert current(database) == []
    look(time, times=2)
    assert current(database) == [("oldest", "orders")]
    assert subjects(database) == ["Alert: The oldest ready job in queue orders has waited for 30 minutes, more than 30 minutes"]


def test_one_dead_job_is_in_the_singular(database: Database, time: StillClock, setting: Set) -> None:
    setting(alert_failures=10, alert_failures_over=1, alert_failures_least=1)
    fail(database, 1)
    fail(database, 1, state=State.SUCCEEDED)
    look(time, times=3)
    assert subjects(database) == ["Alert: 1 of 2 jobs that ended in the last 1 minute is dead, more than 10 %"]


@pytest.mark.both_stores
def test_too_many_dead_jobs_notify_unless_they_are_few_or_notifications_themselves(
    database: Database, time: StillClock, setting: Set
) -> None:
    setting(alert_failures=50, alert_failures_over=15, alert_failures_least=10)
    fail(database, 9)
    fail(database, 30, actor=deliver_mail.actor_name)
    fail(database, 30, actor=deliver_webhook.actor_name)
    look(time, times=3)
    assert current(database) == []  # nine are too few

    fail(database, 9, state=State.SUCCEEDED)
    look(time, times=3)
    assert current(database) == []  # half of them is not more than half
    fail(database, 1)
    look(time, times=3)
    assert current(database) == [("failures", "")]
    assert subjects(database) == ["Alert: 10 of 19 jobs that ended in the last 15 minutes are dead, more than 50 %"]
    look(time, seconds=100, times=12)
    assert current(database) == []  # by now they are not the last 15 minutes


@pytest.mark.both_stores
def test_an_overdue_schedule_notifies(database: Database, time: StillClock, setting: Set) -> None:
    setting(alert_late=5)
    serve(database, "mail", "webhooks")
    with database.write() as session:
        for name in ("late", "paused"):
            editing.create(session, Draft(name, "add", cron="* * * * *", args=[1, 2]), by="tester")
        session.execute(update(Schedule).where(Schedule.name == "paused").values(paused_at=now()))
    look(time, times=30)
    assert current(database) == []
    look(time, times=8)
    assert current(database) == [("late", "late")]


def test_without_a_worker_the_scheduler_delivers_it_and_no_worker_does_it_again(database: Database, time: StillClock, setting: Set) -> None:
    with MailServer() as server:
        setting(alert_no_worker=1, smtp_url=f"smtp://127.0.0.1:{server.port}")
        look(time, times=8)
        eventually(lambda: server.taken, what="the letter arrives")
        [letter] = server.taken
        assert letter.recipients == ["ops@example.com"]
        assert letter.message["Subject"] == "Alert: No worker process is alive: jobs are accepted and wait"
        told()
        with database.read() as session:
            [mail] = deliveries.page(session).mails
            [job] = session.execute(select(Job).where(Job.actor == "deliver_mail")).scalars()
        assert (job.state, job.args) == (State.QUEUED, [mail.id])
        assert deliver_mail.fn(mail.id) == "all deliveries were already done"
        serve(database, "mail", "webhooks")
        look(time, times=14)
    assert len(server.taken) == 1
    assert subjects(database)[1].startswith("Recovered after 2 minutes: No worker")


def test_a_mail_server_that_is_away_too_costs_a_line_of_the_log(database: Database, time: StillClock, setting: Set) -> None:
    setting(alert_no_worker=1, smtp_url="smtp://127.0.0.1:1")
    look(time, times=8)
    told()
    assert current(database) == [("no_worker", "")]
    with database.read() as session:
        [mail] = deliveries.page(session).mails
        assert [(each.state.value, each.tries) for each in mail.deliveries] == [("queued", 3)]


def test_only_webhooks_of_alerts_are_notified(database: Database, time: StillClock, setting: Set) -> None:
    setting(alert_backlog=1, alert_backlog_for=0)
    serve(database, "mail", "webhooks")
    with database.write() as session:
        both, ends = (
            webhooks.create(session, url="https://example.org/", kind=kind, actor=None, states=webhooks.STATES[kind], by="tester").id
            for kind in (Kind.ALERT, Kind.JOB)
        )
    ids = [submitted(database, queue="orders").id for _ in range(2)]
    look(time, times=3)
    with database.write() as session:
        actions.cancel(session, ids[0])
    look(time, times=20)

    with database.read() as session:
        mine = select(WebhookDelivery).where(WebhookDelivery.webhook_id == both).order_by(WebhookDelivery.seq)
        heard = [each for each in session.execute(mine).scalars() if '"subject":"orders"' in each.payload]
        assert [each.event for each in heard] == ["alert.began", "alert.recovered"]
        others = session.execute(select(WebhookDelivery.event).where(WebhookDelivery.webhook_id == ends)).scalars()
        assert set(others) <= {"job.cancelled"}
    data = json.loads(heard[1].payload)["data"]
    assert (data["kind"], data["subject"], data["state"]) == ("backlog", "orders", "recovered")
    assert data["began_at"] < data["recovered_at"]


def test_an_alert_that_cannot_be_mailed_still_stands(
    database: Database, time: StillClock, setting: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting(alert_backlog=1, alert_backlog_for=0)
    monkeypatch.setattr(Settings, "admins", property(lambda self: ["not an address"]))  # the check of settings refuses it
    serve(database, "mail", "webhooks")
    for _ in range(2):
        submitted(database, queue="orders")
    look(time)
    assert current(database) == [("backlog", "orders")]
    assert subjects(database) == []


@pytest.mark.both_stores
def test_a_check_without_sql_raises_nothing(database: Database, time: StillClock, setting: Set) -> None:
    setting(alert_backlog=1, alert_backlog_for=0)
    use_database(Database("postgresql://nobody@127.0.0.1:1/nothing"))
    try:
        look(time)
    finally:
        use_database(database)
    look(time)
    with database.read() as session:
        assert alerts.looked_at(session) == time.now()


@pytest.mark.both_stores
def test_the_letter_lists_what_has_begun(database: Database, time: StillClock, setting: Set) -> None:
    setting(alert_backlog=1, alert_backlog_for=0)
    serve(database, "mail", "webhooks")
    for queue in ("orders", "bills"):
        for _ in range(2):
            submitted(database, queue=queue)
    with database.write() as session:  # no queue can be called so; should one be, its name stays a name
        session.execute(update(Job).where(Job.queue == "bills").values(queue="<b>bills</b>"))
    look(time)
    with database.read() as session:
        [mail] = deliveries.page(session).mails
        raw = deliveries.raw_of(session, mail.id)
    assert raw is not None
    assert mail.subject.startswith("Alert: 2 alerts, 2 jobs are ready in queue")
    letter = reading.read(raw)
    assert letter.text is not None
    assert letter.html is not None
    assert "2 jobs are ready in queue orders, more than 1,\n  since 20" in letter.text.replace("\r", "")
    assert "<b>bills" in letter.text
    assert "<b>bills" not in letter.html
