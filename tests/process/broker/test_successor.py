"""A subscription that delivers nothing is kept until RabbitMQ has answered another one."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

import pika
import pika.exceptions
import pytest

from src.broker.core import connections
from src.broker.core.connections import answered
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.mute_proxy import MuteProxy
from tests.harness.stores import only_on
from tests.harness.waiting import eventually

_FRAME = struct.Struct(">BHL")
_METHOD, _CONSUME_OK = 1, struct.pack(">HH", 60, 21)


class HangingLeader(MuteProxy):
    """While `mute` is set, connections that were there before bring nothing, and later ones get no answer to a subscription.

    So does a queue whose leader hangs: the old subscriptions go on with the next leader, before new ones are answered.
    """

    def __init__(self, broker_url: str) -> None:
        super().__init__(broker_url)
        self.passing = threading.Event()
        self.passing.set()

    def hang(self) -> None:
        self.mute.set()
        self.passing.clear()

    def let_old_ones_go_on(self) -> None:
        self.passing.set()

    def _pass_back(self, broker: socket.socket, client: socket.socket) -> None:
        is_new = self.mute.is_set()
        buffer = b""
        with suppress(OSError):
            while data := broker.recv(65_536):
                if not is_new:
                    self.passing.wait(DEADLINE_S)
                    client.sendall(data)
                    continue
                buffer += data
                while len(buffer) >= _FRAME.size:
                    kind, _, size = _FRAME.unpack_from(buffer)
                    end = _FRAME.size + size + 1
                    if len(buffer) < end:
                        break
                    frame, buffer = buffer[:end], buffer[end:]
                    if self.mute.is_set() and kind == _METHOD and frame[_FRAME.size : _FRAME.size + 4] == _CONSUME_OK:
                        self.swallowed += 1
                    else:
                        client.sendall(frame)
            client.shutdown(socket.SHUT_RDWR)


@only_on("sqlite", by="quiet")
def test_while_no_other_subscription_is_answered_the_old_one_goes_on(quiet: Callboard) -> None:
    leader = HangingLeader(quiet.broker_url)
    with leader, quiet.working(CALLBOARD_BROKER_URL=leader.url, CALLBOARD_RECONCILE_AFTER="4") as worker:
        quiet.until(quiet.submit(actors.echo.message("before")))
        leader.hang()
        waiting = quiet.submit(actors.echo.message("meanwhile"))
        worker.wait_until_it_says("subscription_silent")
        eventually(lambda: leader.swallowed, deadline_s=DEADLINE_S, what="another subscription is tried")

        leader.let_old_ones_go_on()

        assert quiet.until(waiting).result == "meanwhile"
        assert not worker.says("consumer_connection_lost")


def test_a_question_that_is_not_answered_ends_the_connection(vhost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_WITHIN_S", 0.3)
    with HangingLeader(vhost) as leader:
        leader.mute.set()  # it is a new one
        connection = pika.BlockingConnection(pika.URLParameters(leader.url))
        channel = connection.channel()
        channel.queue_declare("silent")
        with pytest.raises(pika.exceptions.AMQPConnectionError, match="did not answer"), answered(connection, "a subscription"):
            channel.basic_consume("silent", lambda *_: None)
        assert connection.is_closed
