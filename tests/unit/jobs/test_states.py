"""The one table of moves."""

from __future__ import annotations

import pytest

from src.jobs.core.states import FINAL, MOVES, WAITING, State, allowed, require, sources


def test_every_state_has_its_row() -> None:
    assert set(MOVES) == set(State)


def test_every_state_is_waiting_running_or_final_and_only_one_of_them() -> None:
    assert WAITING | FINAL | {State.RUNNING} == set(State)
    assert not WAITING & FINAL


def test_a_final_state_is_left_only_to_be_queued_or_to_wait_for_its_turn_again_and_success_never() -> None:
    assert {target for state in FINAL for target in MOVES[state]} == {State.QUEUED, State.SCHEDULED}
    assert MOVES[State.DEAD] == {State.QUEUED}
    assert not MOVES[State.SUCCEEDED]


def test_only_a_queued_job_starts() -> None:
    assert sources(State.RUNNING) == {State.QUEUED}


def test_only_a_running_job_succeeds_retries_or_dies() -> None:
    for target in (State.SUCCEEDED, State.RETRYING, State.DEAD):
        assert sources(target) == {State.RUNNING}


def test_every_waiting_job_can_be_cancelled() -> None:
    assert all(allowed(state, State.CANCELLED) for state in WAITING)


def test_no_state_moves_to_itself() -> None:
    assert not [state for state in State if allowed(state, state)]


def test_a_move_that_the_table_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="from succeeded to running; see MOVES"):
        require(State.SUCCEEDED, State.RUNNING)
