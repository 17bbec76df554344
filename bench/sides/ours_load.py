"""Callboard's producer of the scenarios."""

from __future__ import annotations

from collections.abc import Sequence

import src.actors  # noqa: F401 (makes the broker, then finds the actor)
from bench.scenarios.producing import produce
from bench.sides.ours_numbered import numbered
from src.broker.publish.publisher import get_publisher
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many
from src.sql.database import write


def _bulk(numbers: Sequence[int]) -> None:
    with write() as session:
        submit_many(session, [Submission(numbered.message(number)) for number in numbers])


if __name__ == "__main__":
    produce(numbered.send, _bulk)
    get_publisher().close(timeout=60)
