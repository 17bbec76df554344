"""Wiring: a hook that is not connected raises where it is used, and says how to cure that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dramatiq import Message
from sqlalchemy.orm import Session

from src import wiring
from src.actors import webhooks
from src.actors.notifications import failure_notifications
from src.broker.recover import reconciler
from src.hooks import Hook, NotConnected
from src.jobs.core import envelopes
from src.jobs.failures import counting
from src.jobs.search import texts
from src.jobs.webhooks import events

#: code that uses a hook, by the hook's name
USES: dict[str, Callable[[], object]] = {
    "publisher": lambda: envelopes.announce(Session(), []),
    "webhook delivery": lambda: events.note(Session(), [1]),
    "failure mail": lambda: counting.request_count(Session(), [1]),
    "search fields": lambda: texts.text_of("add", [1, 2], {}),
    "fleet watch": lambda: reconciler.Reconciler().start(),
}


def test_each_hook_has_a_use_here() -> None:
    assert [hook.name for hook in wiring.HOOKS] == list(USES)


@pytest.mark.parametrize("hook", wiring.HOOKS, ids=lambda hook: hook.name)
def test_an_unconnected_hook_raises_where_it_is_used(hook: Hook[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "_part", None)
    monkeypatch.setattr(wiring, "connect", lambda: None)

    with pytest.raises(NotConnected, match=rf"'{hook.name}'.* Import src\.actors first"):
        USES[hook.name]()
    assert wiring.unconnected() == [hook.name]


@pytest.mark.parametrize("hook", wiring.HOOKS[:-1], ids=lambda hook: hook.name)
def test_the_first_use_connects_a_hook(hook: Hook[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "_part", None)

    hook.require()

    assert wiring.unconnected() == []


def test_only_actors_connect_the_fleet_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler.fleet_watch, "_part", None)

    with pytest.raises(NotConnected):
        reconciler.fleet_watch.require()


def test_a_hook_that_the_wiring_does_not_know_raises() -> None:
    with pytest.raises(NotConnected, match="'a number'"):
        Hook[int]("a number").require()


def test_connecting_replaces_no_part_of_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelopes.publisher, "_part", envelopes.leave_to_relay)

    wiring.connect()

    assert envelopes.publisher.part is envelopes.leave_to_relay


@pytest.mark.parametrize(
    ("made", "actors_own"),
    [
        (wiring.delivery("msg_1"), webhooks.deliver_webhook.message("msg_1")),
        (wiring.failure_mail(), failure_notifications.mail_failures.message()),
    ],
)
def test_a_message_made_by_name_is_that_of_its_actor(made: Message[Any], actors_own: Message[Any]) -> None:
    assert made.copy(message_id="1", message_timestamp=1) == actors_own.copy(message_id="1", message_timestamp=1)


def test_a_replaced_part_comes_back() -> None:
    hook: Hook[int] = Hook("a number")
    hook.connect(1)
    with hook.replaced(2):
        assert hook.part == 2
    assert hook.part == 1
