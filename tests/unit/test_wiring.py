"""Wiring: a hook that is not connected raises where it is used, and says how to cure that."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

import src.actors
from src import wiring
from src.broker.recover import reconciler
from src.hooks import Hook, NotConnected
from src.jobs.core import envelopes
from src.jobs.failures import counting
from src.jobs.search import texts
from src.jobs.webhooks import events

assert src.actors

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

    with pytest.raises(NotConnected, match=rf"'{hook.name}'.* Import src\.actors first"):
        USES[hook.name]()
    assert wiring.unconnected() == [hook.name]


def test_a_replaced_part_comes_back() -> None:
    hook: Hook[int] = Hook("a number")
    hook.connect(1)
    with hook.replaced(2):
        assert hook.part == 2
    assert hook.part == 1
