"""Hard limits: whatever an actor does, its process is gone at the limit, with all it has started, and others are unaffected."""

from __future__ import annotations

from tests.harness.callboard import Callboard
from tests.process.isolation.shows import limited


def test_no_actor_outlives_its_hard_limit_and_no_neighbour_is_lost_or_doubled(callboard: Callboard) -> None:
    """Given two hundred neighbours and five actors that cannot be stopped, each with a hard limit of 5 s."""
    found = limited(callboard)
    print(*found.lines(), sep="\n")

    assert len(found.seconds) == 5
    assert max(found.seconds.values()) < 10
    assert found.slots_back_s < 20
    assert found.errors == {"HardTimeLimitExceeded: hard time limit of 5 s exceeded"}
    assert not found.left
    # And the one that the first child has sent.
    assert (found.neighbours, found.doubled) == ({"succeeded": 200}, 0)
    assert found.workers == 1
