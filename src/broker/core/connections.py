"""Connection parameters for RabbitMQ: all configured hosts in random order, backoff between attempts, and timeouts of answers."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
import pika.exceptions

from ...settings import get_settings
from ...sql.engines import dice
from .pika_parts import IS_KNOWN

#: seconds: the first and the longest pause before reconnecting
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
#: seconds between heartbeats: RabbitMQ requeues the messages of a stalled client after about twice as long
HEARTBEAT_S = 10
#: seconds in which RabbitMQ must answer one request
ANSWER_WITHIN_S = 10.0


def parameters(purpose: str) -> list[pika.URLParameters]:
    """Return the parameters of all hosts in random order, so that a fleet spreads and a dead host is not every process's first choice."""
    found = []
    for url in get_settings().broker_urls:
        one = pika.URLParameters(url)
        one.heartbeat = HEARTBEAT_S
        one.connection_attempts = 1
        one.retry_delay = 0
        one.socket_timeout = 5
        one.stack_timeout = 10
        one.tcp_options = {"TCP_KEEPIDLE": 30}
        one.client_properties = {"connection_name": f"callboard {purpose}"}
        found.append(one)
    dice.shuffle(found)
    return found


@contextmanager
def answered(connection: Any, what: str) -> Iterator[None]:
    """Close a BlockingConnection if RabbitMQ does not answer a request made in this block; raises AMQPError.

    pika waits without limit while heartbeats arrive, and a node whose queues have lost their leader still sends them.
    """
    if not IS_KNOWN:
        yield
        return
    error = pika.exceptions.AMQPConnectionError(f"RabbitMQ did not answer within {ANSWER_WITHIN_S:.0f} s: {what}")
    impl = connection._impl
    timer = impl.ioloop.call_later(ANSWER_WITHIN_S, lambda: impl._terminate_stream(error))
    try:
        yield
    finally:
        impl.ioloop.remove_timeout(timer)


def cannot_login(url: str) -> str | None:
    """Return why the user of this AMQP URL cannot open a channel, or None if the user can."""
    one = pika.URLParameters(url)
    try:
        # A closed port is detected at once; pika would wait and log for it.
        socket.create_connection((one.host, one.port), timeout=5).close()
        one.socket_timeout = one.blocked_connection_timeout = one.stack_timeout = 5
        connection = pika.BlockingConnection(one)
        connection.channel()
        connection.close()
    except OSError as error:
        return f"RabbitMQ at {one.host}:{one.port} does not answer ({error.strerror or error})"
    except pika.exceptions.AMQPError as error:
        return problem(error, one)
    return None


def problem(error: BaseException, one: Any) -> str:
    """The error of a connection with these parameters, with the cure for a login that is refused."""
    said = str(error)
    unanswered = f"does not answer ({said})" if said else "does not answer"
    return f"RabbitMQ at {one.host}:{one.port} {refusal(error, one) or unanswered}"


def refusal(error: BaseException, one: Any) -> str | None:
    """How RabbitMQ refuses a login with these parameters, and the cure; None: it does not. Waiting repairs none of these."""
    text = repr(error)  # also of an error that pika has wrapped
    if "ProbableAuthenticationError" in text:
        return f"refuses the user {one.credentials.username!r}: correct user and password in CALLBOARD_BROKER_URL"
    if "ProbableAccessDeniedError" not in text:
        return None
    if "not found" in text:
        return f"has no virtual host {one.virtual_host!r}: create it, or correct CALLBOARD_BROKER_URL"
    if "refused for user" in text:
        return f"refuses the user {one.credentials.username!r} its virtual host {one.virtual_host!r}: permit it, or correct CALLBOARD_BROKER_URL"
    reason = re.search(r"NOT_ALLOWED - ([^'\"]+)", text)
    return f"refuses the connection: {reason[1] if reason else 'see its log'}"


def pauses() -> Iterator[float]:
    """Yield backoff pauses in seconds: doubling, with jitter, so that a fleet does not reconnect in step."""
    pause = FIRST_PAUSE
    while True:
        yield pause * dice.uniform(0.5, 1.0)
        pause = min(pause * 2, LONGEST_PAUSE)
