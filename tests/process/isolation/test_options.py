"""An actor's limits are validated when it is declared, with the cure in the message. Seed row D11."""

from __future__ import annotations

from typing import Any

import dramatiq
import pytest

from src.broker.options.isolation import terms, wants
from src.jobs import State
from tests.actors import isolation as actors
from tests.harness.callboard import Callboard


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"isolated": "yes"}, "isolated must be True or False, not 'yes'"),
        ({"hard_time_limit": 0}, "hard_time_limit must be a number of milliseconds above 0, not 0"),
        ({"hard_time_limit": True}, "hard_time_limit must be a number of milliseconds above 0"),
        ({"hard_time_limit": float("inf")}, "hard_time_limit must be a number of milliseconds above 0"),
        ({"hard_time_limit": 5_000, "isolated": False}, "leave isolated=False out"),
        ({"hard_time_limit": 5_000, "time_limit": 6_000}, "time_limit (6000) must be below hard_time_limit (5000)"),
        ({"notify_shutdown": 1}, "notify_shutdown must be True or False, not 1"),
    ],
)
def test_a_wrong_option_is_an_error_at_import(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match="wrongly_limited: ") as raised:
        dramatiq.actor(actor_name="wrongly_limited", **options)(lambda: None)
    assert complaint in str(raised.value)
    assert "wrongly_limited" not in dramatiq.get_broker().actors


def test_a_message_may_say_more_than_its_actor_but_not_nonsense() -> None:
    assert terms(actors.neighbour, {}) == (False, None)
    assert terms(actors.neighbour, {"hard_time_limit": 700}) == (True, 700)
    assert terms(actors.neighbour, {"isolated": True}) == (True, None)
    assert terms(actors.loop_for_ever, {}) == (True, actors.HARD)
    assert terms(actors.loop_for_ever, {"hard_time_limit": "never"}) == (True, actors.HARD)
    assert wants(actors.loop_for_ever)
    assert wants(actors.work_apart)
    assert not wants(actors.neighbour)


def test_d11_time_limits_started_state_and_results_in_the_database(served: Callboard) -> None:
    """D11: task time limits (30 minutes), started state tracked, results kept in the database."""
    quick, endless = served.send(actors.half_an_hour_at_most.message(12), actors.half_a_second_at_most.message())

    done, limited = served.ended(quick), served.ended(endless)

    assert (done.state, done.result) == (State.SUCCEEDED, 144)
    assert done.started_at is not None
    assert done.attempts[0].started_at == done.started_at
    assert limited.state is State.DEAD
    assert str(limited.error).startswith("TimeLimitExceeded")
