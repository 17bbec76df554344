"""Re-run from a step: a new workflow of the step and all that follow it, with the results of the others."""

from __future__ import annotations

from typing import Any

import pytest

from src.jobs import State
from src.jobs.control import workflow_reruns, workflows
from src.jobs.core import placeholders
from src.jobs.core.errors import JobsError
from src.jobs.core.workflow_models import StoredStep, When
from src.jobs.workflows.canvas import Workflow, outcome_of, result_of
from src.jobs.workflows.submission import WorkflowReceipt
from src.sql.database import Database
from tests.harness.jobs import look
from tests.harness.workflows import Hand, message, submitted, view

pytestmark = pytest.mark.both_stores


@pytest.fixture
def hand(database: Database) -> Hand:
    return Hand(database)


def again(database: Database, receipt: WorkflowReceipt, step: str, **how: Any) -> WorkflowReceipt:
    with database.write() as session:
        return workflow_reruns.rerun(session, receipt.id, step, **how)


def refused(database: Database, receipt: WorkflowReceipt, step: str) -> str:
    with pytest.raises(JobsError) as error:
        again(database, receipt, step)
    return str(error.value)


def diamond() -> Workflow:
    """fetch, then left and right, then join, which gets both results, then done."""
    workflow = Workflow("diamond")
    fetch = workflow.step(message(1), name="fetch")
    left = workflow.step(message(result_of(fetch), "l", priority=9), name="left")
    right = workflow.step(message(result_of(fetch), "r"), name="right")
    join = workflow.step(message(result_of([left, right]), {"of": result_of(fetch)}), name="join")
    workflow.step(message(), name="done", after=join)
    return workflow


def test_a_step_and_those_behind_it_run_again_with_the_results_of_the_others(database: Database, hand: Hand) -> None:
    receipt = submitted(database, diamond())
    for name, result in (("fetch", {"rows": 3}), ("left", 1), ("right", [2]), ("join", 3), ("done", None)):
        hand.end(receipt.jobs[name], result=result)

    new = again(database, receipt, "left", by="ada")
    assert list(new.jobs) == ["left", "join", "done"]
    assert (look(database, new.jobs["left"]).state, look(database, new.jobs["left"]).args) == (State.QUEUED, [{"rows": 3}, "l"])
    assert look(database, new.jobs["join"]).state is State.SCHEDULED
    hand.end(new.jobs["left"], result=10)
    assert look(database, new.jobs["join"]).args == [[10, [2]], {"of": {"rows": 3}}]
    hand.end(new.jobs["join"])
    hand.end(new.jobs["done"])

    found = view(database, new)
    assert (found.state, found.name, found.submitted_by, found.rerun_of) == ("succeeded", "diamond", "ada", receipt.id)
    assert [(each.before, each.after) for each in found.edges] == [("left", "join"), ("join", "done")]
    assert [step.rerun_of for step in found.steps] == [receipt.jobs[name] for name in ("left", "join", "done")]
    before = view(database, receipt)
    assert (before.state, before.rerun_of, before.step("left").result) == ("succeeded", None, 1)  # the first one stays as it was

    third = again(database, new, "join")  # a re-run can be run again: its results of other steps are values by now
    assert look(database, third.jobs["join"]).args == [[10, [2]], {"of": {"rows": 3}}]


def test_from_a_dead_step_those_that_were_blocked_run_too(database: Database, hand: Hand) -> None:
    receipt = submitted(database, diamond())
    hand.end(receipt.jobs["fetch"], result=0)
    hand.end(receipt.jobs["left"], result=1)
    hand.end(receipt.jobs["right"], State.DEAD)
    new = again(database, receipt, "right")
    hand.end(new.jobs["right"], result=2)
    assert look(database, new.jobs["join"]).args == [[1, 2], {"of": 0}]


def test_it_is_refused_while_a_step_may_still_run_and_without_the_results_it_needs(database: Database, hand: Hand) -> None:
    receipt = submitted(database, diamond())
    assert refused(database, receipt, "nothing") == "There is no step 'nothing' in this workflow."
    hand.end(receipt.jobs["fetch"], result=0)
    hand.end(receipt.jobs["left"], result=1)
    assert "step join is scheduled: cancel the workflow" in refused(database, receipt, "left")
    hand.end(receipt.jobs["right"], State.DEAD)
    assert refused(database, receipt, "left") == "step join also waits for right, which is dead: retry that one first"
    assert len(workflows_of(database)) == 1


def workflows_of(database: Database) -> list[Any]:
    with database.read() as session:
        return workflows.page(session).workflows


def test_callbacks_keep_their_condition(database: Database, hand: Hand) -> None:
    workflow = Workflow("callbacks")
    a, b = workflow.step(message(1), name="a"), workflow.step(message(2), name="b")
    workflow.step(message(outcome_of([a, b])), name="error", when=When.ERROR, after=[a, b])
    workflow.step(message(), name="always", when=When.ALWAYS, after=[a, b])
    receipt = submitted(database, workflow)
    hand.end(receipt.jobs["a"], State.DEAD, error="ValueError: no")
    hand.end(receipt.jobs["b"], result=2)
    hand.end(receipt.jobs["error"])
    hand.end(receipt.jobs["always"])
    new = again(database, receipt, "b")
    hand.end(new.jobs["b"], result=3)
    # a, which is not run again, has failed: the callback of errors runs whatever b does.
    args = look(database, new.jobs["error"]).args
    assert (look(database, new.jobs["error"]).state, args[0][0]["error"], args[0][1]["result"]) == (State.QUEUED, "ValueError: no", 3)
    only = again(database, receipt, "error")
    assert [each["step"] for each in look(database, only.jobs["error"]).args[0]] == ["a", "b"]


def test_the_same_key_submits_once(database: Database, hand: Hand) -> None:
    receipt = submitted(database, diamond())
    with database.write() as session:
        workflows.cancel(session, receipt.id)
    first, second = (again(database, receipt, "fetch", key="k") for _ in range(2))
    assert (first.id, first.created, second.created) == (second.id, True, False)


def test_a_step_of_an_earlier_release_is_refused(database: Database, hand: Hand) -> None:
    receipt = submitted(database, diamond())
    hand.end(receipt.jobs["fetch"], result=0)
    for name in ("left", "right", "join", "done"):
        hand.end(receipt.jobs[name], result=1)
    with database.write() as session:
        session.query(StoredStep).update({StoredStep.template: None})
    assert "was submitted by an earlier release" in refused(database, receipt, "left")
    assert again(database, receipt, "done").jobs.keys() == {"done"}


def test_a_result_that_looks_like_a_placeholder_is_refused(database: Database, hand: Hand) -> None:
    receipt = submitted(database, diamond())
    hand.end(receipt.jobs["fetch"], result={"$result_of": "left"})
    for name in ("left", "right", "join", "done"):
        hand.end(receipt.jobs[name], result=1)
    assert "the result of fetch looks like a placeholder" in refused(database, receipt, "left")


def test_some_placeholders_are_replaced_and_others_stay() -> None:
    known = {"a": {"step": "a", "result": [1]}}
    value = [
        {"$result_of": "a"},
        {"$result_of": "b"},
        {"x": {"$result_of": ["a", "b"]}},
        {"$result_of": ["b", "c"]},
        {"$outcome_of": ["a", "b"]},
    ]
    assert placeholders.resolve_some(value, known) == [
        [1],
        {"$result_of": "b"},
        {"x": [[1], {"$result_of": "b"}]},
        {"$result_of": ["b", "c"]},
        [{"step": "a", "result": [1]}, {"$outcome_of": "b"}],
    ]
