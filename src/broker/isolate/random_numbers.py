"""Random numbers of forks: each draws its own."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Sequence


def generators() -> list[random.Random]:
    """Return every generator of this process, for `reseed` in its forks."""
    return [one for one in gc.get_objects() if isinstance(one, random.Random) and type(one) is not random.SystemRandom]


def reseed(inherited: Sequence[random.Random]) -> None:
    """Seed the generators in a fork, or every fork would draw the same numbers."""
    for one in inherited:
        one.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
