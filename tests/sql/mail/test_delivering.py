"""Email delivery when the mail server misbehaves; the server is a real one."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from sqlalchemy import select

from src.actors.mail import Refused, deliver_mail, post, send_again
from src.broker.options.limits import policies_of
from src.jobs.core.models import Job
from src.jobs.leases import claims
from src.jobs.read.queries import find_many
from src.mail import deliveries, mailbox, smtp
from src.mail.catcher import Catcher
from src.mail.errors import NoMailServer, NotSent
from src.mail.letters import Letter
from src.mail.models import Delivery, DeliveryState
from src.settings import get_settings
from src.sql.database import Database
from src.up.data import ports
from tests.harness.jobs import hired
from tests.harness.smtp import MailServer
from tests.harness.stores import only_on

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
one_store = only_on("sqlite")  # the mail server plays no part in SQL


@pytest.fixture
def server(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with MailServer() as running:
        _use(monkeypatch, running.url.replace("timeout=20", "timeout=3"))
        yield running


def _use(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CALLBOARD_SMTP_URL", url)
    get_settings.cache_clear()


def _wait_for(monkeypatch: pytest.MonkeyPatch, server: MailServer, behaviour: str) -> None:
    """Be impatient with a server that will not answer, and with no other."""
    _use(monkeypatch, server.url.replace("timeout=20", "timeout=0.5") if behaviour == MailServer.HANG else server.url)


def written(database: Database, *to: str) -> str:
    with database.write() as session:
        return post(session, Letter(to=to or (ADA,), subject="Hello", text="Words."))


def delivery(database: Database, id: str, recipient: str = ADA) -> Delivery:
    with database.read() as session:
        mail = deliveries.find(session, id)
    assert mail is not None
    return next(each for each in mail.deliveries if each.recipient == recipient)


@pytest.mark.both_stores
def test_a_letter_its_deliveries_and_their_job_are_one_commit(database: Database) -> None:
    with database.write() as session:
        rolled_back = post(session, Letter(to=[ADA], subject="Hello", text="Words."))
        session.rollback()
    id = written(database, ADA, BOB)

    with database.read() as session:
        assert deliveries.find(session, rolled_back) is None
        mail = deliveries.find(session, id)
        assert mail is not None
        [job] = find_many(session, [mail.delivery_job_id or ""])
    assert (job.actor, job.args, job.state) == ("deliver_mail", [id], "queued")
    assert [(each.recipient, each.state) for each in mail.deliveries] == [(ADA, "queued"), (BOB, "queued")]


def test_everybody_is_answered_for_apart(database: Database, server: MailServer) -> None:
    server.on_rcpt = {ADA: "250 OK", BOB: "451 come back later", EVE: "550 no such user"}.__getitem__
    id = written(database, ADA, BOB, EVE)

    with pytest.raises(NotSent, match=r"bob@example\.com: 451 come back later"):
        deliver_mail(id)

    assert (delivery(database, id, ADA).state, delivery(database, id, ADA).answer) == (DeliveryState.SENT, "250 OK")
    assert (delivery(database, id, BOB).state, delivery(database, id, BOB).answer) == (DeliveryState.QUEUED, "451 come back later")
    assert (delivery(database, id, EVE).state, delivery(database, id, EVE).answer) == (DeliveryState.REFUSED, "550 no such user")

    server.on_rcpt = lambda _: "250 OK"
    assert deliver_mail(id) == "sent to 1"

    assert [taken.recipients for taken in server.taken] == [[ADA], [BOB]]
    assert server.taken[0].raw == server.taken[1].raw
    assert deliver_mail(id) == "all deliveries were already done"


@one_store
@pytest.mark.parametrize("behaviour", ["451 not now", "421 closing", MailServer.DIE, MailServer.HANG])
def test_a_server_that_fails_after_the_text_gets_the_same_letter_again(
    database: Database, server: MailServer, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    server.on_data = lambda _: behaviour
    _wait_for(monkeypatch, server, behaviour)
    id = written(database)
    with pytest.raises(NotSent):
        deliver_mail(id)
    assert delivery(database, id).state is DeliveryState.QUEUED
    assert delivery(database, id).answer

    server.on_data = lambda _: "250 OK"
    _use(monkeypatch, server.url)
    assert deliver_mail(id) == "sent to 1"

    first, second = server.taken
    assert first.message_id == second.message_id == f"<{id}@localhost>"
    assert first.raw == second.raw
    assert delivery(database, id).tries == 2


@one_store
@pytest.mark.parametrize("behaviour", [MailServer.DIE, MailServer.HANG, "421 too busy"])
def test_a_server_that_fails_before_the_text_keeps_nothing_and_loses_nothing(
    database: Database, server: MailServer, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    server.on_rcpt = lambda _: behaviour
    _wait_for(monkeypatch, server, behaviour)
    id = written(database)
    with pytest.raises(NotSent):
        deliver_mail(id)
    assert server.taken == []
    assert delivery(database, id).state is DeliveryState.QUEUED


@one_store
def test_a_missing_mail_server_is_reported(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    port = ports.anywhere(["smtp"])["smtp"]
    _use(monkeypatch, f"smtp://127.0.0.1:{port}")
    id = written(database)
    with pytest.raises(NotSent, match=f"127.0.0.1:{port}: .*refused"):
        deliver_mail(id)
    assert delivery(database, id).state is DeliveryState.QUEUED


@one_store
def test_refused_for_all_ends_it_and_a_person_sends_it_again(database: Database, server: MailServer) -> None:
    server.on_rcpt = lambda _: "550 no such user"
    id = written(database)
    with pytest.raises(Refused, match="550 no such user"):
        deliver_mail(id)
    assert delivery(database, id).state is DeliveryState.REFUSED

    server.on_rcpt = lambda _: "250 OK"
    with database.write() as session:
        assert send_again(session, id, by="admin") == [ADA]
    assert deliver_mail(id) == "sent to 1"

    with database.write() as session:
        assert send_again(session, id) == [], "it has reached everybody"
        assert send_again(session, id, [1]) == [ADA], "but may be sent once more"
    assert deliver_mail(id) == "sent to 1"
    assert {taken.message_id for taken in server.taken} == {f"<{id}@localhost>"}


@pytest.mark.both_stores
def test_two_jobs_that_deliver_one_email_never_run_at_once(database: Database) -> None:
    id, other = written(database), written(database)
    for _ in range(2):
        with database.write() as session:
            send_again(session, id)
    worker = hired(database, actors=["deliver_mail"])
    with database.write() as session:
        jobs: dict[str, list[str]] = dict(session.execute(select(Job.id, Job.args)).all())
        started = claims.admit(session, claims.claim(session, worker, [(job, 1) for job in jobs]), policies_of(deliver_mail.broker))

    assert len(jobs) == 4
    assert sorted(jobs[one.id] for one in started) == sorted([[id], [other]])


@pytest.mark.long
@one_store
def test_six_hundred_recipients_are_too_many_and_five_hundred_are_five_transactions(database: Database, server: MailServer) -> None:
    id = written(database, *(f"user{number}@example.com" for number in range(500)))
    assert deliver_mail(id) == "sent to 500"
    assert [len(taken.recipients) for taken in server.taken] == [100] * 5


@one_store
def test_without_a_mail_server_nothing_is_lost_and_the_cure_is_given(database: Database) -> None:
    id = written(database)
    with pytest.raises(NoMailServer, match="set CALLBOARD_SMTP_URL"):
        deliver_mail(id)
    assert delivery(database, id).state is DeliveryState.QUEUED


@pytest.mark.parametrize(
    "url", ["mail.example.com", "http://mail", "smtp://", "smtp://h:x", "smtp://h?tls=no", "smtp://h?timeout=0", "smtp://h/path"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(NoMailServer, match=r"^CALLBOARD_SMTP_URL (must be|has) "):
        smtp.MailServer.parse(url)


def test_special_characters_of_a_password_are_written_as_percent_codes() -> None:
    server = smtp.MailServer.parse("smtp+starttls://me%40here:p%40ss%2F@mail.example.com")
    assert (server.user, server.password, server.host, server.port) == ("me@here", "p@ss/", "mail.example.com", 587)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _context(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


@one_store
@pytest.mark.parametrize("security", ["smtps", "smtp+starttls"])
def test_tls_is_begun_and_the_certificate_checked(
    database: Database, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, tmp_path: Path, security: str
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for host, accepted in (("127.0.0.1", True), ("elsewhere.example.com", False)):
        context = _context(authority, host)
        with MailServer(tls=context) if security == "smtps" else MailServer(starttls=context) as server:
            _use(monkeypatch, f"{security}://127.0.0.1:{server.port}?timeout=5&ca={tmp_path / 'ca.pem'}")
            id = written(database)
            if accepted:
                assert deliver_mail(id) == "sent to 1"
            else:
                with pytest.raises(NotSent, match="certificate"):
                    deliver_mail(id)
                assert server.taken == []


@one_store
def test_a_server_that_offers_no_tls_gets_none_of_it(database: Database, server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, f"smtp+starttls://127.0.0.1:{server.port}?timeout=5")
    with pytest.raises(NotSent, match="STARTTLS"):
        deliver_mail(written(database))
    _use(monkeypatch, f"smtp://user:secret@127.0.0.1:{server.port}?timeout=5")
    monkeypatch.setattr(smtp.MailServer, "is_here", False)
    with pytest.raises(NotSent, match="does not send the password unencrypted"):
        deliver_mail(written(database))
    assert server.taken == []


@pytest.mark.both_stores
def test_the_built_in_mailbox_keeps_the_newest(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "MOST", 3)
    with database.write() as session:
        seqs = [mailbox.receive(session, sender="", recipients=[], raw=b"Subject: x\r\n\r\nhi") for _ in range(5)]
    with database.read() as session:
        assert [mail.seq for mail in mailbox.page(session).mails] == seqs[:1:-1]


@pytest.mark.both_stores
def test_the_built_in_mailbox_keeps_only_mail_of_its_owner(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    port = ports.anywhere(["mailbox"])["mailbox"]
    catcher = Catcher("127.0.0.1", port, password="right")
    catcher.start()
    try:
        id = written(database, ADA, BOB)
        for credentials in ("", "callboard:wrong@", "other:right@"):
            _use(monkeypatch, f"smtp://{credentials}127.0.0.1:{port}?timeout=5")
            with pytest.raises((NotSent, Refused), match="Authentication"):
                deliver_mail(id)
            with database.write() as session:
                send_again(session, id)
        _use(monkeypatch, f"smtp://callboard:right@127.0.0.1:{port}?timeout=5")
        assert deliver_mail(id) == "sent to 2"
    finally:
        catcher.close()
    with database.read() as session:
        [mail] = mailbox.page(session).mails
        raw = mailbox.raw_of(session, mail.seq)
    assert (mail.subject, mail.recipients, mail.message_id) == ("Hello", f"{ADA}, {BOB}", f"<{id}@localhost>")
    with database.read() as session:
        sent = deliveries.raw_of(session, id)
    assert raw is not None
    assert sent is not None
    assert raw.replace(b"\r\n", b"\n").strip() == sent.replace(b"\r\n", b"\n").strip()
