"""Failure notifications: recipients, frequency, and that notifying never does harm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from src.actors.notifications.failure_notifications import mail_failures
from src.jobs import State
from src.jobs.core.fingerprints import fingerprint
from src.jobs.core.models import FailureGroup, Job
from src.jobs.failures import counting, occurrences
from src.jobs.leases.workers import take_over
from src.mail import deliveries, reading
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.jobs import StillClock, all_claimed, claimed, ended, hired, look, settle

pytestmark = pytest.mark.both_stores

TRACE = """Traceback (most recent call last):
  File "/srv/house/src/actors/orders.py", line {line}, in read_order
    return parse(text)
  File "/srv/house/.venv/lib/python3.11/site-packages/orders/parser.py", line 7, in parse
    raise ValueError(text)
"""


@pytest.fixture(autouse=True)
def _admins(database: Database) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("CALLBOARD_MAIL_ADMINS", "ops@example.com")
    get_settings.cache_clear()
    counting.failure_mail.connect(mail_failures.message)
    yield
    patch.undo()
    get_settings.cache_clear()


def fail(
    database: Database, message: str, *, actor: str = "orders", kind: str = "ValueError", state: State = State.DEAD, count: int = 1
) -> list[str]:
    """So many jobs whose attempt failed."""
    worker = hired(database, actors=[actor])
    ends = []
    for number, one in enumerate(all_claimed(database, worker, count, actor=actor)):
        error = f"{kind}: {message.replace('#', str(number))}"
        ends.append(ended(one, state, actor=actor, error=error, traceback=TRACE.format(line=number) + error, failures=1))
    settle(database, worker, *ends)
    return [end.id for end in ends]


def succeed(database: Database, actor: str = "orders") -> None:
    worker = hired(database, actors=[actor])
    settle(database, worker, ended(claimed(database, worker, actor=actor), actor=actor))


def looks(database: Database) -> list[Job]:
    """The looks that are to come."""
    with database.read() as session:
        return list(session.execute(select(Job).where(Job.actor == "mail_failures", Job.state == State.SCHEDULED)).scalars())


def mails(database: Database) -> list[tuple[str, str]]:
    """Subject and text of the mails that were written, oldest first."""
    with database.read() as session:
        found = deliveries.page(session).mails
        return [(mail.subject, reading.read(deliveries.raw_of(session, mail.id) or b"").text or "") for mail in reversed(found)]


def test_what_is_the_same_failure() -> None:
    first = fingerprint("a", "ValueError: no order 17 at /tmp/x for 'Ada'", TRACE.format(line=1))
    assert first is not None
    assert first == fingerprint("b", 'ValueError: no order 9281 at /var/lib/y.txt for "Bob"', TRACE.format(line=99))
    assert (first.kind, first.place, first.message) == ("ValueError", "actors/orders.py:read_order", "no order N at PATH for TEXT")
    others = [
        fingerprint("a", "KeyError: no order 17 at /tmp/x for 'Ada'", TRACE.format(line=1)),
        fingerprint("a", "ValueError: no customer 17", TRACE.format(line=1)),
        fingerprint("a", "ValueError: no order 17 at /tmp/x for 'Ada'", TRACE.replace("read_order", "write_order")),
        fingerprint("a", "ValueError: no order 17 at /tmp/x for 'Ada'", None),
    ]
    assert len({first, *others}) == 5
    assert fingerprint("a", "Retry: later", None) is None, "asking for another attempt is no failure"
    assert fingerprint("a", None, None) is None


def test_five_hundred_equal_failures_are_one_look_and_one_mail(database: Database, time: StillClock) -> None:
    ids = fail(database, "no order # for 'somebody #'", count=500)
    assert len(looks(database)) == 1, "each failure wishes for a look, and they share one"

    assert mail_failures() == {"counted": 500, "told": 1, "recovered": 0}

    [(subject, text)] = mails(database)
    assert subject == "ValueError in orders (500 times)"
    assert "no order N for TEXT" in text
    assert f"/jobs/{ids[-1]}" in text
    assert "500 dead" in text
    assert "You won't get another email about the same error for 60 minutes, unless it recovers." in text
    assert mail_failures()["told"] == 0


@pytest.mark.parametrize(("minutes", "said"), [("1", "1 minute"), ("0.5", "30 seconds"), ("1440", "1 d")])
def test_a_mail_says_how_long_it_stays_the_only_one(
    database: Database, time: StillClock, monkeypatch: pytest.MonkeyPatch, minutes: str, said: str
) -> None:
    monkeypatch.setenv("CALLBOARD_FAILURE_MAIL_QUIET", minutes)
    get_settings.cache_clear()
    fail(database, "no order")
    mail_failures()
    [(_, text)] = mails(database)
    assert f"for {said}, unless it recovers." in text


def test_a_mail_says_that_there_are_more_jobs_than_it_counts(database: Database, time: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occurrences, "COUNTED", 3)
    fail(database, "no order #", count=4)
    mail_failures()
    [(_, text)] = mails(database)
    assert "jobs: 3+ dead" in text


def test_a_group_is_mailed_again_only_after_the_quiet_period_and_at_its_recovery(database: Database, time: StillClock) -> None:
    fail(database, "no order #")
    mail_failures()
    time.forward(10 * 60)
    fail(database, "no order #", count=7)
    assert mail_failures()["told"] == 0
    time.forward(51 * 60)
    assert mail_failures()["told"] == 1
    assert mails(database)[-1][0] == "ValueError in orders again (7 times)"

    time.forward(61 * 60)
    assert mail_failures()["recovered"] == 0, "nothing has succeeded since"
    succeed(database)
    assert mail_failures()["recovered"] == 1
    assert mails(database)[-1][0] == "Recovered: ValueError in orders"
    assert "8 times" in mails(database)[-1][1]
    time.forward(60)
    fail(database, "no order #")
    assert mail_failures()["told"] == 1, "what comes back after it has recovered is news"
    assert len(mails(database)) == 4


def test_a_failure_that_a_retry_mends_is_not_worth_a_mail_until_it_happens_often(database: Database, time: StillClock) -> None:
    fail(database, "no order #", state=State.RETRYING, count=2)
    assert mail_failures() == {"counted": 2, "told": 0, "recovered": 0}
    fail(database, "no order #", state=State.RETRYING)
    assert mail_failures()["told"] == 1
    assert mails(database)[0][0] == "ValueError in orders (3 times)"


def test_a_failure_that_is_over_before_its_mail_is_mailed_first_and_then_as_recovered(database: Database, time: StillClock) -> None:
    fail(database, "no order #")
    time.forward(2 * 60 * 60)
    succeed(database)
    assert mail_failures() == {"counted": 1, "told": 1, "recovered": 0}
    time.forward(61 * 60)
    assert mail_failures() == {"counted": 0, "told": 0, "recovered": 1}
    assert [subject for subject, _ in mails(database)] == ["ValueError in orders (once)", "Recovered: ValueError in orders"]


def test_several_kinds_at_once_are_one_mail(database: Database, time: StillClock) -> None:
    fail(database, "no order #", count=3)
    fail(database, "away", kind="ConnectionError", actor="stock")
    mail_failures()
    [(subject, text)] = mails(database)
    assert subject == "2 kinds of failures (4 times)"
    assert "ConnectionError" in text
    assert "ValueError" in text


def test_a_lost_worker_is_a_failure_too(database: Database, time: StillClock) -> None:
    job = claimed(database, hired(database, "gone:1", actors=["orders"]), actor="orders")
    time.forward(60)
    with database.write() as session:
        assert take_over(session) == 1
    assert look(database, job.id).state is State.QUEUED
    mail_failures()
    assert mails(database)[0][0] == "A worker was lost in orders (once)"


def test_failures_of_the_mail_itself_are_counted_but_not_mailed(database: Database, time: StillClock) -> None:
    fail(database, "away", actor="deliver_mail")
    fail(database, "oh no", actor="mail_failures", kind="KeyError")
    assert mail_failures() == {"counted": 2, "told": 0, "recovered": 0}
    assert mails(database) == []
    with database.read() as session:
        assert {group.kind for group in session.execute(select(FailureGroup)).scalars()} == {"ValueError", "KeyError"}


def test_a_look_that_fails_asks_for_no_other_look(database: Database, time: StillClock) -> None:
    fail(database, "oh no", actor="mail_failures", kind="KeyError")
    assert looks(database) == []


def test_a_count_job_that_cannot_be_requested_does_not_fail_the_end_of_an_attempt(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("the look cannot be asked for")

    monkeypatch.setattr(counting.failure_mail, "_part", broken)
    [id] = fail(database, "no order #")
    assert look(database, id).state is State.DEAD

    def unkeepable() -> object:
        return mail_failures.message().copy(message_id="\x00")

    monkeypatch.setattr(counting.failure_mail, "_part", unkeepable)
    [id] = fail(database, "no order #")
    assert look(database, id).state is State.DEAD


def test_a_message_that_no_store_can_hold_is_no_hindrance(database: Database, time: StillClock) -> None:
    [id] = fail(database, "\x00 \ud800 {{ 7*7 }} <script>alert(1)</script>\r\nBcc: eve@example.com " + "x" * 5000)
    assert look(database, id).state is State.DEAD
    mail_failures()
    [(subject, text)] = mails(database)
    assert subject == "ValueError in orders (once)"
    assert "{{ 7*7 }}" in text


def test_nobody_to_tell_means_no_mail_and_no_look(database: Database, time: StillClock) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALLBOARD_MAIL_ADMINS", "")
        get_settings.cache_clear()
        fail(database, "no order #")
        assert looks(database) == []
        assert mail_failures()["counted"] == 1
        assert mails(database) == []
