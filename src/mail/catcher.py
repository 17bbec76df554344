"""The built-in mailbox: a small SMTP server on this host that stores every email it receives. `./run mailbox` runs it."""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import warnings
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from ..broker.core.signals import StopSignals
from ..logs import configure_logs, get_logger
from ..sql.database import write
from . import letters, mailbox

log = get_logger(__name__)

#: bytes: the largest email that we compose, plus headers added by a server or two on the way
LARGEST = letters.LARGEST + 100_000
USER = "callboard"


class Catcher:
    """SMTP server that runs until it is closed."""

    def __init__(self, host: str, port: int, *, password: str, listener: socket.socket | None = None) -> None:
        self._controller = _OnThisHost(
            listener,
            _Handler(),
            hostname=host,
            port=port,
            ident="Callboard mailbox",
            data_size_limit=LARGEST,
            authenticator=_Door(password),
            auth_required=True,  # other users of this host must not fill it
            auth_require_tls=False,  # the connection never leaves the host
            decode_data=False,
        )

    def start(self) -> None:
        self._controller.start()

    def close(self) -> None:
        self._controller.stop()


class _OnThisHost(Controller):
    def __init__(self, listener: socket.socket | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listener = listener

    def _create_server(self) -> Any:
        if self._listener is None:
            return super()._create_server()
        return self.loop.create_server(self._factory_invoker, sock=self._listener)

    def factory(self) -> Any:
        with warnings.catch_warnings():
            # aiosmtpd warns about a password without TLS, which is harmless between two processes of one host
            warnings.simplefilter("ignore")
            return super().factory()  # type: ignore[no-untyped-call]


class _Door:
    def __init__(self, password: str) -> None:
        self._password = password.encode()

    def __call__(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: Any) -> AuthResult:
        known = isinstance(auth_data, LoginPassword) and hmac.compare_digest(auth_data.password, self._password)
        # Not `handled`: with it, aiosmtpd expects the handler to answer, and the sender would get no reply to a wrong password.
        return AuthResult(success=known and auth_data.login == USER.encode(), handled=False)


class _Handler:
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        try:
            await asyncio.to_thread(_keep, envelope.mail_from or "", list(envelope.rcpt_tos), content)
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender has to try again
            log.warning("mailbox_cannot_keep", detail=type(error).__name__)
            return "451 the mailbox cannot store it at the moment"
        return "250 kept"


def _keep(sender: str, recipients: list[str], raw: bytes) -> None:
    with write() as session:
        mailbox.receive(session, sender=sender, recipients=recipients, raw=raw)


def main(host: str, port: int, *, password: str, listener: socket.socket | None = None) -> None:
    """Run until SIGTERM or SIGINT; `listener`: the port's socket if it is already open."""
    configure_logs()
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd logs five lines per connection
    signals = StopSignals()
    catcher = Catcher(host, port, password=password, listener=listener)
    catcher.start()
    log.info("mailbox_ready", host=host, port=port)
    signals.wait()
    catcher.close()
