"""Results: small ones in the row, large ones in files, the same to every reader; typed by the actor's return hint."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from dramatiq import group, pipeline
from pydantic import ValidationError

from src.broker import get
from src.jobs import State
from src.jobs.files.result_files import path
from src.settings import get_settings
from tests.actors import apart
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S

LARGE = 300_000


@pytest.mark.parametrize("actor", [actors.return_much, actors.return_much_with_a_row], ids=lambda a: a.actor_name)
def test_a_large_result_is_in_a_file_and_read_back_like_any_other(callboard: Callboard, actor: actors.AnyActor) -> None:
    _comes_back(callboard, actor)


def test_a_large_result_of_an_isolated_actor_is_in_a_file_too(quiet: Callboard) -> None:
    with quiet.working(CALLBOARD_ACTORS="tests.actors.broker,tests.actors.apart"):
        _comes_back(quiet, apart.return_much_apart)


def _comes_back(callboard: Callboard, actor: actors.AnyActor) -> None:
    message = actor.send(LARGE)

    assert message.get_result(block=True, timeout=int(DEADLINE_S * 1000)) == "x" * LARGE
    job = callboard.job(message.message_id)
    assert (job.state, job.result, job.result_bytes) == (State.SUCCEEDED, None, LARGE + 2)
    assert path(str(job.result_file)).stat().st_size == LARGE + 2
    assert get(message, DEADLINE_S) == "x" * LARGE


def test_groups_and_pipelines_take_large_results(callboard: Callboard) -> None:
    members = group([actors.return_much.message(LARGE), actors.return_much.message(3)]).run()
    assert list(map(len, members.get_results(block=True, timeout=int(DEADLINE_S * 1000)))) == [LARGE, 3]
    line = pipeline([actors.return_much.message(LARGE), actors.echo.message()]).run()
    assert line.get_result(block=True, timeout=int(DEADLINE_S * 1000)) == "x" * LARGE
    # A result that no message can carry ends its step with a reason.
    wide = pipeline([actors.return_much.message(get_settings().max_message_bytes), actors.echo.message()]).run()
    job = callboard.until(wide.messages[0])
    assert (job.state, "pass an id or a file's path instead" in str(job.reason)) == (State.DEAD, True)


def test_a_result_over_the_cap_ends_the_job_with_the_cure(callboard: Callboard) -> None:
    message = actors.return_much.send(get_settings().max_result_bytes)

    job = callboard.until(message)
    assert (job.state, job.result_file) == (State.DEAD, None)
    assert "more than the 67108864 of CALLBOARD_MAX_RESULT_BYTES" in str(job.reason)


def test_where_the_folder_takes_no_file_the_attempt_fails_and_says_so(quiet: Callboard, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with quiet.working(CALLBOARD_RESULTS_DIR=str(tmp_path / "a file" / "results")):
        job = quiet.until(actors.return_much.send(LARGE))
        assert (job.state, str(job.error).partition(":")[0]) == (State.DEAD, "NotADirectoryError")
        assert str(tmp_path / "a file") in str(job.error)
        assert quiet.until(actors.return_much.send(3)).result == "xxx"


def test_a_result_comes_back_as_its_return_hint_says_or_as_the_reader_wants(callboard: Callboard) -> None:
    message = actors.tell_when.send()

    assert get(message, DEADLINE_S) == {"epoch": datetime(1970, 1, 1, tzinfo=UTC)}
    assert message.get_result() == {"epoch": "1970-01-01T00:00:00Z"}  # Dramatiq's own word for it: what JSON says
    assert get(message, DEADLINE_S, kind=dict[str, str]) == {"epoch": "1970-01-01T00:00:00Z"}
    with pytest.raises(ValidationError):
        get(message, DEADLINE_S, kind=int)
    assert callboard.job(message.message_id).result == {"epoch": "1970-01-01T00:00:00Z"}
