"""Hooks of an application's middleware around a submission are called, however the middleware came into the broker's list."""

from __future__ import annotations

from typing import Any

import pytest
from dramatiq import Message, Middleware, middleware
from dramatiq.broker import Broker
from dramatiq.middleware import MiddlewareError, default_middleware
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend

from src.broker.jobs_broker import JobsBroker

MESSAGE: Message[Any] = Message("default", "any", (), {}, {})


class Noted(Middleware):
    """Notes the hooks that were called."""

    def __init__(self) -> None:
        self.called: list[tuple[str, Any]] = []

    def before_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:
        self.called.append(("before", delay))

    def after_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:
        self.called.append(("after", delay))


def test_hooks_are_called_when_middleware_is_added_and_no_longer_when_it_is_removed() -> None:
    broker, noted = JobsBroker(), Noted()
    _emit(broker)

    broker.add_middleware(noted)
    _emit(broker, 5)
    assert noted.called == [("before", 5), ("after", 5)]

    broker.middleware.remove(noted)
    _emit(broker)
    assert len(noted.called) == 2

    broker.middleware.append(noted)
    _emit(broker)
    assert len(noted.called) == 4


def test_a_hook_set_on_one_object_is_called() -> None:
    broker, plain, called = JobsBroker(), Middleware(), list[int | None]()
    vars(plain)["after_enqueue"] = lambda _broker, _message, delay: called.append(delay)
    broker.add_middleware(plain)

    _emit(broker, 7)

    assert called == [7]


def test_a_hook_that_an_applications_middleware_gets_after_the_first_message_is_called() -> None:
    class Own(Middleware):
        pass

    broker, own, called = JobsBroker(), Own(), list[int | None]()
    broker.add_middleware(own)
    _emit(broker)

    vars(own)["after_enqueue"] = lambda _broker, _message, delay: called.append(delay)
    _emit(broker, 7)

    assert called == [7]


def test_a_signal_that_dramatiq_does_not_know_reaches_middleware_that_has_its_hook() -> None:
    class Own(Middleware):
        heard = False

        def before_parade(self, broker: Broker) -> None:
            self.heard = True

    broker, own = JobsBroker(), Own()
    broker.middleware[:] = [own]

    broker.emit_before("parade")

    assert own.heard


def test_an_error_of_middleware_refuses_the_submission() -> None:
    class Refusing(Middleware):
        def before_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:
            raise MiddlewareError("no")

    broker = JobsBroker()
    broker.add_middleware(Refusing())

    with pytest.raises(MiddlewareError):
        broker.emit_before("enqueue", MESSAGE, None)


@pytest.mark.parametrize(
    "own",
    [
        *(each() for each in default_middleware if each is not middleware.AgeLimit),
        middleware.AsyncIO(),
        middleware.CurrentMessage(),
        Results(backend=StubBackend()),
    ],
    ids=lambda own: type(own).__name__,
)
def test_middleware_of_dramatiq_that_callboard_has_its_own_of_is_refused(own: Middleware) -> None:
    broker = JobsBroker()
    before = list(broker.middleware)

    with pytest.raises(
        ValueError, match=rf"Callboard has its own {type(own).__name__}: take add_middleware\({type(own).__name__}\(…\)\) out"
    ):
        broker.add_middleware(own)

    assert broker.middleware == before


def test_other_middleware_of_dramatiq_is_accepted_also_as_a_class_of_the_application() -> None:
    class Own(middleware.Callbacks):
        pass

    broker = JobsBroker()
    broker.add_middleware(middleware.AgeLimit())
    broker.add_middleware(Own())

    assert "max_age" in broker.actor_options


def _emit(broker: JobsBroker, delay: int | None = None) -> None:
    broker.emit_before("enqueue", MESSAGE, delay)
    broker.emit_after("enqueue", MESSAGE, delay)
