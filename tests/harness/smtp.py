"""A mail server for tests: a real SMTP server on a free port that accepts mail, or misbehaves as real servers do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from src.up.data import ports

#: the server's reaction to a recipient or to the text of an email; returns its answer
Behaviour = Callable[[str], str]


@dataclass
class Taken:
    """An email received completely; the server may not have confirmed it."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])


@dataclass
class MailServer:
    """Use as a context. `on_rcpt` and `on_data` may be changed while it runs; `die` and `hang` are possible answers."""

    tls: ssl.SSLContext | None = None  # from the first byte on
    starttls: ssl.SSLContext | None = None
    taken: list[Taken] = field(default_factory=list)
    on_rcpt: Behaviour = lambda _recipient: "250 OK"
    on_data: Behaviour = lambda _sender: "250 OK"
    connections: int = 0
    _controller: Any = None

    #: set by a test: hanging connections continue
    hangs_no_more = False

    DIE = "die"  # close the connection without an answer
    HANG = "hang"  # stop answering

    def __enter__(self) -> MailServer:
        self.port = ports.anywhere(["smtp"])["smtp"]
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, server_hostname="mail.test", ssl_context=self.tls,
            tls_context=self.starttls, require_starttls=self.starttls is not None,
        )  # fmt: skip
        self._controller.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._controller.stop(no_assert=True)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?timeout=20"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        answer = await self._act(server, self.on_rcpt(address))
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append(Taken(envelope.mail_from or "", list(envelope.rcpt_tos), envelope.content))
        return await self._act(server, self.on_data(envelope.mail_from or ""))

    async def _act(self, server: SMTP, answer: str) -> str:
        if answer == self.DIE:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "250 nobody hears it"
        if answer == self.HANG:
            while not self.hangs_no_more:
                await asyncio.sleep(0.02)
        return answer
