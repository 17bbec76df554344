"""SMTP client: one connection, every recipient's answer reported as it arrives."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from ..configuration import setting_checks
from ..configuration.url_checks import YES
from .errors import NoMailServer
from .models import DeliveryState

#: recipients per transaction: the number that every server must accept
TOGETHER = 100
#: seconds without an answer from the server until the connection is closed
TIMEOUT_S = 30.0
#: characters of an answer that are kept
ANSWER_LENGTH = 500
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
Security = Literal["smtp", "smtp+starttls", "smtps"]
#: codes that refuse this client, not the recipient, although many servers send them only after RCPT
_OF_SESSION = frozenset({500, 502, 503, 504, 530, 534, 535, 538})
#: RFC 3463: errors of the sender, mail system, route, protocol or a policy
_SESSION_STATUS = re.compile(r"5\.(1\.[78]|[3457]\.\d+)\b")
_STATUS = re.compile(r"5\.\d+\.\d+\b")
#: RFC 3463: errors of the route, such as a sender's quota of the day
_ROUTE_STATUS = re.compile(r"5\.4\.\d+\b")
_SESSION_WORDS = re.compile(r"\b(helo|ehlo|client|sender|relay\w*|authenti\w+|block(ed|list)|blacklist\w*|tls)\b", re.IGNORECASE)
#: refusals that pass, although their code says otherwise: greylists, and RFC 5321, 4.5.3.1.10 on 552 after RCPT
_PASSING_WORDS = re.compile(r"gr[ae]y-?list|try (again|later)|again later|temporar|too many recipients", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f:.IPv]{2,64}\]")


@dataclass(frozen=True, slots=True)
class Answer:
    """Outcome for one recipient, with the server's answer."""

    state: DeliveryState
    text: str


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server to use. `smtp` starts TLS if the server offers it and is not this host; the other modes require it."""

    security: Security
    host: str
    port: int
    user: str = ""
    password: str = ""
    timeout_s: float = TIMEOUT_S
    ca_file: str | None = None
    name: str = ""  # this client's name in EHLO
    is_verified: bool = True  # verify the server's certificate
    is_plain: bool = False  # no TLS, even if the server offers it

    @classmethod
    def parse(cls, url: str) -> MailServer:
        """Parse CALLBOARD_SMTP_URL; raises NoMailServer with the cure."""
        if not url:
            raise NoMailServer(
                "no mail server is configured: set CALLBOARD_SMTP_URL, e.g. smtp+starttls://user:password@mail.example.com:587"
            )
        try:
            setting_checks.mail_server(url)
        except ValueError as error:
            raise NoMailServer(f"CALLBOARD_SMTP_URL {error}") from None
        parts = urlsplit(url.strip())
        query = dict(parse_qsl(parts.query))
        return cls(
            parts.scheme,  # type: ignore[arg-type]
            str(parts.hostname),
            parts.port or _PORTS[parts.scheme],
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            float(query.get("timeout", TIMEOUT_S)),
            query.get("ca"),
            query.get("ehlo", ""),
            query.get("verify", "yes") in YES,
            query.get("tls") == "off",
        )

    @property
    def is_here(self) -> bool:
        """True if the connection stays on this host."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def deliver(
    server: MailServer, *, sender: str, recipients: Sequence[str], raw: bytes, note: Callable[[Mapping[str, Answer]], None]
) -> None:
    """Deliver an email; call `note` for each group of recipients as soon as the server has answered for it.

    Errors of the server or the network are not raised: recipients neither sent nor refused are noted as queued.
    """
    left = list(recipients)
    try:
        with _connected(server) as connection:
            while left:
                together, left = left[:TOGETHER], left[TOGETHER:]
                try:
                    answers = _transaction(connection, sender, together, raw)
                except (OSError, smtplib.SMTPException, ValueError):
                    left = together + left
                    raise
                note(answers)
    except (OSError, smtplib.SMTPException, ValueError) as error:  # smtplib raises ValueError for challenges and lines that it cannot read
        note(dict.fromkeys(left, Answer(DeliveryState.QUEUED, f"{server.host}:{server.port}: {_words(error)}")))


def _transaction(connection: smtplib.SMTP, sender: str, recipients: Sequence[str], raw: bytes) -> dict[str, Answer]:
    code, words = connection.mail(sender, [f"size={len(raw)}"] if connection.has_extn("size") else [])
    if code != 250:
        # The server refuses this sender or this client: not the recipients' fault. But 552 is about the email: it is too large.
        answer = _answer(code, words)
        _reset(connection)
        return dict.fromkeys(recipients, answer if code == 552 else Answer(DeliveryState.QUEUED, answer.text))
    answers = {recipient: _of_recipient(*connection.rcpt(recipient)) for recipient in recipients}
    accepted = [recipient for recipient, answer in answers.items() if answer.state is DeliveryState.SENT]
    if not accepted:
        _reset(connection)
        return answers
    try:
        code, words = connection.data(raw)
        answer = _answer(code, words)
        is_of_session = code in _OF_SESSION or bool(_ROUTE_STATUS.search(answer.text) or _PASSING_WORDS.search(answer.text))
    except smtplib.SMTPDataError as error:  # it refused DATA before the text was sent
        code, words = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
        answer = _answer(code, words)
        if answer.state is DeliveryState.SENT:
            # The answer to an earlier command, of a server or proxy that answers one twice: no text has been sent.
            raise smtplib.SMTPServerDisconnected(f"it answered DATA with {answer.text}") from None
        is_of_session = _is_of_session(code, answer.text)
    if code != 250:
        _reset(connection)
    return answers | dict.fromkeys(accepted, Answer(DeliveryState.QUEUED, answer.text) if code >= 500 and is_of_session else answer)


