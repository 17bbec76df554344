"""Calibration: scale p90 by how earlier ones turned out. Pure: no SQL, no clock.

Weighted split-conformal prediction: the factor is the quantile of actual through predicted times. Predictions that were judged
lately count most, so that a change of regime is followed within minutes, and those of similar length more than others. Predictions
whose time is over while their job still runs count as late already: else a slowdown would show only after its jobs have ended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .distributions import quantile
from .model import Prediction

#: seconds after which a judged prediction counts half as much
HALF_LIFE_S = 120.0
#: predictions of exactly the right length that are assumed beforehand, by their weight
PRIOR = 3.0
#: greatest correction, in both directions
MOST = 20.0
#: seconds added to both sides of a ratio: milliseconds more or less are not an error
TOLERANCE_S = 0.25


@dataclass(frozen=True, slots=True)
class Judged:
    """A prediction with the time its job took, in seconds without what was certain; `is_over` False: at least this long, so far."""

    age_s: float  # since it was judged
    p50: float
    p90: float
    took: float
    is_over: bool = True


def calibrate(prediction: Prediction, judged: Sequence[Judged]) -> Prediction:
    """Return the prediction, scaled by how similar ones have turned out lately."""
    fixed = prediction.fixed_s
    late = factor(
        [(_ratio(each.took, each.p90), _weight(each, prediction)) for each in judged if each.is_over or each.took > each.p90], 0.9
    )
    end_p90 = fixed + _scaled(prediction.end_p90 - fixed, late)
    # Not scaled: in bench.forecasts the median of the model is nearer than the calibrated one.
    end_p50 = min(end_p90, prediction.end_p50)
    start_p90 = min(end_p90, fixed + (prediction.start_p90 - fixed) * late)
    start_p50 = min(end_p50, start_p90, prediction.start_p50)
    return Prediction(start_p50, start_p90, end_p50, end_p90, fixed)


def factor(ratios: Sequence[tuple[float, float]], level: float) -> float:
    """Return the quantile of weighted ratios, within MOST; 1 without any."""
    found = quantile(sorted([*ratios, (1.0, PRIOR)]), level)
    return min(MOST, max(1 / MOST, found))


def _ratio(took: float, predicted: float) -> float:
    return (took + TOLERANCE_S) / (predicted + TOLERANCE_S)


def _scaled(seconds: float, by: float) -> float:
    return max(0.0, (seconds + TOLERANCE_S) * by - TOLERANCE_S)


def _weight(judged: Judged, prediction: Prediction) -> float:
    length = prediction.end_p90 - prediction.fixed_s
    apart = abs(math.log((judged.p90 + TOLERANCE_S) / (max(0.0, length) + TOLERANCE_S)))
    return float(0.5 ** (judged.age_s / HALF_LIFE_S) * math.exp(-apart / 2))
