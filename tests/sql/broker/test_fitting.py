"""A rolling deploy: jobs that an older worker held for their arguments are released when it is gone and newer code accepts them."""

from __future__ import annotations

from pathlib import Path

import dramatiq
import pytest
from pydantic import NewPath

from src.broker import get
from src.jobs import State
from src.jobs.control import actions
from src.jobs.core.states import HeldFor
from src.jobs.leases import workers
from src.sql.database import Database
from tests.actors.endings import greet
from tests.harness.inline import Inline
from tests.harness.jobs import claim, ended, hired, look, settle


@dramatiq.actor(max_retries=1)
def export_then_fail(target: NewPath) -> None:
    """Write a file in two attempts."""
    if not target.exists():
        target.write_text("half")
        raise OSError("away")
    target.write_text(f"{target.read_text()}, whole")


def held_by(database: Database, worker: int, id: str) -> None:
    one = claim(database, worker, id)
    assert one is not None
    assert settle(database, worker, ended(one, State.HELD, reason="the arguments do not fit greet"), name="older:1")
    assert look(database, id).held_for is HeldFor.ARGUMENTS


@pytest.mark.both_stores
def test_a_job_is_released_when_the_worker_that_held_it_is_gone(inline: Inline, database: Database) -> None:
    older = hired(database, "older:1")
    id = greet.send("Ada", title="Countess").message_id
    held_by(database, older, id)
    inline.relay.watch()
    assert look(database, id).state is State.HELD, "the worker that does not take it is still there"

    with database.write() as session:
        workers.sign_off(session, older)
    inline.run_all()

    assert get(id) == "Countess Ada"


@pytest.mark.parametrize("kwargs", [{"unknown": 1}, {"born": "never"}], ids=["unknown name", "wrong type"])
def test_what_fits_no_code_stays_held(inline: Inline, database: Database, kwargs: dict[str, object]) -> None:
    older = hired(database, "older:1")
    id = greet.send_with_options(args=("Ada",), kwargs=kwargs).message_id
    held_by(database, older, id)
    with database.write() as session:
        workers.sign_off(session, older)

    inline.run_all()
    inline.run_all()

    job = look(database, id)
    assert (job.state, job.attempt) == (State.HELD, 1)


def test_an_argument_judged_by_the_disk_is_not_judged_again_by_a_retry(inline: Inline, database: Database, tmp_path: Path) -> None:
    target = tmp_path / "export.csv"
    id = export_then_fail.send_with_options(args=(str(target),)).message_id

    assert inline.run(id).state is State.RETRYING
    with database.write() as session:
        actions.run_now(session, id)

    assert inline.run(id).state is State.SUCCEEDED
    assert target.read_text() == "half, whole"
