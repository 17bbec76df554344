"""Groups, chords and maps without members: their follow-ups get the empty list at once."""

from __future__ import annotations

from typing import Any

import pytest
from dramatiq import group as dramatiq_group
from dramatiq import pipeline as dramatiq_pipeline

from src.broker import get
from src.jobs import State, Workflow
from src.jobs.control import workflows
from src.jobs.workflows import canvas
from src.jobs.workflows.canvas import chain, chord, group, link
from src.jobs.workflows.submission import WorkflowReceipt
from src.sql.database import Database
from tests.actors.endings import return_values as keep
from tests.harness.inline import Inline


def run(inline: Inline, *parts: Any) -> WorkflowReceipt:
    with inline.database.write() as session:
        receipt = Workflow("empty", *parts).submit(session)
    inline.run_all()
    return receipt


@pytest.mark.parametrize(
    "part",
    [
        chord([], keep.message("first")),
        chain(group(), keep.message("first")),
        chain(canvas.map(keep, []), keep.message("first")),
        group(on_success=keep.message("first")),
        group(always=keep.message("first")),
        link(group(), on_success=[keep.message("first")], on_error=[keep.message("never")]),
    ],
)
def test_what_follows_gets_the_empty_list(inline: Inline, part: Any) -> None:
    receipt = run(inline, part)

    assert [get(id) for id in receipt.jobs.values()] == [["first", []]]


def test_nested_ones_keep_their_shape(inline: Inline) -> None:
    receipt = run(inline, chord([group(), group()], keep.message()))

    assert [get(id) for id in receipt.jobs.values()] == [[[[], []]]]


def test_a_step_behind_an_empty_group_still_waits_for_those_before_it(inline: Inline, database: Database) -> None:
    with database.write() as session:
        receipt = Workflow("later", chain(keep.message(1), group(), keep.message("last"))).submit(session)
    first, last = receipt.jobs.values()
    with database.read() as session:
        found = workflows.find(session, receipt.id)
    assert found is not None
    assert [step.state for step in found.steps] == [State.QUEUED, State.SCHEDULED]

    inline.run_all()

    assert get(last) == ["last", []]
    assert get(first) == [1]


def test_a_workflow_of_nothing_has_succeeded(inline: Inline, database: Database) -> None:
    receipt = run(inline, canvas.map(keep, []))

    with database.read() as session:
        found = workflows.find(session, receipt.id)
        [listed] = workflows.page(session).workflows
    assert found is not None
    assert (found.state, found.finished_at, listed.state) == ("succeeded", found.created_at, "succeeded")


def test_an_empty_group_of_dramatiq_sends_its_callbacks(inline: Inline) -> None:
    nothing, callback = dramatiq_group([]), keep.message("called back")
    nothing.add_completion_callback(callback)

    nothing.run()
    inline.run_all()

    assert get(callback.message_id) == ["called back"]


def test_an_empty_pipeline_of_dramatiq_sends_nothing(inline: Inline) -> None:
    callback = keep.message("called back")
    alone = dramatiq_group([dramatiq_pipeline([])])
    alone.add_completion_callback(callback)
    beside = dramatiq_group([dramatiq_pipeline([]), keep.message("beside")])

    assert dramatiq_pipeline([]).run().messages == []
    alone.run()
    beside.run()
    inline.run_all()

    assert get(callback.message_id) == ["called back"]
    assert list(beside.get_results()) == [["beside"]]


def test_a_member_that_occurs_twice_in_a_group_of_dramatiq_runs_twice(inline: Inline) -> None:
    member, callback = keep.message("member"), keep.message("called back")
    both = dramatiq_group([member, member])
    both.add_completion_callback(callback)

    both.run()
    inline.run_all()

    assert list(both.get_results()) == [["member"], ["member"]]
    assert len({child.message_id for child in both.children}) == 2
    assert get(callback.message_id) == ["called back"]
