"""Middleware of this room: the message option of requests, and the signals of workers."""

from __future__ import annotations

import os
import socket
from typing import Any

from dramatiq import Middleware
from dramatiq.broker import Broker

from ...broker.isolate import child
from ...broker.process.boot import Boot
from .. import signals
from ..core import registry
from ..core.request import OPTION


class _Sender:
    """The worker as receivers of its signals see it: with its application and name, and Dramatiq's own attributes."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    @property
    def app(self) -> Any:
        return registry.app()

    @property
    def hostname(self) -> str:
        return _name()

    pid = property(lambda self: os.getpid())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._worker, name)


class CelerySupport(Middleware):
    """Declares the message option `celery`, and sends the signals of a worker's life."""

    @property
    def actor_options(self) -> set[str]:
        return {OPTION}

    def after_process_boot(self, broker: Broker) -> None:
        signals.worker_process_init.send(_name())

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        signals.worker_init.send(_Sender(worker))

    def after_worker_boot(self, broker: Broker, worker: Any) -> None:
        signals.worker_ready.send(_Sender(worker))

    def before_worker_shutdown(self, broker: Broker, worker: Any) -> None:
        signals.worker_shutting_down.send(_name(), sig="SIGTERM", how="Warm", exitcode=0)

    def after_worker_shutdown(self, broker: Broker, worker: Any) -> None:
        signals.worker_process_shutdown.send(_name(), pid=os.getpid(), exitcode=0)
        signals.worker_shutdown.send(_Sender(worker))


def install(broker: Broker) -> None:
    """Add the middleware to the broker, once."""
    if not any(isinstance(each, CelerySupport) for each in broker.middleware):
        broker.add_middleware(
            CelerySupport(), before=Boot
        )  # after-hooks run in reverse order: a receiver finds logs and the lease as they will be
        child.BEGINNINGS.append(lambda: signals.worker_process_init.send(_name()))  # a child is forked before its worker's are called


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
