# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Paired statistics against numbers computed by hand or published."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.evaluation.compare import compare
from arctic_text2sql_r1.evaluation.compare import mcnemar_exact
from arctic_text2sql_r1.evaluation.compare import paired_difference_ci95
from arctic_text2sql_r1.evaluation.metrics import Outcome

MakeOutcome = Callable[..., Outcome]


def outcomes(outcome: MakeOutcome, rights: list[bool | None], text: str = "same") -> list[Outcome]:
    return [outcome(f"q{index}", correct=right, completion=text) for index, right in enumerate(rights)]


def test_wins_losses_and_ties_are_paired_by_id_not_by_position(outcome: MakeOutcome) -> None:
    baseline = outcomes(outcome, [True, True, False, False])
    trained = outcomes(outcome, [True, False, True, False])
    paired = compare(baseline, list(reversed(trained)))
    assert (paired.n, paired.both_right, paired.both_wrong) == (4, 1, 1)
    assert (paired.wins, paired.losses, paired.difference) == (("q2",), ("q1",), 0.0)


def test_a_question_whose_gold_failed_for_either_model_is_not_paired(outcome: MakeOutcome) -> None:
    paired = compare(outcomes(outcome, [None, True, False]), outcomes(outcome, [True, None, True]))
    assert (paired.n, paired.wins) == (1, ("q2",))


def test_changed_completions_are_listed_even_where_the_verdict_is_the_same(outcome: MakeOutcome) -> None:
    trained = [outcome("q0", correct=True, completion="other"), outcome("q1", correct=True, completion="same")]
    assert compare(outcomes(outcome, [True, True]), trained).changed == ("q0",)


def test_only_first_samples_are_paired(outcome: MakeOutcome) -> None:
    second = outcome("q0", correct=True, sample=1)
    assert compare([*outcomes(outcome, [False]), second], [*outcomes(outcome, [False]), second]).both_wrong == 1


def test_models_asked_different_questions_cannot_be_compared(outcome: MakeOutcome) -> None:
    with pytest.raises(DataError, match="1 questions were predicted by one model only, first 'q1'"):
        compare(outcomes(outcome, [True]), outcomes(outcome, [True, True]))


def test_exact_mcnemar_equals_the_binomial_sum() -> None:
    # 5 wins, 1 loss: 2 * (C(6,0) + C(6,1)) / 2**6 = 14 / 64
    assert mcnemar_exact(wins=5, losses=1) == pytest.approx(14 / 64)
    assert mcnemar_exact(wins=1, losses=5) == pytest.approx(14 / 64)
    assert mcnemar_exact(wins=0, losses=0) == 1.0


def test_paired_interval_equals_the_published_example() -> None:
    # Newcombe 1998, method 10, e f g h = 36 12 2 0: 0.0569 to 0.3404
    assert paired_difference_ci95(36, wins=12, losses=2, n=50) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_paired_interval_corrects_a_positive_correlation_for_continuity() -> None:
    # e f g h = 10 3 1 6: phi = (10 * 6 - 3 * 1 - 20 / 2) / sqrt(13 * 7 * 11 * 9); Wilson of 13/20 and 11/20 by hand
    phi = 47 / math.sqrt(9009)
    after_low, before_high = 0.65 - 0.432853, 0.741806 - 0.55
    low = 0.1 - math.sqrt(after_low**2 - 2 * phi * after_low * before_high + before_high**2)
    assert paired_difference_ci95(10, wins=3, losses=1, n=20)[0] == pytest.approx(low, abs=1e-4)


def test_paired_interval_is_near_the_bootstrap_on_many_pairs() -> None:
    differences = np.repeat([1, -1, 0], [150, 60, 290])
    sampled = stats.bootstrap((differences,), np.mean, method="percentile", n_resamples=4000, rng=0)
    wanted = (sampled.confidence_interval.low, sampled.confidence_interval.high)
    assert paired_difference_ci95(200, wins=150, losses=60, n=500) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(("both_right", "wins"), [(0, 3), (3, 0), (0, 0)])
def test_three_pairs_never_give_an_interval_without_width(both_right: int, wins: int) -> None:
    low, high = paired_difference_ci95(both_right, wins=wins, losses=0, n=3)
    assert -1 <= low <= wins / 3 <= high <= 1
    assert high - low > 0.5


def test_no_pairs_give_no_figures() -> None:
    paired = compare([], [])
    assert (paired.n, paired.difference, paired.ci95, paired.p_value) == (0, None, None, 1.0)
