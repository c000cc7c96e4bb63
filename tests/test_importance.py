# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Importance weights by hand; inside the objective they are compared with the slow version in `test_losses.py`."""

import math
from dataclasses import replace

import pytest
import torch

from arctic_text2sql_r1.importance import ImportanceSums
from arctic_text2sql_r1.importance import importance_weights
from arctic_text2sql_r1.losses import Objective
from arctic_text2sql_r1.losses import policy_loss
from tests.slow_losses import gradient
from tests.slow_losses import random_case

# Ratios trainer / sampler 0.5, 1, 3 and a masked token.
OLD = torch.tensor([[0.5, 1.0, 3.0, 1.0]]).log()
SAMPLER = torch.tensor([[0.0, 0.0, 0.0, math.nan]])
MASK = torch.tensor([[True, True, True, False]])


def weights_and_sums(cap: float | None) -> tuple[list[float], ImportanceSums]:
    weights, sums = importance_weights(OLD, SAMPLER, MASK, cap)
    return weights[0].tolist(), sums


@pytest.mark.parametrize(("cap", "expected"), [(2.0, [0.5, 1.0, 2.0, 1.0]), (None, [1.0, 1.0, 1.0, 1.0])])
def test_weights_are_the_ratios_up_to_the_cap(cap: float | None, expected: list[float]) -> None:
    assert weights_and_sums(cap)[0] == pytest.approx(expected)


@pytest.mark.parametrize(("cap", "capped"), [(2.0, 1), (4.0, 0), (None, 0)])
def test_sums_are_taken_before_the_cap_over_counted_tokens(cap: float | None, capped: int) -> None:
    sums = weights_and_sums(cap)[1]
    assert (int(sums.tokens), int(sums.capped_tokens)) == (3, capped)
    assert float(sums.ratio_sum) == pytest.approx(4.5)
    assert float(sums.max_ratio) == pytest.approx(3.0)
    assert float(sums.distance_sum) == pytest.approx(math.log(2) + math.log(3))


def test_a_sampler_that_agrees_with_the_trainer_moves_nothing() -> None:
    case = random_case(0)
    agreed = replace(case, sampler_logprobs=case.old_logprobs)
    unweighted = replace(case, sampler_logprobs=None)
    assert policy_loss(agreed).loss.item() == policy_loss(unweighted).loss.item()
    assert torch.equal(gradient(agreed), gradient(unweighted))


def test_the_kl_term_is_not_weighted() -> None:
    case = replace(random_case(1), advantages=torch.zeros(4, dtype=torch.float64))
    assert torch.equal(gradient(case), gradient(replace(case, sampler_logprobs=None)))
    assert gradient(case).abs().max() > 0


def test_the_random_cases_meet_both_sides_of_the_cap() -> None:
    # Otherwise the comparison with the slow version would pass with the cap left out.
    for variant in ("grpo", "importance cap"):
        sums = [policy_loss(random_case(seed, variant)).importance for seed in range(3)]
        assert 0 < sum(int(one.capped_tokens) for one in sums if one is not None) < 3 * 9, variant


def test_tokens_that_the_sampler_thought_impossible_stay_finite() -> None:
    weights, sums = importance_weights(torch.zeros(1, 1), torch.full((1, 1), -9999.0), torch.ones(1, 1).bool(), 2.0)
    assert weights.item() == 2.0
    assert sums.ratio_sum.isfinite()


@pytest.mark.parametrize("cap", [0.5, float("inf"), float("nan")])
def test_a_cap_that_cannot_be_is_refused(cap: float) -> None:
    with pytest.raises(ValueError, match="importance_cap is .*must be at least 1"):
        Objective(importance_cap=cap)
