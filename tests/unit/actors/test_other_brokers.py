"""Actors declared on another broker are adopted or refused, and never lost silently."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import dramatiq
import pytest
import structlog
from dramatiq.brokers.stub import StubBroker

import src.actors
from tests.harness.services import random_name


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module of actors that a test writes."""
    name = random_name("team")
    monkeypatch.syspath_prepend(tmp_path)
    known = dict(src.actors.broker.actors)
    yield name
    for each in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[each]
    src.actors.broker.actors.clear()
    src.actors.broker.actors.update(known)


ACTOR = "import dramatiq\nfrom dramatiq.brokers.stub import StubBroker\n{}\n@dramatiq.actor({})\ndef act(): ...\n"


def test_a_module_that_sets_a_broker_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(ACTOR.format("dramatiq.set_broker(StubBroker())", ""))

    with pytest.raises(ImportError, match=rf"{name} sets a broker of its own \(StubBroker\).*Remove that line"):
        src.actors._import(name)
    assert dramatiq.get_broker() is src.actors.broker


@pytest.mark.parametrize(
    "before", ["", "ours = dramatiq.get_broker(); dramatiq.set_broker(StubBroker())"], ids=["named", "set and put back"]
)
def test_an_actor_on_a_broker_of_its_own_is_refused(tmp_path: Path, name: str, before: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(f"from {name} import inner")
    after = "dramatiq.set_broker(ours)" if before else ""
    (tmp_path / name / "inner.py").write_text(ACTOR.format(before, "" if before else "broker=StubBroker()") + after)

    with pytest.raises(ImportError, match=rf"{name}.inner.act is declared on another broker \(StubBroker\)"):
        src.actors._import(name)


def test_actors_that_were_declared_before_are_adopted_and_named() -> None:
    stub = StubBroker()

    @dramatiq.actor(broker=stub, queue_name="early", max_retries=3)
    def early(x: int) -> int:
        return x

    try:
        with structlog.testing.capture_logs() as said:
            src.actors._adopt(stub)
        assert early.broker is src.actors.broker
        assert src.actors.broker.get_actor("early") is early
        assert "early" in src.actors.broker.queues
        assert [(each["event"], each["actors"]) for each in said] == [("actors_adopted", ["early"])]
        with pytest.raises(ImportError, match="has the name of another actor"):
            src.actors._adopt(stub)
    finally:
        del src.actors.broker.actors["early"]
        src.actors.broker.queues.discard("early")


def test_one_with_options_that_are_not_known_here_is_refused() -> None:
    stub = StubBroker()

    @dramatiq.actor(broker=stub, max_age=1000)
    def aged() -> None: ...

    with pytest.raises(ImportError, match=r"aged.*options that Callboard does not know \(max_age\)"):
        src.actors._adopt(stub)
