"""Every answer of a mail server, at every step, and its effect on the recipient."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from src.mail.errors import NoMailServer
from src.mail.models import DeliveryState
from src.mail.smtp import Answer, MailServer, deliver

SENT, REFUSED, QUEUED = DeliveryState.SENT, DeliveryState.REFUSED, DeliveryState.QUEUED
#: answers of a server that accepts everything
KIND = {
    "greeting": "220 mail.test", "EHLO": "250-mail.test\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1000000", "HELO": "250 mail.test", "MAIL": "250 OK", "RCPT": "250 OK",
    "DATA": "354 go on", "text": "250 taken", "QUIT": "221 bye", "RSET": "250 OK", "AUTH": "235 OK",
}  # fmt: skip
CLOSE = ""


class Server:
    """A mail server with one connection at a time and scripted answers; its input is in `heard`."""

    def __init__(self) -> None:
        self.answers = dict(KIND)
        self.heard: list[str] = []
        self.starttls: ssl.SSLContext | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._say(connection, "greeting"):
            self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        said = "220"
        while said and (line := lines.readline().decode("latin-1").rstrip()):
            self.heard.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "STARTTLS" and self.starttls is not None:
                connection.sendall(b"220 go on\r\n")
                with self.starttls.wrap_socket(connection, server_side=True) as encrypted:
                    self._answer(encrypted)
                return
            said = self._say(connection, verb)
            if verb == "AUTH" and said.startswith("334"):
                for answer in ("334 UGFzc3dvcmQ6", "235 OK"):
                    self.heard.append(lines.readline().decode().rstrip())
                    connection.sendall(answer.encode() + b"\r\n")
            if verb == "DATA" and said.startswith("354"):
                while lines.readline() not in (b".\r\n", b""):
                    pass
                said = self._say(connection, "text")
            if verb == "QUIT":
                return

    def _say(self, connection: socket.socket, step: str) -> str:
        answer = self.answers.get(step, "502 unknown")
        if answer:
            connection.sendall(answer.encode() + b"\r\n")
        return answer


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def answer_of(server: Server, url: str = "smtp://127.0.0.1:{port}?timeout=5") -> Answer:
    """Outcome of one recipient."""
    told: dict[str, Answer] = {}
    deliver(
        MailServer.parse(url.format(port=server.port)),
        sender="a@x.test",
        recipients=["b@y.test"],
        raw=b"Subject: x\r\n\r\nx\r\n",
        note=told.update,
    )
    return told["b@y.test"]


@pytest.mark.parametrize(
    ("step", "answer", "state"),
    [
        ("greeting", "220 mail.test", SENT),
        ("greeting", "421 too busy", QUEUED),
        ("greeting", "554 5.7.1 no service for you", QUEUED),
        ("greeting", CLOSE, QUEUED),
        ("EHLO", "504 5.5.2 need fully-qualified hostname", QUEUED),
        ("EHLO", "550 5.7.1 go away", QUEUED),
        ("MAIL", "451 4.7.1 try later", QUEUED),
        ("MAIL", "550 5.7.1 your host is blocked", QUEUED),
        ("MAIL", "553 5.1.8 sender unknown", QUEUED),
        ("MAIL", "530 5.7.0 authentication required", QUEUED),
        ("MAIL", "421 4.3.0 closing", QUEUED),
        ("MAIL", "552 5.3.4 message size exceeds fixed limit", REFUSED),
        ("MAIL", CLOSE, QUEUED),
        ("RCPT", "250 OK", SENT),
        ("RCPT", "251 will forward", SENT),
        ("RCPT", "450 4.2.1 mailbox busy", QUEUED),
        ("RCPT", "452 4.5.3 too many recipients", QUEUED),
        ("RCPT", "421 4.7.0 closing", QUEUED),
        ("RCPT", "550 5.1.1 no such user", REFUSED),
        ("RCPT", "550 no such user", REFUSED),
        ("RCPT", "551 5.1.6 user has moved", REFUSED),
        ("RCPT", "552 5.2.2 mailbox full", REFUSED),
        ("RCPT", "553 mailbox name not allowed", REFUSED),
        ("RCPT", "501 5.1.3 bad address syntax", REFUSED),
        ("RCPT", "504 5.5.2 <host>: Helo command rejected: need fully-qualified hostname", QUEUED),
        ("RCPT", "504 <host>: Helo command rejected", QUEUED),
        ("RCPT", "550 5.7.1 Client host rejected", QUEUED),
        ("RCPT", "550 Sender verify failed", QUEUED),
        ("RCPT", "554 5.7.1 Relay access denied", QUEUED),
        ("RCPT", "550 relaying denied", QUEUED),
        ("RCPT", "530 5.7.0 Must issue a STARTTLS command first", QUEUED),
        ("RCPT", "503 5.5.1 bad sequence", QUEUED),
        ("RCPT", "552 Too many recipients", QUEUED),
        ("RCPT", "550 greylisted, try again later", QUEUED),
        ("RCPT", "999 who knows", QUEUED),
        ("RCPT", CLOSE, QUEUED),
        ("DATA", "451 4.3.0 later", QUEUED),
        ("DATA", "554 5.6.0 no", REFUSED),
        ("DATA", "530 5.7.0 authentication required", QUEUED),
        ("DATA", "503 5.5.1 need RCPT command", QUEUED),
        ("DATA", "554 5.5.1 no valid recipients", QUEUED),
        ("DATA", "250 OK", QUEUED),
        ("DATA", "220 OK", QUEUED),
        ("DATA", CLOSE, QUEUED),
        ("text", "250 taken", SENT),
        ("text", "451 4.3.0 later", QUEUED),
        ("text", "552 5.3.4 too big", REFUSED),
        ("text", "554 5.7.1 spam", REFUSED),
        ("text", "550 5.4.5 daily sending quota exceeded", QUEUED),
        ("text", "530 5.7.0 authentication required", QUEUED),
        ("text", "554 5.7.1 Greylisted, come back later", QUEUED),
        ("text", "999 who knows", QUEUED),
        ("text", CLOSE, QUEUED),
        ("QUIT", "554 rude", SENT),
        ("QUIT", CLOSE, SENT),
    ],
)
def test_what_each_answer_means(server: Server, step: str, answer: str, state: DeliveryState) -> None:
    server.answers[step] = answer
    if step == "EHLO":
        server.answers["HELO"] = answer
    told = answer_of(server)
    assert told.state is state, told
    if answer[:1] in ("4", "5") and step != "QUIT":
        assert answer.split(" ", 1)[1] in told.text


@pytest.mark.parametrize("step", ["EHLO", "MAIL", "RCPT"])
def test_an_answer_that_comes_twice_is_not_taken_for_that_of_the_next_command(server: Server, step: str) -> None:
    server.answers[step] += "\r\n250 and again"
    told = answer_of(server)
    assert (told.state, "it answered DATA with 250" in told.text) == (QUEUED, True)


def test_control_characters_of_an_answer_reach_neither_database_nor_terminal(server: Server) -> None:
    server.answers["text"] = "250 \0 OK \x1b[31m \x7f"
    assert answer_of(server) == Answer(SENT, "250 OK [31m")


def test_a_challenge_that_is_none_is_not_held_against_the_recipient(server: Server) -> None:
    server.answers |= {"EHLO": "250-mail.test\r\n250 AUTH CRAM-MD5", "AUTH": "334 not*base64"}
    assert answer_of(server, "smtp://me:secret@127.0.0.1:{port}").state is QUEUED


@pytest.mark.parametrize(("step", "answer"), [("RCPT", "550 5.1.1 no such user"), ("DATA", "554 5.6.0 no"), ("text", "554 5.7.1 spam")])
def test_a_refusal_stands_although_the_server_hangs_up_after_it(server: Server, step: str, answer: str) -> None:
    server.answers |= {step: answer, "RSET": CLOSE}
    assert answer_of(server) == Answer(REFUSED, answer)


def test_a_port_that_begins_without_tls_is_named_with_the_cure(server: Server) -> None:
    told = answer_of(server, "smtps://127.0.0.1:{port}?timeout=5")
    assert told.state is QUEUED
    assert "smtp+starttls://" in told.text


@pytest.mark.parametrize("answer", ["535 5.7.8 bad credentials", "534 5.7.9 too weak", "454 4.7.0 later", "504 5.5.4 unknown mechanism"])
@pytest.mark.parametrize("password", ["secret", "gehéim"])
def test_a_sign_in_that_is_refused_is_not_held_against_the_recipient(server: Server, answer: str, password: str) -> None:
    server.answers["AUTH"] = answer
    told = answer_of(server, f"smtp://me:{password}@127.0.0.1:{{port}}?timeout=5")
    assert told.state is QUEUED
    assert answer.split(" ", 1)[1] in told.text


@pytest.mark.parametrize(("offered", "heard"), [("PLAIN LOGIN", "AUTH PLAIN"), ("LOGIN", "AUTH LOGIN")])
def test_a_password_with_letters_beyond_ascii_signs_in(server: Server, offered: str, heard: str) -> None:
    server.answers |= {"EHLO": f"250-mail.test\r\n250 AUTH {offered}", "AUTH": "235 OK" if "PLAIN" in offered else "334 VXNlcm5hbWU6"}
    assert answer_of(server, "smtp://mé:p%C3%A4ss@127.0.0.1:{port}").state is SENT
    said = next(line for line in server.heard if line.startswith("AUTH"))
    assert said.startswith(heard)
    sent = [said.split(" ")[2]] if "PLAIN" in offered else server.heard[server.heard.index(said) + 1 :][:2]
    assert [base64.b64decode(each).decode() for each in sent] == (["\0mé\0päss"] if "PLAIN" in offered else ["mé", "päss"])


def test_a_server_that_takes_no_such_password_says_so(server: Server) -> None:
    server.answers["EHLO"] = "250-mail.test\r\n250 AUTH CRAM-MD5"
    told = answer_of(server, "smtp://me:p%C3%A4ss@127.0.0.1:{port}")
    assert (told.state, "non-ASCII" in told.text) == (QUEUED, True)


@pytest.mark.parametrize(
    ("host", "query", "name"),
    [
        ("web1", "", "[127.0.0.1]"),
        ("localhost", "", "[127.0.0.1]"),
        ("web1.example.com", "", "web1.example.com"),
        ("", "", "[127.0.0.1]"),
        ("web1", "&ehlo=jobs.example.com", "jobs.example.com"),
    ],
)
def test_the_name_of_this_client_is_one_that_servers_take(
    server: Server, monkeypatch: pytest.MonkeyPatch, host: str, query: str, name: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    assert answer_of(server, f"smtp://127.0.0.1:{{port}}?timeout=5{query}").state is SENT
    assert server.heard[0].lower() == f"ehlo {name}"


@pytest.fixture
def self_signed(server: Server, tmp_path: Path) -> Path:
    """The server has a certificate of an authority of its own; the file of that authority."""
    authority = trustme.CA()
    server.starttls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server.starttls)
    server.answers["EHLO"] = "250-mail.test\r\n250 STARTTLS"
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def test_a_self_signed_certificate_is_refused_with_the_cure_and_taken_when_it_is_named(server: Server, self_signed: Path) -> None:
    told = answer_of(server, "smtp+starttls://127.0.0.1:{port}")
    assert told.state is QUEUED
    assert "?ca=FILE" in told.text
    assert "?verify=no" in told.text
    for query in (f"ca={self_signed}", "verify=no"):
        assert answer_of(server, f"smtp+starttls://127.0.0.1:{{port}}?{query}").state is SENT


def test_tls_that_is_off_is_not_begun(server: Server, self_signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MailServer, "is_here", False)
    assert answer_of(server, "smtp://127.0.0.1:{port}?tls=off").state is SENT
    assert "STARTTLS" not in server.heard
    assert answer_of(server, "smtp://127.0.0.1:{port}?verify=no").state is SENT
    assert "STARTTLS" in server.heard


@pytest.mark.parametrize("query", ["verify=maybe", "tls=on", "ehlo=a b", "ehlo=x%0d%0aRSET", "unknown=1"])
def test_an_invalid_mail_server_url_is_refused_with_the_cure(query: str) -> None:
    with pytest.raises(NoMailServer, match="verify=no, ehlo=NAME"):
        MailServer.parse(f"smtp://mail.example.com?{query}")
    with pytest.raises(NoMailServer):
        MailServer.parse("smtps://mail.example.com?tls=off")
