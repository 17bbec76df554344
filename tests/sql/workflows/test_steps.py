"""Steps that wait for steps: released, blocked, cancelled and retried by every ending."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from src.jobs import State, search
from src.jobs.control import actions as control_actions
from src.jobs.control import edits, workflows
from src.jobs.core.errors import JobsError, NotAllowed
from src.jobs.core.models import Job, Worker
from src.jobs.core.workflow_models import Fate
from src.jobs.leases.workers import take_over
from src.jobs.relay.due_jobs import expire, release_due
from src.jobs.search import texts
from src.jobs.submit import defaults
from src.jobs.workflows.canvas import Workflow, outcome_of, result_of
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, look
from tests.harness.jobs import submitted as one_submitted
from tests.harness.workflows import Hand, message, submitted, view


def states(database: Database, receipt: Any) -> dict[str, str]:
    return {step.name: step.state.value for step in view(database, receipt).steps}


@pytest.fixture
def hand(database: Database) -> Hand:
    return Hand(database)


def test_a_step_waits_as_a_row_and_is_queued_in_the_commit_that_ends_the_last_step_before_it(database: Database, hand: Hand) -> None:
    workflow = Workflow("sum")
    a, b = workflow.step(message(1, 2), name="a"), workflow.step(message(3, 4), name="b")
    workflow.step(message(result_of(a), result_of(b), actor="mul"), name="c")
    receipt = submitted(database, workflow)
    waiting = look(database, receipt.jobs["c"])

    hand.end(receipt.jobs["a"], result=3)
    between = look(database, receipt.jobs["c"])
    hand.end(receipt.jobs["b"], result=7)
    ready = look(database, receipt.jobs["c"])

    assert (waiting.state, waiting.reason, waiting.due_at, waiting.publish_at) == (State.SCHEDULED, "waits for steps a, b", None, None)
    assert between.state is State.SCHEDULED
    assert (ready.state, ready.reason, ready.args, ready.waits_for) == (State.QUEUED, None, [3, 7], None)
    assert ready.publish_at is not None


def test_results_are_filled_into_lists_objects_and_keywords(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    many = [workflow.step(message(n)) for n in range(3)]
    last = workflow.step(message({"all": result_of(many), "first": [result_of(many[0])]}, {"$result_of": "x", "more": 1}), name="last")
    receipt = submitted(database, workflow)
    for number, step in enumerate(many):
        hand.end(receipt.jobs[step.name], result={"$result_of": number})

    # A result that looks like a placeholder is a value like any other.
    assert look(database, receipt.jobs[last.name]).args == [
        {"all": [{"$result_of": 0}, {"$result_of": 1}, {"$result_of": 2}], "first": [{"$result_of": 0}]},
        {"$result_of": "x", "more": 1},
    ]


def test_a_dead_step_blocks_what_is_behind_it_and_its_retry_lets_the_rest_go_on(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    b = workflow.step(message(result_of(a)), name="b")
    c = workflow.step(message(result_of(b)), name="c")
    receipt = submitted(database, workflow)

    hand.end(receipt.jobs["a"], State.DEAD, error="ValueError: no")
    blocked = view(database, receipt)
    with database.write() as session:
        control_actions.retry(session, receipt.jobs["a"])
    again = view(database, receipt)
    for step in (a, b, c):
        hand.end(receipt.jobs[step.name], result=step.name)

    assert blocked.state == "blocked"
    assert [(step.reason, step.fate) for step in blocked.steps[1:]] == [("blocked: step a is dead", Fate.BLOCKED)] * 2
    assert [(step.state, step.reason, step.fate) for step in again.steps] == [
        (State.QUEUED, None, None),
        (State.SCHEDULED, "waits for step a", None),
        (State.SCHEDULED, "waits for step b", None),
    ]
    assert view(database, receipt).state == "succeeded"
    assert look(database, receipt.jobs["c"]).args == ["b"]


def test_with_on_dead_cancel_later_steps_are_cancelled_and_wait_again_after_a_retry(database: Database, hand: Hand) -> None:
    workflow = Workflow(on_dead="cancel")
    a = workflow.step(message(), name="a")
    b = workflow.step(message(), name="b", after=a)
    workflow.step(message(), name="c", after=b)
    receipt = submitted(database, workflow)

    hand.end(receipt.jobs["a"], State.DEAD)
    cancelled = view(database, receipt)
    with database.write() as session:
        assert workflows.retry(session, receipt.id) == 1

    assert [(step.state, step.reason) for step in cancelled.steps[1:]] == [(State.CANCELLED, "cancelled: step a is dead")] * 2
    assert states(database, receipt) == {"a": "queued", "b": "scheduled", "c": "scheduled"}
    for name in "abc":
        hand.end(receipt.jobs[name])
    assert view(database, receipt).state == "succeeded"


def test_of_two_dead_steps_both_must_be_retried(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    a, b = workflow.step(message(), name="a"), workflow.step(message(), name="b")
    workflow.step(message(), name="c", after=[a, b])
    receipt = submitted(database, workflow)
    hand.end(receipt.jobs["a"], State.DEAD)
    hand.end(receipt.jobs["b"], State.DEAD)

    with database.write() as session:
        control_actions.retry(session, receipt.jobs["a"])
    assert look(database, receipt.jobs["c"]).reason == "blocked: step b is dead"
    hand.end(receipt.jobs["a"])
    assert look(database, receipt.jobs["c"]).state is State.SCHEDULED
    with database.write() as session:
        control_actions.retry(session, receipt.jobs["b"])
    hand.end(receipt.jobs["b"])
    assert look(database, receipt.jobs["c"]).state is State.QUEUED


@pytest.mark.parametrize("fails", [False, True])
def test_when_says_on_which_end_a_step_runs(database: Database, hand: Hand, fails: bool) -> None:
    workflow = Workflow()
    a, b = workflow.step(message(), name="a"), workflow.step(message(), name="b")
    for when in ("success", "error", "always"):
        workflow.step(message(outcome_of([a, b])), name=when, when=when, after=[a, b])
    receipt = submitted(database, workflow)

    hand.end(receipt.jobs["a"], State.DEAD if fails else State.SUCCEEDED, error="E: no" if fails else None, result=1)
    hand.end(receipt.jobs["b"], result=2)

    found = states(database, receipt)
    del found["a"], found["b"]
    if fails:
        assert found == {"success": "scheduled", "error": "queued", "always": "queued"}
        args = look(database, receipt.jobs["error"]).args
        assert [(outcome["step"], outcome["state"], outcome["error"]) for outcome in args[0]] == [
            ("a", "dead", "E: no"),
            ("b", "succeeded", None),
        ]
    else:
        assert found == {"success": "queued", "error": "cancelled", "always": "queued"}
        assert (look(database, receipt.jobs["error"]).reason or "").startswith("not needed")


def test_callbacks_that_have_run_do_not_run_again_after_a_retry(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    for when in ("success", "error", "always"):
        workflow.step(message(), name=when, when=when, after=a)
    receipt = submitted(database, workflow)
    hand.end(receipt.jobs["a"], State.DEAD)
    hand.end(receipt.jobs["error"])
    hand.end(receipt.jobs["always"])

    with database.write() as session:
        control_actions.retry(session, receipt.jobs["a"])
    hand.end(receipt.jobs["a"])
    hand.end(receipt.jobs["success"])

    assert view(database, receipt).state == "succeeded"
    assert {name: look(database, id).attempt for name, id in receipt.jobs.items()} == {"a": 2, "success": 1, "error": 1, "always": 1}


def test_a_blocked_step_counts_as_failed_for_the_callbacks_behind_it(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    b = workflow.step(message(), name="b", after=a)
    workflow.step(message(), name="alarm", after=b, when="error")
    receipt = submitted(database, workflow)

    hand.end(receipt.jobs["a"], State.DEAD)

    assert states(database, receipt) == {"a": "dead", "b": "scheduled", "alarm": "queued"}


def test_steps_behind_an_unneeded_step_are_not_needed_either(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    alarm = workflow.step(message(), name="alarm", after=a, when="error")
    workflow.step(message(), name="mail", after=alarm)
    workflow.step(message(), name="sweep", after=alarm, when="always")
    receipt = submitted(database, workflow)

    hand.end(receipt.jobs["a"])

    assert states(database, receipt) == {"a": "succeeded", "alarm": "cancelled", "mail": "cancelled", "sweep": "queued"}
    hand.end(receipt.jobs["sweep"])
    assert view(database, receipt).state == "succeeded"


def test_a_retrying_or_held_step_has_not_ended(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    a, b = workflow.step(message(), name="a"), workflow.step(message(), name="b")
    workflow.step(message(), name="c", after=[a, b], when="always")
    receipt = submitted(database, workflow)

    hand.end(receipt.jobs["a"], State.RETRYING)
    hand.end(receipt.jobs["b"], State.HELD)
    assert states(database, receipt) == {"a": "retrying", "b": "held", "c": "scheduled"}
    with database.write() as session:
        control_actions.retry(session, receipt.jobs["a"])
        control_actions.discard(session, receipt.jobs["b"])
    hand.end(receipt.jobs["a"])

    assert states(database, receipt) == {"a": "succeeded", "b": "cancelled", "c": "queued"}


def test_cancel_expiry_and_the_loss_of_the_worker_are_ends_too(database: Database, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = Workflow()
    roots = [workflow.step(message(), name=name) for name in ("cancelled", "lost", "given_back")]
    roots.append(workflow.step(message(), name="expired", expires_at=now() - timedelta(seconds=1)))
    for root in roots:
        workflow.step(message(), name=f"after {root.name}", after=root)
    receipt = submitted(database, workflow)

    with database.write() as session:
        control_actions.cancel(session, receipt.jobs["cancelled"])
        assert expire(session) == 1
        session.execute(update(Job).where(Job.id == receipt.jobs["lost"]).values(crashes=2))
    assert claim(database, hand.worker, receipt.jobs["lost"]) is not None
    with database.write() as session:
        session.execute(update(Worker).values(expires_at=now() - timedelta(hours=1)))
        assert take_over(session) == 1

    reasons = {step.name: step.reason for step in view(database, receipt).steps}
    assert reasons["after cancelled"] == "blocked: step cancelled is cancelled"
    assert reasons["after expired"] == "blocked: step expired is expired"
    assert reasons["after lost"] == "blocked: step lost is dead"


@pytest.mark.both_stores
def test_a_step_that_was_cancelled_while_it_waited_waits_again_after_a_retry(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    b = workflow.step(message(result_of(a)), name="b")
    workflow.step(message(), name="c", after=b)
    receipt = submitted(database, workflow)
    with database.write() as session:
        control_actions.cancel(session, receipt.jobs["b"])
    hand.end(receipt.jobs["a"], result=5)
    assert states(database, receipt) == {"a": "succeeded", "b": "cancelled", "c": "scheduled"}

    with database.write() as session:
        control_actions.retry(session, receipt.jobs["b"])

    assert look(database, receipt.jobs["b"]).args == [5]
    assert states(database, receipt) == {"a": "succeeded", "b": "queued", "c": "scheduled"}
    assert look(database, receipt.jobs["c"]).reason == "waits for step b"


def test_a_waiting_step_cannot_be_run_before_its_turn(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    workflow.step(message(result_of(a)), name="b")
    receipt = submitted(database, workflow)

    with database.write() as session, pytest.raises(NotAllowed, match="waits for step a"):
        control_actions.run_now(session, receipt.jobs["b"])


@pytest.mark.both_stores
def test_an_expiry_that_an_operator_gives_a_waiting_step_counts_more_than_its_actors(database: Database, hand: Hand) -> None:
    before = defaults.of("add")
    defaults.declare("add", defaults.Defaults(expires_after=timedelta(minutes=5)))
    try:
        workflow = Workflow()
        a = workflow.step(message(), name="a")
        for name in ("b", "c"):
            workflow.step(message(), name=name, after=a)
        receipt = submitted(database, workflow)
    finally:
        defaults.declare("add", before)
    with database.write() as session:
        edits.edit(session, receipt.jobs["b"], edits.Edit(expires_at=now() + timedelta(days=2)))

    hand.end(receipt.jobs["a"])

    left = [look(database, receipt.jobs[name]).expires_at for name in ("b", "c")]
    assert [round((at - now()) / timedelta(minutes=1)) for at in left if at is not None] == [2_880, 5]


@pytest.mark.both_stores
@pytest.mark.parametrize("way", ["cancelled", "expired"])
def test_retrying_a_workflow_brings_back_steps_that_ended_while_they_were_blocked(
    database: Database, hand: Hand, time: StillClock, way: str
) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    b = workflow.step(message(), name="b", after=a, expires_at=now() + timedelta(hours=1))
    workflow.step(message(), name="c", after=b, expires_at=now() + timedelta(hours=1))
    receipt = submitted(database, workflow)
    hand.end(receipt.jobs["a"], State.DEAD)
    if way == "cancelled":
        with database.write() as session:
            workflows.cancel(session, receipt.id)
    else:
        time.forward(3_700)
        with database.write() as session:
            assert expire(session) == 2
    assert states(database, receipt) == {"a": "dead", "b": way, "c": way}

    with database.write() as session:
        assert workflows.retry(session, receipt.id) == 3

    hand = Hand(database)
    for name in "abc":
        hand.end(receipt.jobs[name])
    assert states(database, receipt) == {"a": "succeeded", "b": "succeeded", "c": "succeeded"}


@pytest.mark.both_stores
def test_a_step_is_not_retried_while_the_next_ones_unique_key_is_taken_and_says_so(database: Database, hand: Hand) -> None:
    workflow = Workflow(on_dead="cancel")
    a = workflow.step(message(), name="a")
    workflow.step(message(), name="b", after=a, unique_key="report")
    receipt = submitted(database, workflow)
    hand.end(receipt.jobs["a"], State.DEAD)
    other = one_submitted(database, unique_key="report")

    for retry in (partial(control_actions.retry, id=receipt.jobs["a"]), partial(workflows.retry, id=receipt.id)):
        with database.write() as session, pytest.raises(NotAllowed, match="another job of that step's unique key"):
            retry(session)
        assert states(database, receipt) == {"a": "dead", "b": "cancelled"}
    with database.write() as session:
        control_actions.cancel(session, other.id)
    with database.write() as session:
        workflows.retry(session, receipt.id)
    assert states(database, receipt) == {"a": "queued", "b": "scheduled"}


@pytest.mark.both_stores
def test_cancelling_a_workflow_ends_all_of_it_and_retrying_it_starts_only_what_had_not_succeeded(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    b = workflow.step(message(), name="b", after=a)
    workflow.step(message(), name="c", after=a)
    workflow.step(message(), name="d", after=b)
    workflow.step(message(), name="sweep", after=b, when="always")
    receipt = submitted(database, workflow)
    hand.end(receipt.jobs["a"])
    running = claim(database, hand.worker, receipt.jobs["c"])

    with database.write() as session:
        assert workflows.cancel(session, receipt.id) == 4
    asked = look(database, receipt.jobs["c"])
    cancelled = states(database, receipt)
    assert running is not None
    with database.write() as session:
        assert workflows.retry(session, receipt.id) == 3

    assert (asked.state, asked.cancel_requested) == (State.RUNNING, True)
    assert cancelled == {"a": "succeeded", "b": "cancelled", "c": "running", "d": "cancelled", "sweep": "cancelled"}
    assert states(database, receipt) == {"a": "succeeded", "b": "queued", "c": "running", "d": "scheduled", "sweep": "scheduled"}
    with database.write() as session, pytest.raises(NotAllowed, match="no step"):
        workflows.retry(session, receipt.id)


@pytest.mark.both_stores
def test_a_delay_and_an_instant_hold_from_the_turn_on(database: Database, hand: Hand) -> None:
    workflow = Workflow()
    a = workflow.step(message(), name="a")
    workflow.step(message(), name="later", after=a, delay=timedelta(hours=1))
    tomorrow = now() + timedelta(days=1)
    workflow.step(message(), name="tomorrow", after=a, due_at=tomorrow)
    receipt = submitted(database, workflow)

    hand.end(receipt.jobs["a"])

    later, not_before = look(database, receipt.jobs["later"]), look(database, receipt.jobs["tomorrow"])
    assert later.state is State.SCHEDULED
    assert later.due_at is not None
    assert timedelta(minutes=59) < later.due_at - now() < timedelta(minutes=61)
    assert not_before.due_at == tomorrow
    with database.write() as session:
        assert release_due(session) == []
        control_actions.run_now(session, receipt.jobs["later"])
    assert look(database, receipt.jobs["later"]).state is State.QUEUED


@pytest.mark.both_stores
def test_a_workflow_is_all_or_nothing(database: Database) -> None:
    workflow = Workflow()
    workflow.step(message("fine"))
    workflow.step(message(object()))

    with pytest.raises(JobsError), database.write() as session:
        workflow.submit(session)

    with database.read() as session:
        assert workflows.page(session).workflows == []


def test_messages_are_submitted_once(database: Database) -> None:
    workflow = Workflow()
    workflow.step(message())
    submitted(database, workflow)

    with pytest.raises(JobsError, match="submitted before"):
        submitted(database, workflow)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda w: w.step(message(), after="nobody"), "after"),
        (lambda w: w.step(message(result_of("nobody"))), "after"),
        (lambda w: w.step(message({"$result_of": 7})), "args"),
        (lambda w: w.step(message(), when="sometimes"), "when"),
        (lambda w: (w.step(message(), name="a"), w.step(message(), name="a")), "name"),
        (lambda w: Workflow(on_dead="explode"), "on_dead"),
    ],
)
def test_a_mistake_in_building_names_its_field(build: Any, field: str) -> None:
    with pytest.raises(JobsError) as caught:
        build(Workflow())
    assert caught.value.field == field


def test_arguments_that_grow_too_large_end_the_step_with_the_reason(
    database: Database, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = Workflow()
    many = [workflow.step(message(), name=f"m{number}") for number in range(3)]
    workflow.step(message(result_of(many)), name="all")
    workflow.step(message(), name="alarm", after="all", when="error")
    receipt = submitted(database, workflow)
    for step in many:
        hand.end(receipt.jobs[step.name], result="x" * 400_000)

    last = look(database, receipt.jobs["all"])
    assert last.state is State.CANCELLED
    assert "bytes of JSON" in (last.reason or "")
    assert look(database, receipt.jobs["alarm"]).state is State.QUEUED


def test_the_last_two_ends_committed_at_once_release_the_next_step_exactly_once(database: Database) -> None:
    for _ in range(5):
        workflow = Workflow()
        many = [workflow.step(message(), name=f"m{number}") for number in range(8)]
        workflow.step(message(result_of(many)), name="all")
        receipt = submitted(database, workflow)
        hands = [Hand(database) for _ in many]
        together = threading.Barrier(len(many))
        problems: list[BaseException] = []

        def end(hand: Hand, id: str, together: threading.Barrier = together, problems: list[BaseException] = problems) -> None:
            together.wait()
            try:
                hand.end(id, result=1)
            except BaseException as error:
                problems.append(error)
                raise

        threads = [threading.Thread(target=end, args=(hand, receipt.jobs[step.name])) for hand, step in zip(hands, many, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems
        assert look(database, receipt.jobs["all"]).args == [[1] * 8]
        assert look(database, receipt.jobs["all"]).state is State.QUEUED


def test_cancels_retries_and_ends_that_meet_do_not_lock_each_other_out(database: Database) -> None:
    workflow = Workflow()
    roots = [workflow.step(message(), name=f"root{number}") for number in range(12)]
    for root in roots:
        workflow.step(message(), name=f"after {root.name}", after=root)
    workflow.step(message(), name="last", after=roots, when="always")
    receipt = submitted(database, workflow)
    hand = Hand(database)
    problems: list[BaseException] = []

    def attempt(action: Any) -> None:
        try:
            action()
        except (NotAllowed, AssertionError):
            pass  # the other one was first
        except BaseException as error:
            problems.append(error)
            raise

    def cancel(name: str) -> None:
        with database.write() as session:
            control_actions.cancel(session, receipt.jobs[name])

    actions: list[Any] = []
    for root in roots:
        actions.append(lambda name=root.name: hand.end(receipt.jobs[name]))
        actions.append(lambda name=root.name: cancel(f"after {name}"))
        actions.append(lambda name=root.name: cancel(name))
    threads = [threading.Thread(target=attempt, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    last = look(database, receipt.jobs["last"])
    roots_ended = all(look(database, receipt.jobs[root.name]).state.is_final for root in roots)
    assert (last.state is State.QUEUED) == roots_ended


@pytest.mark.both_stores
def test_a_search_finds_the_arguments_that_a_step_has_got(database: Database, hand: Hand) -> None:
    workflow = Workflow("found")
    first = workflow.step(message(1), name="first")
    workflow.step(message(result_of(first)), name="second")
    with texts.search_fields.replaced(lambda _actor, args, _kwargs: {"args": args}):
        receipt = submitted(database, workflow)
        with database.write() as session:
            texts.write_new(session)
        hand.end(receipt.jobs["first"], result="parcel-777")
        with database.read() as session:
            found = {word: [one.id for one in search.find(session, search.parse(word)).jobs] for word in ("parcel-777", "$result_of")}
    assert found == {"parcel-777": [receipt.jobs["second"]], "$result_of": []}
