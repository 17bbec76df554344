"""Every line logged on behalf of a job carries its id: our own, an actor's, a package's, in JSON and on a terminal."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from src.jobs import State
from src.logs import configure_logs, get_logger, speak_for
from src.settings import get_settings
from tests.actors import isolation as actors
from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually


def logged(callboard: Callboard, after: int = 0) -> list[dict[str, Any]]:
    """Return the worker's JSON log so far, without its first `after` lines."""
    lines = callboard.worker_logs().splitlines()[after:]
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def test_every_line_said_for_a_job_names_it_whoever_says_it(served: Callboard) -> None:
    assert ["job_id" in line for line in logged(served) if line["event"] == "worker_serves"] == [False]
    before = len(served.worker_logs().splitlines())
    spoken, apart, stopped, silent = served.send(
        actors.speak_and_fail.message("another"),
        actors.speak_in_a_cell.message(),
        actors.speak_until_stopped.message(),
        actors.chatter.message(1),
    )
    assert [served.ended(id).state for id in (spoken, apart, stopped, silent)] == [
        State.DEAD,
        State.SUCCEEDED,
        State.DEAD,
        State.SUCCEEDED,
    ]

    def said() -> dict[str, tuple[Any, ...]]:
        # The command gathers what its processes write, so a line may come later than the end of its job.
        lines = logged(served, before)
        assert {line["job_id"] for line in lines if line["event"] == "attempt_failed"} == {spoken, stopped}
        found = {line["event"]: tuple(line.get(name) for name in ("job_id", "actor", "attempt", "by_job_id")) for line in lines}
        assert {"time_limit_exceeded", "structured of apart"} <= set(found)
        return found

    lines = eventually(said)
    assert lines["package of spoken"] == lines["structured of spoken"] == (spoken, "speak_and_fail", 1, None)
    assert lines["package of apart"] == lines["structured of apart"] == (apart, "speak_in_a_cell", 1, None)
    assert lines["other of spoken"] == ("another", None, None, spoken)
    assert lines["time_limit_exceeded"][0] == stopped
    # The job's own page is unchanged: its lines need no job id.
    assert [text for _, _, _, text in served.log_of(spoken)][:2] == ["package of spoken", "structured of spoken"]


@pytest.fixture
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Return this process's log in the format that the test names."""
    root, kept = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    monkeypatch.setenv("CALLBOARD_LOG_FORMAT", request.param)
    get_settings.cache_clear()
    configure_logs()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(kept)
    yield kept
    speak_for(None)
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()
    get_settings.cache_clear()


@pytest.mark.parametrize("written", ["json", "console"], indirect=True)
def test_both_forms_name_the_job_as_long_as_there_is_one(written: io.StringIO) -> None:
    now: list[dict[str, Any]] = []
    speak_for(lambda: now[-1] if now else None)
    logging.getLogger("some.package").warning("before")
    now.append({"job_id": "0199-a", "actor": "add", "attempt": 2})
    logging.getLogger("some.package").warning("package")
    get_logger("ours").warning("ours", attempt=3)
    now.clear()
    get_logger("ours").warning("after")

    plain = re.sub(r"\x1b\[[0-9;]*m", "", written.getvalue())
    before, package, ours, after = plain.splitlines()
    assert all("0199-a" in line for line in (package, ours)), plain
    assert not any("0199-a" in line or "attempt" in line for line in (before, after)), plain
    assert re.search(r'attempt"?(: |=)2', package)
    assert re.search(r'attempt"?(: |=)3', ours)  # the line's own field wins
