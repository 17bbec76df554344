"""Connection parameters for RabbitMQ: every configured host, in a fresh order at each try, and the pauses between tries."""

from __future__ import annotations

from collections.abc import Iterator

import pika

from src.engines import dice
from src.settings import get_settings

#: seconds: the first and the longest pause before the next try to connect
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0


def parameters(purpose: str) -> list[pika.URLParameters]:
    """Parameters of all hosts in random order, so that a fleet spreads and a dead host is not everybody's first."""
    found = []
    for url in get_settings().broker_urls:
        one = pika.URLParameters(url)
        one.heartbeat = 30
        one.connection_attempts = 1
        one.retry_delay = 0
        one.socket_timeout = 5
        one.stack_timeout = 10
        one.tcp_options = {"TCP_KEEPIDLE": 30}
        one.client_properties = {"connection_name": f"callboard {purpose}"}
        found.append(one)
    dice.shuffle(found)
    return found


def pauses() -> Iterator[float]:
    """Seconds to wait before each further try: doubling, with jitter, so that a fleet does not return in step."""
    pause = FIRST_PAUSE
    while True:
        yield pause * dice.uniform(0.5, 1.0)
        pause = min(pause * 2, LONGEST_PAUSE)
