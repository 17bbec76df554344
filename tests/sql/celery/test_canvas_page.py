"""The blocks of Celery's page on the canvas, one test each, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from src.celery import AsyncResult, GroupResult, chain, chord, group, maybe_signature, signature, states
from src.celery.canvas import StampingVisitor, replacing
from src.celery.core.request import Context
from src.celery.exceptions import ChordError, ImproperlyConfigured, IncompleteStream
from src.jobs.control import actions
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.sql.clock import now
from tests.actors import celery_tasks
from tests.actors.celery_tasks import (
    add,
    fail,
    its_request,
    joined_by,
    keep,
    log_error,
    log_id,
    log_id_with,
    mul,
    replaced_by,
    stamps,
    subtract,
    xsum,
)
from tests.harness.inline import Inline
from tests.harness.jobs import StillClock, look

NAME = "tests.actors.celery_tasks"


@pytest.fixture
def run(inline: Inline) -> Callable[[Any], Any]:
    """Run all jobs, and return the result."""

    def get(result: Any) -> Any:
        inline.run_all()
        return result.get(timeout=1)

    return get


def jobs(inline: Inline, actor: str) -> list[Job]:
    with inline.database.read() as session:
        return list(session.execute(select(Job).where(Job.actor == f"{NAME}.{actor}").order_by(Job.seq)).scalars())


def results(inline: Inline, actor: str) -> list[Any]:
    inline.run_all()
    return [job.result for job in jobs(inline, actor)]


# Signatures.


def test_a_signature_by_name_by_task_and_by_shortcut_are_the_same() -> None:
    made = [signature(f"{NAME}.add", args=(2, 2), countdown=10), add.signature((2, 2), countdown=10), add.s(2, 2).set(countdown=10)]

    assert made[0] == made[1] == made[2]
    assert (made[0].args, made[0].kwargs, made[0].options, repr(made[0])) == ((2, 2), {}, {"countdown": 10}, f"{NAME}.add(2, 2)")


def test_delay_and_apply_async_send_it(run: Callable[[Any], Any], inline: Inline, time: StillClock) -> None:
    assert run(add.s(2, 2).delay()) == 4
    later = add.s(2, 2).apply_async(countdown=1)
    assert look(inline.database, later.id).state is State.SCHEDULED


def test_calling_it_runs_it_here(inline: Inline) -> None:
    assert add.s(2, 2)() == 4
    assert jobs(inline, "add") == []


def test_partial_arguments_come_first(run: Callable[[Any], Any]) -> None:
    assert run(subtract.s(10).delay(30)) == 20
    assert run(keep.s(1, a=1, b=1).delay(2, b=2)) == [[2, 1], {"a": 1, "b": 2}]


def test_options_of_the_call_win(run: Callable[[Any], Any], inline: Inline, time: StillClock) -> None:
    result = add.signature((2, 2), countdown=10, priority=1).apply_async(countdown=1)

    job = look(inline.database, result.id)
    assert ((job.due_at or now()) - now()).total_seconds() == 1
    assert job.priority == 1


def test_a_clone_is_a_partial_of_its_own() -> None:
    partial = add.s(2)

    assert repr(partial.clone(args=(4,), kwargs={"debug": True})) == f"{NAME}.add(4, 2, debug=True)"
    assert repr(partial) == f"{NAME}.add(2)"


def test_what_is_changed_in_a_signature_is_sent(run: Callable[[Any], Any], inline: Inline) -> None:
    call = keep.signature([1], {"a": 1}, priority=3)
    call.kwargs["a"] = 2
    call.kwargs.update(b=3)
    call.args += (2,)
    call.options["priority"] = 7
    call.id, call.root_id, call.parent_id = "given", "the root", "the parent"

    assert (run(call.delay()), look(inline.database, "given").priority) == ([[1, 2], {"a": 2, "b": 3}], 7)
    assert (call.options["root_id"], call.options["parent_id"]) == ("the root", "the parent")
    call = keep.si(1)
    call.task, call.immutable = mul.name, False
    call.args = [2]
    call.id = None
    assert run(call.delay(3)) == 6


def test_what_is_changed_in_a_shape_is_sent(run: Callable[[Any], Any]) -> None:
    both, header = chain(add.s(1, 1), mul.s(2)), chord([add.s(1, 1)], xsum.s())
    both.tasks[0].kwargs.update(y=2)
    both.tasks[0].args = (5,)
    both.tasks = [*both.tasks, add.s(1)]
    header.body = keep.s()
    header.body.kwargs["a"] = 1
    header.tasks = [add.s(3, 3), add.s(4, 4)]

    assert (run(both()), run(header())) == (15, [[[6, 8]], {"a": 1}])
    assert (both.subtask_type, header.subtask_type, add.s().subtask_type) == ("chain", "chord", None)


def test_an_immutable_callback_gets_no_result(inline: Inline) -> None:
    add.apply_async((2, 2), link=keep.signature(immutable=True))
    add.apply_async((2, 2), link=keep.si("alone"))

    assert results(inline, "keep") == [[[], {}], [["alone"], {}]]


def test_a_callback_gets_the_result_before_its_arguments(inline: Inline) -> None:
    add.apply_async((2, 2), link=subtract.s(8))

    assert results(inline, "subtract") == [-4]


def test_the_result_of_a_call_with_a_link_is_its_own(run: Callable[[Any], Any]) -> None:
    result = add.apply_async((2, 2), link=mul.s(16))

    assert (run(result), [each.get(1) for each in result.children]) == (4, [64])
    assert [(type(each), value) for each, value in result.collect()] == [(AsyncResult, 4), (AsyncResult, 64)]


def test_several_links_are_added_one_by_one(inline: Inline) -> None:
    call = add.s(2, 2)
    call.link(mul.s(4))
    call.link(keep.s())
    call.delay()

    assert (results(inline, "mul"), results(inline, "keep")) == ([16], [[[4], {}]])


def test_an_error_callback_gets_request_exception_and_traceback(inline: Inline) -> None:
    failing = fail.s().on_error(log_error.s()).delay()
    fail.apply_async(link_error=[log_error.s(), log_id.s()])
    fine = add.s(2, 2).on_error(log_error.s()).delay()

    found = [each for each in results(inline, "log_error") if each is not None]
    assert found[0] == [failing.id, "KeyError", "'broken'", True]
    assert (len(found), fine.get(1)) == (2, 4)
    assert [job.result for job in jobs(inline, "log_id")] == [jobs(inline, "fail")[1].id]


# Chains.


def test_a_chain_passes_each_result_on(run: Callable[[Any], Any]) -> None:
    call = chain(add.s(4, 4), mul.s(8), mul.s(10))

    assert repr(call) == f"{NAME}.add(4, 4) | {NAME}.mul(8) | {NAME}.mul(10)"
    result = call()
    assert (run(result), result.parent.get(1), result.parent.parent.get(1), result.parent.parent.parent) == (640, 64, 8, None)


def test_a_chain_by_pipes(run: Callable[[Any], Any]) -> None:
    assert run((add.s(2, 2) | mul.s(8) | mul.s(10)).apply_async()) == 320
    assert run(chain(add.s(4, 4) | mul.s(8))()) == 64
    assert run(chain(add.s(4) | mul.s(8))(4)) == 64


def test_a_chains_graph_is_written_for_graphviz(inline: Inline) -> None:
    result = chain(add.s(4, 4), mul.s(8), mul.s(10))()
    first = result.parent.parent
    with pytest.raises(IncompleteStream):
        _ = first.graph
    inline.run_all()
    dot = StringIO()
    first.graph.to_dot(dot)

    assert dict(first.graph) == {first: [], result.parent: [first], result: [result.parent]}
    assert f'"{result.parent}" -> "{result}"' in dot.getvalue()
    assert (first.get_leaf(), first.graph.topsort()) == (640, [first, result.parent, result])


def test_a_chain_stops_at_a_failure_and_its_result_raises_it(inline: Inline) -> None:
    result = chain(add.s(1, 1), fail.s(), mul.s(2)).apply_async(link_error=log_error.s())
    inline.run_all()

    with pytest.raises(KeyError, match="broken"):
        result.get(1)
    assert [result.state, result.parent.state, result.parent.parent.state] == [states.FAILURE, states.FAILURE, states.SUCCESS]
    assert [job.result[:2] for job in jobs(inline, "log_error")] == [[result.parent.id, "KeyError"]]


# Groups.


def test_a_group_runs_its_tasks_side_by_side(run: Callable[[Any], Any], inline: Inline) -> None:
    result = group(add.s(2, 2), add.s(4, 4))()

    assert run(result) == [4, 8]
    assert run(group(add.s(i, i) for i in range(10))()) == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert run(group(add.s(i) for i in range(3))(10)) == [10, 11, 12]


def test_links_of_a_group_go_to_its_tasks(inline: Inline) -> None:
    linked = group(add.s(2, 2), add.s(4, 4))
    linked.link(keep.s())
    failing = group(fail.s(), fail.s())
    failing.link_error(log_error.s())
    result = linked()
    failing()

    assert (results(inline, "keep"), result.get(1)) == ([[[], {}]], [4, 8])
    assert len(jobs(inline, "log_error")) == 2


@pytest.mark.both_stores
def test_a_groups_result_answers_for_all_of_its_tasks(inline: Inline) -> None:
    result = group([add.s(2, 2), add.s(4, 4), add.s(8, 8)]).apply_async()
    assert (result.ready(), result.waiting(), result.completed_count()) == (False, True, 0)
    inline.run_all()

    assert (result.ready(), result.successful(), result.failed(), result.completed_count(), result.get(1), len(result)) == (
        True,
        True,
        False,
        3,
        [4, 8, 16],
        3,
    )
    assert (GroupResult.restore(result.id), list(result)) == (result, result.results)
    assert GroupResult.restore("unknown") is None


def test_a_group_with_a_failure(inline: Inline) -> None:
    result = group(add.s(1, 1), fail.s()).delay()
    inline.run_all()

    with pytest.raises(KeyError):
        result.get(1)
    assert (result.failed(), result.successful(), result.completed_count()) == (True, False, 1)
    assert [type(each).__name__ for each in result.get(1, propagate=False)] == ["int", "KeyError"]


def test_members_of_a_group_know_it(run: Callable[[Any], Any]) -> None:
    found = run(group(celery_tasks.about.s(), celery_tasks.about.s())())

    assert [each["group_index"] for each in found] == [0, 1]
    assert len({each["group"] for each in found}) == 1


# Groups in chains, and chords.


def test_a_group_in_a_chain_becomes_a_chord(run: Callable[[Any], Any]) -> None:
    call = chain(add.s(2, 2), group(add.s(1), add.s(2)), xsum.s())

    assert repr(call) == f"{NAME}.add(2, 2) | %celery.chord([{NAME}.add(1), {NAME}.add(2)], {NAME}.xsum())"
    assert run(call()) == 11
    assert run((group(add.s(i, i) for i in range(10)) | xsum.s())()) == 90


def test_a_group_of_one_task_in_a_chain_is_that_task(run: Callable[[Any], Any]) -> None:
    call = chain(add.s(2, 2), group(add.s(1)), add.s(1))

    assert (repr(call), run(call())) == (f"{NAME}.add(2, 2) | {NAME}.add(1) | {NAME}.add(1)", 6)
    assert repr(chain(group(add.s(1, 1)), add.s(2))) == f"{NAME}.add(1, 1) | {NAME}.add(2)"
    assert isinstance(chain(add.s(2, 2), group(add.s(1), add.s(2)), keep.s()).tasks[1], chord)
    assert run((group([add.s(1, 1)]) | xsum.s()).delay()) == 2


def test_keywords_of_a_chain_are_those_of_its_first_task(run: Callable[[Any], Any]) -> None:
    assert run((keep.s() | keep.s("second")).delay(first="Art")) == [[[[], {"first": "Art"}], "second"], {}]
    assert run((keep.s(debug=True) | keep.s()).delay(debug=False)) == [[[[], {"debug": False}]], {}]


def test_a_task_before_a_group_hands_its_result_to_each(run: Callable[[Any], Any]) -> None:
    result = (add.s(2, 2) | group(mul.s(2), mul.s(3))).apply_async()

    assert (run(result), result.parent.get(1)) == ([8, 12], 4)


@pytest.mark.parametrize("members", [0, 1, 5])
def test_a_chord_adds_up_the_results_of_its_header(members: int, run: Callable[[Any], Any]) -> None:
    result = chord(add.s(i, i) for i in range(members))(xsum.s())

    assert run(result) == sum(i + i for i in range(members))
    assert run(chord([add.s(i, i) for i in range(members)], xsum.s())()) == result.get(1)


@pytest.mark.parametrize(
    "send",
    [
        lambda: chord([add.s(1, 1), add.s(2, 2)], xsum.s()).apply_async(queue="urgent", priority=9, expires=60),
        lambda: chord([add.s(1, 1), add.s(2, 2)])(xsum.s(), queue="urgent", priority=9, expires=60),
        lambda: chord([add.s(1, 1), add.s(2, 2)], xsum.s(), queue="urgent").set(priority=9, expires=60)(),
        lambda: (group(add.s(1, 1), add.s(2, 2)) | xsum.s()).apply_async(queue="urgent", priority=9, expires=60),
        lambda: group(chord([add.s(1, 1), add.s(2, 2)], xsum.s())).apply_async(queue="urgent", priority=9, expires=60),
    ],
    ids=["call", "body", "own", "chain", "group"],
)
def test_options_of_a_chord_are_those_of_its_header_and_its_body(send: Callable[[], Any], inline: Inline, time: StillClock) -> None:
    send()

    found = [(job.queue, job.priority, job.expires_at) for actor in ("add", "xsum") for job in jobs(inline, actor)]
    assert found == [("urgent", 9, now() + timedelta(seconds=60))] * 3


def test_a_chords_headers_reach_all_its_tasks_its_id_and_its_group_only_the_body(run: Callable[[Any], Any]) -> None:
    names = ("id", "tenant", "group", "group_index")
    call = chord([its_request.si(*names), its_request.si(*names)], its_request.si(*names))
    alone = call.apply_async(headers={"tenant": "t1"}, task_id="body")
    outer = group(add.si(1, 1), call).apply_async(headers={"tenant": "t1"})

    assert [run(alone)[name] for name in names] == ["body", "t1", None, None]
    assert [(each["tenant"], each["group_index"]) for each in alone.parent.get(1)] == [("t1", 0), ("t1", 1)]
    assert (run(outer)[1]["tenant"], outer.get(1)[1]["group_index"]) == ("t1", 1)
    assert {each["group"] for each in outer[1].parent.get(1)} == {outer[1].parent.id}


def test_a_chord_whose_header_fails_has_a_chord_error_and_raises_its_cause(inline: Inline) -> None:
    result = chord([add.s(4, 4), fail.s(), add.s(8, 8)])(xsum.s())
    inline.run_all()

    assert (type(result.result), str(result.result)) == (ChordError, f"Dependency {result.parent[1].id} raised KeyError('broken')")
    with pytest.raises(KeyError, match="broken"):
        AsyncResult(result.id).get(1)
    assert (result.state, [each.state for each in result.parent]) == (states.FAILURE, ["SUCCESS", "FAILURE", "SUCCESS"])


def test_an_error_callback_of_the_body_runs_after_a_failed_header(inline: Inline) -> None:
    (group(add.s(1, 1), fail.s()) | xsum.s().on_error(log_error.s())).delay()

    [[_, kind, text, _]] = results(inline, "log_error")
    assert (kind, text) == ("ChordError", f"Dependency {jobs(inline, 'fail')[0].id} raised KeyError('broken')")


def test_an_error_callback_of_a_task_that_did_not_run_is_cancelled(inline: Inline) -> None:
    chain(fail.s().on_error(log_id.s()), add.s(1).on_error(log_id.s()), add.si(1, 1).on_error(log_id.si("immutable"))).delay()

    assert results(inline, "log_id") == [jobs(inline, "fail")[0].id, None, None]
    assert [job.state for job in jobs(inline, "log_id")] == [State.SUCCEEDED, State.CANCELLED, State.CANCELLED]


def test_an_error_callback_of_a_chord_is_also_added_to_its_header_if_the_configuration_says_so(
    inline: Inline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(celery_tasks.app.conf._values, "task_allow_error_cb_on_chord_header", True)
    (group(add.s(1, 1), fail.s()) | xsum.s()).on_error(log_id.s()).delay()

    assert len([each for each in results(inline, "log_id") if each is not None]) == 2


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: chord([add.s(1, 1), add.s(2, 2)])(xsum.s() | mul.s(10)), 60),
        (lambda: (chord([add.s(1, 1), add.s(2, 2)], xsum.s()) | mul.s(10)).delay(), 60),
        (lambda: group(chain(add.s(1, 1), mul.s(5)), add.s(2, 2))(), [10, 4]),
        (lambda: group(group(add.s(1, 1), add.s(2, 2)), add.s(3, 3))(), [2, 4, 6]),
        (lambda: (group(add.s(1, 1), add.s(2, 2)) | group(xsum.s(), keep.s("x"))).delay(), [6, [[[2, 4], "x"], {}]]),
        (lambda: (chord([chord([add.s(1, 1), add.s(2, 2)], xsum.s()), add.s(3, 3)], xsum.s()) | keep.s()).delay(), [[12], {}]),
        (lambda: chain(group([]), keep.s()).delay(), [[], {}]),
        (lambda: chain(add.s(1, 1), group([]), keep.s()).delay(), [[2], {}]),
        (lambda: chord([], keep.s()).delay(), [[[]], {}]),
        (lambda: group(chain(), add.s(1, 2), chain()).delay(), [3]),
        (lambda: chain(chain(), group([]), add.s(10), app=celery_tasks.app).apply_async((5,)), 15),
        (lambda: group(add.s(1, 2) | group(add.s(1), add.s(2))).delay(), [4, 5]),
        (lambda: group(add.s(1, 1), add.s(1, 2) | group(add.s(1), add.s(2))).delay(), [2, [4, 5]]),
        (lambda: (add.s(1) | group(mul.s(2), mul.s(3)) | xsum.s() | mul.s(2)).delay(1), 20),
    ],
)
def test_shapes_nest(call: Callable[[], Any], expected: Any, run: Callable[[Any], Any]) -> None:
    assert run(call()) == expected


def test_a_described_signature_has_its_own_type() -> None:
    described = dict(add.s(1))

    assert maybe_signature(described) == add.s(1)
    assert maybe_signature(None) is None
    assert isinstance(maybe_signature(dict(chain(add.s(1, 1), mul.s(2)))), chain)


# Map, starmap and chunks.


def test_map_and_starmap(run: Callable[[Any], Any], inline: Inline, time: StillClock) -> None:
    assert run(xsum.map([list(range(10)), list(range(100))]).apply_async()) == [45, 4950]
    assert run(add.starmap(zip(range(10), range(10), strict=True)).apply_async()) == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]
    later = add.starmap(zip(range(3), range(3), strict=True)).apply_async(countdown=10)
    assert look(inline.database, later.id).state is State.SCHEDULED


def test_chunks_split_the_work(run: Callable[[Any], Any], inline: Inline, time: StillClock) -> None:
    pairs = list(zip(range(10), range(10), strict=True))
    expected = [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18]]

    assert run(add.chunks(pairs, 4)()) == run(add.chunks(pairs, 4).apply_async()) == run(add.chunks(pairs, 4).group()()) == expected
    skewed = add.chunks(pairs, 4).group().skew(start=1, stop=10)()
    assert [((look(inline.database, each.id).due_at or now()) - now()).total_seconds() for each in skewed] == [1, 2, 3]
    assert [each.options["countdown"] for each in group(add.s(n, n) for n in range(5)).skew(start=1, stop=3).tasks] == [1, 2, 3, 3, 3]


class Marks(StampingVisitor):
    """Stamps tasks with whether they are in a group, callbacks with True."""

    def __init__(self) -> None:
        self.in_group = False

    def on_group_start(self, group: Any, **headers: Any) -> dict[str, Any]:
        self.in_group = True
        return {"in_group": [True], "noise": 1, "stamped_headers": ["in_group"]}

    def on_group_end(self, group: Any, **headers: Any) -> None:
        self.in_group = False

    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        return {"in_group": [self.in_group], "stamped_headers": ["in_group"]}

    def on_callback(self, callback: Any, **headers: Any) -> dict[str, Any]:
        return {"on_callback": True}


def test_stamps_reach_every_task(run: Callable[[Any], Any]) -> None:
    both = group(stamps.si(), stamps.si())
    both.stamp(stamp="mine")
    assert run(both()) == [{"stamp": "mine"}] * 2
    linked = stamps.si()
    linked.stamp(stamp="a").stamp(append_stamps=True, stamp="b")
    assert run(linked.delay()) == {"stamp": ["a", "b"]}


def test_a_visitor_stamps_shapes_and_callbacks(run: Callable[[Any], Any], inline: Inline) -> None:
    call = chain(stamps.si(), chord([stamps.si(), stamps.si()], stamps.si()))
    call.tasks[0].link(stamps.si())
    call.stamp(visitor=Marks())
    result = call()

    assert (run(result), result.parent.get(1)) == ({"in_group": [False]}, [{"in_group": [True]}] * 2)
    assert {"in_group": [False], "on_callback": True} in results(inline, "stamps")


def test_a_visitor_marks_callbacks_and_error_callbacks_of_a_chord() -> None:
    class Headers(StampingVisitor):
        def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
            return {"header": "value"}

        def on_callback(self, callback: Any, **headers: Any) -> dict[str, Any]:
            return {"on_callback": True}

        def on_errback(self, errback: Any, **headers: Any) -> dict[str, Any]:
            return {"on_errback": True}

    call = chord([add.s(1, 1), add.s(2, 2)], xsum.s())
    call.link(signature("sig_link"))
    call.link_error(signature("sig_link_error"))
    call.stamp(visitor=Headers())
    own = {"header": "value", "stamped_headers": ["header"]}
    body = call.body
    assert body is not None
    [callback], [errback] = body.options["link"], body.options["link_error"]

    assert [each.options for each in call.tasks] == [own, own]
    assert {name: value for name, value in body.options.items() if not name.startswith("link")} == own
    assert (callback.options["on_callback"], errback.options["on_errback"]) == (True, True)
    assert {*callback.options["stamped_headers"]} == {"header", "on_callback"}


# Replacement: of the page on tasks, but part of what chains and chords do.


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: replaced_by.si(add.s(1, 2)).delay(), 3),
        (lambda: replaced_by.si(add.s(1, 2) | mul.s(10)).delay(), 30),
        (lambda: (add.s(1, 1) | replaced_by.si(add.s(1, 2) | mul.s(10)) | mul.s(2)).delay(), 60),
        (lambda: replaced_by.si(group(add.s(1, 2), add.s(3, 4))).delay(), [3, 7]),
        (lambda: replaced_by.si(group(add.s(1, 2))).delay(), [3]),
        (lambda: group(replaced_by.si(group(add.s(1, 2), add.s(3, 4))), add.s(1, 1)).delay(), [[3, 7], 2]),
        (lambda: chord([replaced_by.si(chord([add.s(1, 2), add.s(3, 4)], xsum.s())), add.s(1, 1)], xsum.s()).delay(), 12),
        (lambda: replaced_by.si(chain(add.s(1, 2), chain(mul.s(10), mul.s(2)).on_error(keep.si()))).delay(), 60),
        (lambda: (replaced_by.si(replaced_by.si(add.s(1, 2))) | mul.s(2)).delay(), 6),
    ],
)
def test_a_task_is_replaced_by_a_signature(call: Callable[[], Any], expected: Any, run: Callable[[Any], Any]) -> None:
    result = call()

    assert run(result) == expected
    assert result.successful()


def test_a_replaced_tasks_callbacks_follow_its_replacement(inline: Inline) -> None:
    replaced_by.apply_async((chain(add.s(1, 2), mul.s(10)),), link=keep.s())
    failing = replaced_by.apply_async((chain(add.s(1, 2), fail.s(), mul.s(10)),), link_error=log_id.si("failed"))

    assert (results(inline, "keep"), results(inline, "log_id")) == ([[[30], {}]], ["failed"])
    with pytest.raises(KeyError, match="broken"):
        failing.get(1)
    with pytest.raises(ImproperlyConfigured, match="Cannot replace with an empty chain"):
        replaced_by.apply((chain(),)).get()


def test_revoking_a_replaced_task_revokes_its_replacement(inline: Inline) -> None:
    result = replaced_by.delay(add.s(1, 2))
    inline.run(result.id)
    result.revoke()
    inline.run_all()

    assert (result.state, jobs(inline, "add")[0].state) == (states.REVOKED, State.CANCELLED)


def test_a_task_adds_another_one_to_its_chord(run: Callable[[Any], Any], inline: Inline) -> None:
    assert run((group(joined_by.s(add.s(3, 4)), add.s(1, 1)) | xsum.s()).delay()) == 9
    alone = joined_by.delay(add.s(3, 4))
    with pytest.raises(ValueError, match="not member of any chord"):
        run(alone)


def test_a_second_attempt_of_a_replaced_task_changes_nothing(inline: Inline) -> None:
    result = replaced_by.delay(add.s(1, 2))
    request = Context(id=result.id, task=replaced_by.name)
    ids = {replacing.replace(request, add.s(1, 2)) for _ in range(2)}
    inline.run_all()

    assert (len(ids), result.get(1), len(jobs(inline, "add"))) == (1, 3, 1)


def test_a_frozen_signature_has_its_result_before_it_is_sent(run: Callable[[Any], Any]) -> None:
    call = add.si(2, 2)
    frozen = call.freeze()
    result = group(call, add.si(3, 3)).apply_async()

    assert run(result) == [4, 6]
    assert (frozen.get(1), AsyncResult(frozen.id)) == (4, result[0])


def test_an_operators_retry_of_the_failed_step_continues_the_chain(inline: Inline, tmp_path: Path) -> None:
    obstacle = tmp_path / "obstacle"
    obstacle.touch()
    result = chain(celery_tasks.unless.s(str(obstacle)), keep.s()).delay()
    inline.run_all()
    assert result.state == states.FAILURE
    obstacle.unlink()
    with inline.database.write() as session:
        actions.retry(session, result.parent.id)
    inline.run_all()

    assert result.get(1) == [["done"], {}]


def test_a_frozen_signature_that_is_sent_again_makes_jobs_of_its_own(run: Callable[[Any], Any]) -> None:
    call = add.s(1)
    id = call.freeze().id
    first, second = call.delay(1), (mul.s(2, 2) | call).delay()

    assert (run(first), run(second), first.id == id, second.id == id) == (2, 5, True, False)


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (chain(add.s(1, 1), add.s(2)), 4),
        (chain(add.s(1, 1), chain(add.s(1), add.s(1))), 4),
        (chord([add.s(1, 1)], xsum.s()), 2),
        (chord([add.s(1, 1)], chain(xsum.s(), add.s(1))), 3),
        (group(add.s(1, 1), add.s(2, 2)), [2, 4]),
        (xsum.map([[1], [2]]), [1, 2]),
    ],
)
def test_a_frozen_shape_that_is_sent_again_makes_jobs_of_its_own(run: Callable[[Any], Any], call: Any, result: Any) -> None:
    call = call.clone()
    frozen = call.freeze()
    first, second = call.apply_async(), call.apply_async()

    assert [run(first), run(second)] == [result, result]
    assert first.id != second.id
    assert isinstance(frozen, GroupResult) or first.id == frozen.id


def test_error_callbacks_have_arguments_of_their_own(inline: Inline) -> None:
    id = fail.apply_async(link_error=[log_id_with.s("a"), log_id_with.s(label="b")]).id

    assert results(inline, "log_id_with") == [[id, "a"], [id, "b"]]


def test_an_error_callback_of_a_chord_runs_for_each_task_of_a_groups_body(inline: Inline) -> None:
    chord([add.si(1, 1), fail.si()], group(xsum.s(), xsum.s())).apply_async(link_error=log_id.s())

    assert len([each for each in results(inline, "log_id") if each is not None]) == 2


def test_a_result_as_a_tuple_names_each_task_once(inline: Inline) -> None:
    result = chain(add.si(1, 0), group(add.s(1), add.s(2)), group(xsum.s(), xsum.s()), xsum.s()).delay()
    ids: list[str] = []

    def walk(node: Any) -> None:
        (id, parent), members = node
        ids.append(id)
        for each in [*(members or ()), *([parent] if parent else [])]:
            walk(each)

    walk(result.as_tuple())
    assert (len(ids), len(set(ids))) == (8, 8)