def _reset(connection: smtplib.SMTP) -> None:
    """End the transaction; a server that hangs up after a refusal does not take the refusal back."""
    with contextlib.suppress(OSError, smtplib.SMTPException):
        connection.rset()


def _of_recipient(code: int, words: bytes) -> Answer:
    """Interpret the answer to RCPT; a refusal of the session is retried, and not recorded as a refusal of the recipient."""
    answer = _answer(code, words)
    if answer.state is DeliveryState.REFUSED and _is_of_session(code, answer.text):
        return Answer(DeliveryState.QUEUED, answer.text)
    return answer


def _is_of_session(code: int, text: str) -> bool:
    if code in _OF_SESSION or _SESSION_STATUS.search(text) or _PASSING_WORDS.search(text):
        return True
    return not _STATUS.search(text) and bool(_SESSION_WORDS.search(text))


def _answer(code: int, words: bytes) -> Answer:
    if code == 421 or not 200 <= code < 600:  # the server is shutting down, closed the connection without an answer, or speaks no SMTP
        raise smtplib.SMTPServerDisconnected(f"{code} {words.decode(errors='replace')}")
    state = DeliveryState.SENT if code < 300 else DeliveryState.REFUSED if code >= 500 else DeliveryState.QUEUED
    return Answer(state, f"{code} {_one_line(words.decode(errors='replace'))}")


@contextlib.contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    # With a name given here smtplib does not query DNS for one, which may be slow.
    if server.security == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, local_hostname="localhost", timeout=server.timeout_s, context=_tls(server)
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, local_hostname="localhost", timeout=server.timeout_s)
    try:
        connection.local_hostname = server.name or _own_name(connection)
        _secure(connection, server)
        yield connection
        with contextlib.suppress(OSError, smtplib.SMTPException):
            connection.quit()  # every recipient has an answer: a failing QUIT changes nothing
    finally:
        connection.close()


def _secure(connection: smtplib.SMTP, server: MailServer) -> None:
    connection.ehlo_or_helo_if_needed()
    encrypted = server.security == "smtps"
    wanted = server.security == "smtp+starttls" or (
        server.security == "smtp" and not server.is_here and not server.is_plain and connection.has_extn("starttls")
    )
    if wanted:
        connection.starttls(context=_tls(server))
        connection.ehlo_or_helo_if_needed()
        encrypted = True
    if server.user:
        if not encrypted and not server.is_here:
            raise smtplib.SMTPException("it offers no TLS, and Callboard does not send the password unencrypted")
        _log_in(connection, server)


def _own_name(connection: smtplib.SMTP) -> str:
    """Name for EHLO: the host's full name if it has one, else its address, which every server accepts (RFC 5321, 4.1.3)."""
    name = socket.gethostname()
    if "." in name.strip(".") and _NAME.fullmatch(name):
        return name
    assert connection.sock is not None
    address = ipaddress.ip_address(connection.sock.getsockname()[0].partition("%")[0])
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _log_in(connection: smtplib.SMTP, server: MailServer) -> None:
    """Log in with non-ASCII credentials as UTF-8 (RFC 4616), which smtplib cannot do."""
    if (server.user + server.password).isascii():
        connection.login(server.user, server.password)
        return
    offered = connection.esmtp_features.get("auth", "").upper().split()
    user, password = (_base64(text) for text in (server.user, server.password))
    if "PLAIN" in offered:
        identity = f"\0{server.user}\0{server.password}"
        steps = [f"AUTH PLAIN {_base64(identity)}"]
    elif "LOGIN" in offered:
        steps = ["AUTH LOGIN", user, password]
    else:
        raise smtplib.SMTPException("it accepts a user or password with non-ASCII characters by neither PLAIN nor LOGIN")
    for number, step in enumerate(steps, 1):
        code, words = connection.docmd(step)
        if code != (235 if number == len(steps) else 334):
            raise smtplib.SMTPAuthenticationError(code, words)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _tls(server: MailServer) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=server.ca_file)
    if not server.is_verified:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
        return _one_line(f"{error.smtp_code} {words}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return _one_line(
            f"{error}; name its certificate authority in CALLBOARD_SMTP_URL with ?ca=FILE, or skip verification with ?verify=no"
        )
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return _one_line(f"this port does not begin with TLS: write smtp+starttls:// in CALLBOARD_SMTP_URL, not smtps:// ({error})")
    return _one_line(f"{error}" or type(error).__name__)


def _one_line(text: str) -> str:
    """The text without control characters: PostgreSQL stores no NUL, and a terminal would obey escape sequences."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:ANSWER_LENGTH]
