"""The model of forecasts, its calibration and the clearing of backlogs, with made-up numbers."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.jobs.forecasts.calibration import MOST, Judged, calibrate
from src.jobs.forecasts.clearing import Flow, Load, clear
from src.jobs.forecasts.distributions import lognormal, mean, quantile, variation
from src.jobs.forecasts.model import Gate, Prediction, Situation, predict, remaining, weighted

seconds = st.floats(0, 10_000)
runs = st.lists(st.floats(0.001, 1_000), min_size=30, max_size=60).map(weighted)
gates = st.builds(Gate, turns=st.floats(0, 1e5), per_s=st.floats(0.01, 1e4), spread=st.floats(0, 3), uncertainty=st.floats(0, 0.5))
situations = st.builds(Situation, gates=st.lists(gates, max_size=3), due_s=seconds, paused_s=seconds)
verdicts = st.lists(st.builds(Judged, age_s=seconds, p50=seconds, p90=seconds, took=seconds, is_over=st.booleans()), max_size=30)


@given(situations, runs)
def test_a_later_quantile_is_never_earlier_and_no_end_before_its_start(situation: Situation, known: list[tuple[float, float]]) -> None:
    found = predict(situation, known)

    assert 0 <= found.start_p50 <= found.start_p90
    assert found.start_p50 <= found.end_p50 <= found.end_p90
    assert found.start_p50 >= situation.fixed_s


@given(situations, runs, st.floats(1, 1e4))
def test_more_jobs_ahead_never_make_it_earlier(situation: Situation, known: list[tuple[float, float]], more: float) -> None:
    longer = replace(situation, gates=[replace(gate, turns=gate.turns + more) for gate in situation.gates])

    assert predict(longer, known).start_p50 >= predict(situation, known).start_p50 - 1e-9


@given(situations, runs, verdicts)
def test_calibration_keeps_the_order_and_what_is_certain(
    situation: Situation, known: list[tuple[float, float]], judged: list[Judged]
) -> None:
    raw = predict(situation, known)

    said = calibrate(raw, judged)

    assert said.start_p50 <= said.start_p90 <= said.end_p90
    assert said.start_p50 <= said.end_p50 <= said.end_p90
    assert said.end_p90 <= raw.fixed_s + (raw.end_p90 - raw.fixed_s + 1) * MOST
    assert said.end_p50 >= raw.fixed_s


def test_without_judged_forecasts_nothing_is_scaled() -> None:
    raw = Prediction(1, 2, 3, 4)

    assert calibrate(raw, []).end_p90 == pytest.approx(4)


def test_jobs_that_take_three_times_as_long_triple_the_forecast() -> None:
    raw = Prediction(5, 8, 10, 20)
    judged = [Judged(10, 10, 20, 60) for _ in range(50)]

    assert calibrate(raw, judged).end_p90 == pytest.approx(60, rel=0.02)


def test_a_job_that_is_overdue_counts_before_it_ends() -> None:
    raw = Prediction(5, 8, 10, 20)
    judged = [Judged(0, 10, 20, 100, is_over=False) for _ in range(50)]

    assert calibrate(raw, judged).end_p90 > 90


def test_new_verdicts_replace_those_of_an_earlier_regime() -> None:
    raw = Prediction(5, 8, 10, 20)
    before = [Judged(700 + age, 10, 20, 100) for age in range(200)]
    since = [Judged(age * 5, 10, 20, 20) for age in range(60)]

    assert calibrate(raw, before + since).end_p90 == pytest.approx(20, rel=0.05)


def test_nine_of_ten_drawn_from_the_history_end_before_its_p90() -> None:
    draw = random.Random(3)
    known = weighted([draw.lognormvariate(0, 0.8) for _ in range(400)])
    p90 = predict(Situation(), known).end_p90

    assert sum(draw.lognormvariate(0, 0.8) < p90 for _ in range(2_000)) / 2_000 == pytest.approx(0.9, abs=0.06)


@given(runs, st.floats(0, 5_000))
def test_a_running_job_has_time_left_however_long_it_runs(known: list[tuple[float, float]], elapsed: float) -> None:
    assert quantile(remaining(known, elapsed), 0.9) > 0


@given(st.floats(0.01, 1e5), st.floats(0, 1e6))
def test_quantiles_of_a_lognormal_distribution_ascend(middle: float, variance: float) -> None:
    assert 0 < lognormal(middle, variance, 0.5) <= lognormal(middle, variance, 0.9)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.1, 1)), min_size=1, max_size=20))
def test_weighted_figures_lie_among_the_samples(samples: list[tuple[float, float]]) -> None:
    samples.sort()
    values = [value for value, _ in samples]

    assert min(values) <= quantile(samples, 0.5) <= max(values)
    assert min(values) * 0.999 <= mean(samples) <= max(values) * 1.001
    assert variation(samples) >= 0


LOAD = Load([Flow("mail", 600, 0.0, 1.0), Flow("export", 60, 0.0, 10.0)], threads=4)


def test_a_backlog_takes_its_work_divided_by_the_threads() -> None:
    assert clear(LOAD).p50 == pytest.approx(1_200 / 4, rel=0.1)
    assert clear(replace(LOAD, threads=8)).p50 == pytest.approx(1_200 / 8, rel=0.1)


def test_a_limit_decides_if_it_is_slower_than_the_threads() -> None:
    limited = replace(LOAD, most_per_s=1.0)

    assert clear(limited).p50 == pytest.approx(660, rel=0.05)
    assert clear(limited).bottleneck == "the queue's limit"


def test_a_pause_is_added_with_what_arrives_meanwhile() -> None:
    arriving = replace(LOAD, flows=[replace(LOAD.flows[0], arriving_per_s=1.0), LOAD.flows[1]], paused_s=100.0)

    assert clear(arriving).p50 == pytest.approx(100 + (1_200 + 100) / (4 - 1), rel=0.1)
    assert clear(replace(arriving, paused_s=None)).reason == "paused until it is resumed"


def test_a_backlog_that_grows_is_never_gone() -> None:
    growing = replace(LOAD, flows=[replace(LOAD.flows[0], arriving_per_s=5.0)])

    assert clear(growing).p50 is None
    assert clear(growing).reason == "jobs arrive faster than they start (the threads)"


@given(st.integers(1, 10_000), st.floats(0.01, 10), st.integers(1, 64), st.floats(0.5, 100))
def test_more_threads_and_higher_limits_never_take_longer(waiting: int, busy: float, threads: int, most: float) -> None:
    load = Load([Flow("a", waiting, 0.0, busy)], threads=threads, most_per_s=most)
    [slow, wider, faster] = [clear(each).p50 for each in (load, replace(load, threads=threads * 2), replace(load, most_per_s=most * 2))]

    assert slow is not None
    assert wider is not None
    assert faster is not None
    assert wider <= slow * 1.000001
    assert faster <= slow * 1.000001
