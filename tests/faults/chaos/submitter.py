"""A process that submits and is killed: `python -m tests.faults.chaos.submitter COUNT ACTOR`; prints each id when its commit is known."""

from __future__ import annotations

import sys

import src.actors
from src.jobs import submit
from src.sql.database import write


def main() -> None:
    count, actor = int(sys.argv[1]), src.actors.broker.get_actor(sys.argv[2])
    for _ in range(count):
        with write() as session:
            receipt = submit(session, actor.message(5))
            # Before the commit: the test reads the rows anyway, and a process killed right after it could not print.
            print(receipt.id, flush=True)
    src.actors.broker.close()


if __name__ == "__main__":
    main()
