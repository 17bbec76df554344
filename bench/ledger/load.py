"""A steady load on one place: `python -m bench.ledger.load RATE`, until it is ended."""

from __future__ import annotations

import sys
import time

import src.actors  # noqa: F401 (makes the broker, then finds the actors)
from bench.sides import measured
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many
from src.sql.database import write

#: transactions per second
TRANSACTIONS = 10


def main() -> None:
    together, due = int(sys.argv[1]) // TRANSACTIONS, time.monotonic()
    while True:
        with write() as session:
            submit_many(session, [Submission(measured.probe.message(time.time())) for _ in range(together)])
        due += 1 / TRANSACTIONS
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
