"""A thread that submits one job publishes it itself, concurrently with the publisher's thread and other threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from dramatiq import Message

from src.broker.core.connections import parameters
from src.broker.publish import publisher
from src.broker.publish.frame_writer import JoiningConnection, Outgoing
from src.jobs import State
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.waiting import eventually


def until_published(callboard: Callboard, *messages: Message[Any]) -> None:
    eventually(
        lambda: all(callboard.job(one.message_id).published_at for one in messages),
        deadline_s=DEADLINE_S,
        what="RabbitMQ has confirmed them",
    )


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that have published."""
    names: list[str] = []
    publish = JoiningConnection.publish

    def noted(self: JoiningConnection, channel: Any, messages: list[Outgoing]) -> None:
        names.append(threading.current_thread().name)
        publish(self, channel, messages)

    monkeypatch.setattr(JoiningConnection, "publish", noted)
    return names


def test_a_job_that_comes_alone_is_published_by_the_thread_that_submits_it(quiet: Callboard, threads: list[str]) -> None:
    first = actors.echo.send("first")
    until_published(quiet, first)
    assert threads == ["publisher"]  # it has connected and declared the queue

    second = actors.echo.send("second")

    assert threads == ["publisher", threading.current_thread().name]
    until_published(quiet, second)
    with quiet.working():
        assert [quiet.until(one).result for one in (first, second)] == ["first", "second"]


def test_many_threads_publish_at_once_and_each_message_goes_out_once(
    quiet: Callboard, threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "COLLECT_S", 0.0)
    until_published(quiet, actors.echo.send("first"))
    at_once = 8

    with ThreadPoolExecutor(at_once) as pool:
        messages = list(pool.map(actors.echo.send, range(400)))

    until_published(quiet, *messages)
    assert len(set(threads)) > 2
    eventually(lambda: quiet.messages("default") == 401, deadline_s=DEADLINE_S, what="each is there")
    with quiet.working():
        assert [quiet.until(one).result for one in messages] == list(range(400))
        assert {job.attempt for job in quiet.jobs()} == {1}


@pytest.mark.parametrize("struck_by", [KeyboardInterrupt, pytest.param(RuntimeError, marks=pytest.mark.slow)])
def test_a_thread_interrupted_within_a_message_spoils_no_other_message(
    quiet: Callboard, monkeypatch: pytest.MonkeyPatch, struck_by: type[BaseException]
) -> None:
    until_published(quiet, actors.echo.send("first"))
    strikes = [struck_by()]
    send = JoiningConnection._sent_at_once

    def half(self: JoiningConnection, data: bytes) -> int:
        if strikes:
            send(self, data[: len(data) // 2])
            raise strikes.pop()
        return send(self, data)

    monkeypatch.setattr(JoiningConnection, "_sent_at_once", half)
    if struck_by is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            actors.echo.send("struck")
    else:
        actors.echo.send("struck")  # it is committed, which is what counts

    later = [actors.echo.send(number) for number in range(20)]

    until_published(quiet, *later)
    with quiet.working():
        eventually(lambda: {job.state for job in quiet.jobs()} == {State.SUCCEEDED}, deadline_s=DEADLINE_S, what="all have run")
        assert sorted(str(job.result) for job in quiet.jobs()) == sorted(["first", "struck", *map(str, range(20))])
        assert {job.attempt for job in quiet.jobs()} == {1}


def test_an_unforeseen_error_does_not_end_it(quiet: Callboard, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[Exception] = [KeyError("a variable that another thread has just unset")]
    hosts = parameters

    def failing_once(purpose: str) -> Any:
        if errors:
            raise errors.pop()
        return hosts(purpose)

    monkeypatch.setattr(publisher, "parameters", failing_once)

    until_published(quiet, actors.echo.send("first"))
    assert not errors
