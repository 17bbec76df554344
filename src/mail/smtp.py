"""The way to the mail server: one connection, every recipient's answer told as it comes."""

from __future__ import annotations

import contextlib
import ipaddress
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from src.mail.errors import NoMailServer
from src.mail.models import DeliveryState

#: recipients of one transaction: what every server must take
TOGETHER = 100
#: seconds without a word from the server after which the connection is given up
TIMEOUT_S = 30.0
#: characters of an answer that are kept
ANSWER_LENGTH = 500
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
Security = Literal["smtp", "smtp+starttls", "smtps"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one recipient, with the server's words."""

    state: DeliveryState
    text: str


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail goes. `smtp` begins TLS if the server offers it and is not this host; the others insist on it."""

    security: Security
    host: str
    port: int
    user: str = ""
    password: str = ""
    timeout_s: float = TIMEOUT_S
    ca_file: str | None = None

    @classmethod
    def parse(cls, url: str) -> MailServer:
        """Read CALLBOARD_SMTP_URL; raises NoMailServer with the cure."""
        if not url:
            raise NoMailServer(
                "no mail server is configured: set CALLBOARD_SMTP_URL, e.g. smtp+starttls://user:password@mail.example.com:587"
            )
        try:
            parts = urlsplit(url)
            port, query = parts.port, parse_qs(parts.query, strict_parsing=bool(parts.query))
            timeout_s = float(query.pop("timeout", [str(TIMEOUT_S)])[0])
            ca_file = query.pop("ca", [None])[0]
            known = parts.scheme in _PORTS and bool(parts.hostname) and not query and parts.path in ("", "/") and timeout_s > 0
        except ValueError:
            known = False
        if not known:
            raise NoMailServer(
                "CALLBOARD_SMTP_URL is not understood: write smtp://, smtp+starttls:// or smtps://, then user:password@host:port,"
                " with ?timeout=SECONDS and ca=FILE if need be; a password's special characters as %40"
            )
        return cls(
            parts.scheme,  # type: ignore[arg-type]
            str(parts.hostname),
            port or _PORTS[parts.scheme],
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            timeout_s,
            ca_file,
        )

    @property
    def is_here(self) -> bool:
        """Does the connection stay on this host?"""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def deliver(
    server: MailServer, *, sender: str, recipients: Sequence[str], raw: bytes, note: Callable[[Mapping[str, Answer]], None]
) -> None:
    """Hand a letter over; `note` is told of each group of recipients as soon as the server has answered for it.

    Nothing is raised for what the server or the network does: whoever is not noted as sent or refused is noted as queued.
    """
    left = list(recipients)
    try:
        with _connected(server) as connection:
            while left:
                together, left = left[:TOGETHER], left[TOGETHER:]
                try:
                    answers = _transaction(connection, sender, together, raw)
                except (OSError, smtplib.SMTPException):
                    left = together + left
                    raise
                note(answers)
    except (OSError, smtplib.SMTPException) as error:
        note(dict.fromkeys(left, Answer(DeliveryState.QUEUED, f"{server.host}:{server.port}: {_words(error)}")))


def _transaction(connection: smtplib.SMTP, sender: str, recipients: Sequence[str], raw: bytes) -> dict[str, Answer]:
    code, words = connection.mail(sender, [f"size={len(raw)}"] if connection.has_extn("size") else [])
    if code != 250:
        connection.rset()
        return dict.fromkeys(recipients, _answer(code, words))
    answers = {recipient: _answer(*connection.rcpt(recipient)) for recipient in recipients}
    accepted = [recipient for recipient, answer in answers.items() if answer.state is DeliveryState.SENT]
    if not accepted:
        connection.rset()
        return answers
    try:
        code, words = connection.data(raw)
    except smtplib.SMTPDataError as error:  # it did not even want to hear the text
        code, words = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
    if code != 250:
        connection.rset()
    return answers | dict.fromkeys(accepted, _answer(code, words))


def _answer(code: int, words: bytes) -> Answer:
    if code == 421 or code < 200:  # the server is closing, or has gone without a word
        raise smtplib.SMTPServerDisconnected(f"{code} {words.decode(errors='replace')}")
    state = DeliveryState.SENT if code < 300 else DeliveryState.REFUSED if code >= 500 else DeliveryState.QUEUED
    return Answer(state, f"{code} {_one_line(words.decode(errors='replace'))}")


@contextlib.contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    name = socket.gethostname() or "localhost"  # not getfqdn(): that waits for name servers
    if server.security == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=name, timeout=server.timeout_s, context=_tls(server)
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=server.timeout_s)
    try:
        _secure(connection, server)
        yield connection
        with contextlib.suppress(OSError, smtplib.SMTPException):
            connection.quit()  # everything is answered for: how it says goodbye changes nothing
    finally:
        connection.close()


def _secure(connection: smtplib.SMTP, server: MailServer) -> None:
    connection.ehlo_or_helo_if_needed()
    encrypted = server.security == "smtps"
    wanted = server.security == "smtp+starttls" or (server.security == "smtp" and not server.is_here and connection.has_extn("starttls"))
    if wanted:
        connection.starttls(context=_tls(server))
        connection.ehlo_or_helo_if_needed()
        encrypted = True
    if server.user:
        if not encrypted and not server.is_here:
            raise smtplib.SMTPException("it offers no TLS, and the password is not sent in the clear")
        connection.login(server.user, server.password)


def _tls(server: MailServer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.ca_file)


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
        return _one_line(f"{error.smtp_code} {words}")
    return _one_line(f"{error}" or type(error).__name__)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:ANSWER_LENGTH]
