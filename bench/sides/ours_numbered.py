"""Callboard's actor of the scenarios, named in CALLBOARD_ACTORS; its durable ends are noted once they are committed."""

from __future__ import annotations

from collections.abc import Sequence
from unittest.mock import patch

import dramatiq

import src.actors  # noqa: F401 (makes the broker that the actor belongs to)
from bench.scenarios import notes
from src.broker.execute.committer import Committer
from src.jobs.finish.settle import Finished

_settle_all = Committer._settle_all


def _settle_and_note(self: Committer, finished: Sequence[Finished]) -> None:
    _settle_all(self, finished)
    for end in finished:
        if end.result is not None:
            notes.note("end", end.result)


patch.object(Committer, "_settle_all", _settle_and_note).start()


@dramatiq.actor(queue_name="bench", actor_name="numbered", max_retries=5, min_backoff=1000, max_backoff=1000)
def numbered(number: int) -> int:
    """Do the work of a scenario."""
    return notes.work(number)
