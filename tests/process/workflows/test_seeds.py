"""Seed rows D5 (subtasks) and D8 (ready, get with a timeout), on real workers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from dramatiq import Message
from dramatiq.results import ResultFailure

from src.broker import get, ready
from src.jobs import State
from src.jobs.control import workflows
from src.jobs.core.errors import UnknownJob
from src.jobs.workflows.canvas import Part, Workflow, chain, chord, group, link, map, outcome_of, result_of
from src.jobs.workflows.stored import load, store
from src.jobs.workflows.submission import WorkflowReceipt
from tests.actors import workflows as actors
from tests.harness import fork_server
from tests.harness.callboard import Callboard
from tests.harness.jobs import look
from tests.harness.waiting import eventually

WAIT_S = 60


def run(callboard: Callboard, part: Part | Workflow) -> WorkflowReceipt:
    workflow = part if isinstance(part, Workflow) else Workflow("test", part)
    with callboard.database.write() as session:
        return workflow.submit(session)


def finished(callboard: Callboard, receipt: WorkflowReceipt) -> workflows.Found:
    """The workflow once nothing of it goes on by itself."""

    def ended() -> workflows.Found | None:
        with callboard.database.read() as session:
            found = workflows.find(session, receipt.id)
        assert found is not None
        return found if found.state not in ("running", "scheduled") else None

    eventually(ended, deadline_s=WAIT_S, what="the workflow ends")
    found = ended()
    assert found is not None
    return found


def test_D5_link_runs_the_next_on_the_result(callboard: Callboard) -> None:
    found = finished(
        callboard, run(callboard, link(actors.plus.message(2, 2), on_success=actors.times.message(10), on_error=actors.keep.message()))
    )

    assert [(step.name, step.state, step.result) for step in found.steps] == [
        ("plus", State.SUCCEEDED, 4),
        ("times", State.SUCCEEDED, 40),
        ("keep", State.CANCELLED, None),
    ]
    assert found.state == "succeeded"


def test_D5_link_on_error_gets_the_outcome(callboard: Callboard) -> None:
    found = finished(
        callboard, run(callboard, link(actors.fail.message(), on_success=actors.keep.message(), on_error=actors.keep.message("alarm")))
    )

    alarm, outcome = found.step("keep-2").result
    assert (alarm, outcome["state"], outcome["error"], outcome["step"]) == (
        "alarm",
        "dead",
        "ValueError: it is broken",
        "fail_in_a_workflow",
    )
    assert found.step("keep").reason == "blocked: step fail_in_a_workflow is dead"


def test_D5_links_of_one_call(callboard: Callboard) -> None:
    linked, alarm = actors.times.message(10), actors.keep.message("alarm")
    sent = actors.plus.send_with_options(args=(2, 3), link=linked, link_error=[alarm])
    broken = actors.fail.send_with_options(link_error=actors.keep.message("alarm").copy())

    assert get(sent, WAIT_S) == 5
    assert get(linked, WAIT_S) == 50
    eventually(lambda: ready(alarm), what="the link on error is not needed")
    assert look(callboard.database, alarm.message_id).state is State.CANCELLED
    with pytest.raises(ResultFailure):
        get(broken, WAIT_S)


def test_D5_chain(callboard: Callboard) -> None:
    parts = chain(actors.plus.message(2, 2), actors.times.message(3), actors.plus.message(5), actors.keep.message("done").copy())
    found = finished(callboard, run(callboard, parts))

    assert [step.result for step in found.steps] == [4, 12, 17, ["done", 17]]


def test_D5_a_step_that_wants_no_result_says_so(callboard: Callboard) -> None:
    silent = actors.keep.message_with_options(args=("alone",), pipe_ignore=True)

    assert finished(callboard, run(callboard, chain(actors.plus.message(1, 1), silent))).step("keep").result == ["alone"]


def test_D5_group_of_ten_with_collected_results(callboard: Callboard) -> None:
    workflow = Workflow("ten")
    members = workflow.add(group(actors.plus.message(number, number) for number in range(10)))
    seen = workflow.step(actors.keep.message(result_of(members)))

    found = finished(callboard, run(callboard, workflow))

    assert found.step(seen.name).result == [[2 * number for number in range(10)]]
    assert [found.step(step.name).result for step in members] == [2 * number for number in range(10)]  # type: ignore[union-attr]


def test_D5_chord_runs_a_callback_on_all_results(callboard: Callboard) -> None:
    found = finished(callboard, run(callboard, chord((actors.plus.message(number, 1) for number in range(10)), actors.total.message())))

    assert found.step("total").result == 55


def test_D5_map_is_one_job_for_each_element(callboard: Callboard) -> None:
    found = finished(callboard, run(callboard, chain(map(actors.plus, [(1, 2), (3, 4)]), actors.total.message())))

    assert found.step("total").result == 10


def test_D5_shapes_nest(callboard: Callboard) -> None:
    inner = chain(actors.plus.message(1, 1), group(actors.plus.message(1), actors.plus.message(2)), actors.total.message())
    parts = chain(group(inner, actors.plus.message(20, 1)), actors.keep.message())

    assert finished(callboard, run(callboard, parts)).step("keep").result == [[3 + 4, 21]]


@pytest.mark.parametrize("broken", [False, True])
def test_D5_callbacks_of_a_group_run_once_each(callboard: Callboard, broken: bool) -> None:
    members: list[Message[Any]] = [actors.shaky.message(number) for number in range(5)]
    if broken:
        members.append(actors.fail.message())
    callbacks = {name: actors.keep.message(name) for name in ("success", "error", "always")}
    found = finished(
        callboard,
        run(callboard, group(members, on_success=callbacks["success"], on_error=callbacks["error"], always=callbacks["always"])),
    )

    states = {name: look(callboard.database, message.message_id) for name, message in callbacks.items()}
    assert states["always"].state is State.SUCCEEDED
    assert states["success"].state is (State.SCHEDULED if broken else State.SUCCEEDED)
    assert states["error"].state is (State.SUCCEEDED if broken else State.CANCELLED)
    assert [step.attempt for step in found.steps[:5]] == [2] * 5


def test_D5_signatures_are_stored_sent_and_run_elsewhere(callboard: Callboard, tmp_path: Path) -> None:
    workflow = Workflow("stored")
    a = workflow.step(actors.plus.message(1, 2), name="a")
    workflow.step(actors.times.message(result_of(a), 10), name="b")
    workflow.step(actors.keep.message(outcome_of(a)), name="alarm", when="error")
    path = tmp_path / "signature.json"
    path.write_text(json.dumps(store(workflow)))

    # Another process, which knows none of the actors and has only the text.
    elsewhere = "import json, sys; import src.actors; from src.sql.database import write; from src.jobs import signatures\n"
    elsewhere += "with write() as s: print(signatures.load(json.load(open(sys.argv[1]))).submit(s).id)"
    ids = {fork_server.server().run(["-c", elsewhere, str(path)], os.environ).stdout.strip() for _ in range(2)}

    assert len(ids) == 2
    for id in ids:
        found = finished(callboard, WorkflowReceipt(id))
        assert [(step.name, step.result) for step in found.steps] == [("a", 3), ("b", 30), ("alarm", None)]
    assert store(load(store(workflow))) == store(workflow)
    assert store(actors.plus.message(1, 2))["steps"] == [
        {
            "name": "plus",
            "actor": "plus",
            "queue": actors.QUEUE,
            "args": [1, 2],
            "kwargs": {},
            "options": {},
            "after": [],
            "when": "success",
        }
    ]


def test_D8_ready_and_get_with_a_timeout(callboard: Callboard) -> None:
    sent = actors.slow.send(7, 1500)

    assert not ready(sent)
    with pytest.raises(TimeoutError, match=r"within 0\.1 s"):
        get(sent, timeout=0.1)
    assert get(sent, timeout=WAIT_S) == 7
    assert ready(sent.message_id)
    with pytest.raises(ResultFailure, match="it is broken"):
        get(actors.fail.send(), timeout=WAIT_S)
    with pytest.raises(UnknownJob, match="nobody"):
        ready("nobody")
