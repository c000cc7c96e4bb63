# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The policy objective against a slow version in plain Python, and hand calculations for every kind of cell.

Its invariances are in `test_loss_invariances.py`, KL estimators alone in `test_kl.py`, the cells that decide about
rewards in `test_advantages.py`, gradients through a model in `test_logprobs.py`.
"""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.losses import OBJECTIVES
from arctic_text2sql_r1.losses import Aggregation
from arctic_text2sql_r1.losses import policy_loss
from arctic_text2sql_r1.losses import resolve_objective
from tests.slow_losses import TIGHT
from tests.slow_losses import VARIANTS
from tests.slow_losses import gradient
from tests.slow_losses import one_token
from tests.slow_losses import random_case
from tests.slow_losses import row_of
from tests.slow_losses import slow_loss_and_gradient
from tests.slow_losses import two_by_three

# What the papers say, written down a second time: baseline, scaling, ratio, clipped thing, low, high, mean, KL weight.
PUBLISHED = {
    "grpo": ("mean", "group", "token", "ratio", 0.2, 0.2, "token", 0.001),
    "grpo_sequence": ("mean", "group", "token", "ratio", 0.2, 0.2, "sequence", 0.001),
    "dr_grpo": ("mean", "none", "token", "ratio", 0.2, 0.2, "constant", 0.0),
    "dapo": ("mean", "group", "token", "ratio", 0.2, 0.28, "token", 0.0),
    "gspo": ("mean", "group", "sequence", "ratio", 3e-4, 4e-4, "sequence", 0.0),
    "cispo": ("mean", "group", "token", "weight", 1.0, 4.0, "token", 0.0),
    "rloo": ("leave_one_out", "none", "none", "ratio", 0.2, 0.2, "constant", 0.001),
    "reinforce": ("mean", "none", "none", "ratio", 0.2, 0.2, "token", 0.0),
    "reinforce_pp": ("mean", "batch", "token", "ratio", 0.2, 0.2, "token", 0.001),
}


@pytest.mark.parametrize("name", sorted({*OBJECTIVES, *PUBLISHED}))
def test_published_names_stand_for_the_published_choices(name: str) -> None:
    row = OBJECTIVES[name]
    assert (row.advantage_baseline, row.advantage_scaling, row.ratio_level, row.clip_target) == PUBLISHED[name][:4]
    assert (*row.clip_range, row.aggregation, row.kl_coef) == PUBLISHED[name][4:]
    assert (row.dual_clip, row.entropy_coef) == (None, 0.0)
    assert row.truncated_completions == ("mask" if name == "dapo" else "keep")
    assert row.kl_estimator == ("k2" if name in ("rloo", "reinforce_pp") else "k3")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("variant", VARIANTS)
def test_value_and_gradient_equal_the_slow_version(variant: str, seed: int) -> None:
    case = random_case(seed, variant)
    value, slopes = slow_loss_and_gradient(case)
    assert policy_loss(case).loss.item() == pytest.approx(value, rel=1e-10)
    torch.testing.assert_close(gradient(case), torch.tensor(slopes, dtype=torch.float64), **TIGHT)


def test_the_random_cases_meet_every_side_of_every_clip() -> None:
    # Otherwise the comparison above would pass with the clip left out.
    for variant in ("grpo", "dapo", "gspo", "cispo", "dual clip", "dual clip of a sequence", "weight of a sequence"):
        clipped = [policy_loss(random_case(seed, variant)).clipped_tokens.item() for seed in range(3)]
        assert 0 < sum(clipped) < 3 * 9, variant


@pytest.mark.parametrize("variant", [name for name, cells in VARIANTS.items() if cells.ratio_level != "none"])
def test_gradient_passes_gradcheck(variant: str) -> None:
    # Steps of 1e-7: the narrowest clip range, 3e-4, has its kinks that much closer together. A weight is constant by
    # decree, which finite differences cannot know: there the ratio is held at the bound.
    case = random_case(3, variant)
    if case.objective.clip_target == "weight":
        case = replace(case, objective=replace(case.objective, clip_range=(1e-12, 1e-12)))
    assert torch.autograd.gradcheck(
        lambda logprobs: policy_loss(replace(case, policy_logprobs=logprobs)).loss,
        (case.policy_logprobs,),
        eps=1e-7,
        atol=1e-6,
    )


def test_the_entropy_bonus_rewards_entropy_on_counted_tokens_only() -> None:
    # d loss / d entropy is -0.05 / 9 on each of the 9 counted tokens.
    case = random_case(0, "entropy")
    slope = torch.autograd.grad(policy_loss(case).loss, case.entropy)[0]
    torch.testing.assert_close(slope, case.completion_mask * torch.tensor(-0.05 / 9, dtype=torch.float64), **TIGHT)


def test_an_entropy_bonus_without_entropy_is_an_error() -> None:
    with pytest.raises(ValueError, match="entropy_coef is 0.05, but the loss was given no entropy"):
        policy_loss(replace(random_case(0, "entropy"), entropy=None))


# Token costs -min(r A, clip(r) A): row 0: -1, -1.2 (clipped at 1.2); row 1: 0.4 (clipped at 0.8), 0.55, 0.5.
# Row sums -2.2 and 1.45.
@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("token", (-2.2 + 1.45) / 5),
        ("sequence", (-2.2 / 2 + 1.45 / 3) / 2),
        ("constant", (-2.2 + 1.45) / (2 * 4)),
    ],
)
def test_two_by_three_example_by_hand(aggregation: Aggregation, expected: float) -> None:
    output = policy_loss(two_by_three(aggregation))
    assert output.loss.item() == pytest.approx(expected, rel=1e-10)
    assert (output.tokens.item(), output.clipped_tokens.item()) == (5, 2)
    assert output.max_ratio.item() == pytest.approx(1.5)


# A good token is not pushed beyond 1 + clip, a bad one not below 1 - clip; on the other side the pull stays whole.
@pytest.mark.parametrize(
    ("advantage", "ratio", "loss", "slope", "clipped"),
    [
        (1.0, 1.5, -1.2, 0.0, 1),
        (1.0, 0.5, -0.5, -0.5, 0),
        (-1.0, 0.5, 0.8, 0.0, 1),
        (-1.0, 1.5, 1.5, 1.5, 0),
        (1.0, 1.1, -1.1, -1.1, 0),
        (-1.0, 0.9, 0.9, 0.9, 0),
        (0.0, 1.5, 0.0, 0.0, 0),
    ],
)
def test_clipping_stops_only_the_step_that_goes_too_far(
    advantage: float, ratio: float, loss: float, slope: float, clipped: int
) -> None:
    case = one_token(ratio, advantage)
    output = policy_loss(case)
    assert output.loss.item() == pytest.approx(loss)
    assert gradient(case).item() == pytest.approx(slope)
    assert output.clipped_tokens.item() == clipped


# Ratios 2 and 0.5002 have the geometric mean sqrt(1.0004) = 1.00019998, inside (1 - 3e-4, 1 + 4e-4): value -mean,
# slope -mean / 2 on either token. Ratios 2 and 0.51 have sqrt(1.02) = 1.00995, clipped at 1.0004 if A = 1, not if -1.
@pytest.mark.parametrize(
    ("ratios", "advantage", "loss", "slope", "clipped"),
    [
        ([2.0, 0.5002], 1.0, -1.00019998, -0.50009999, 0),
        ([2.0, 0.51], 1.0, -1.0004, 0.0, 2),
        ([2.0, 0.51], -1.0, 1.00995049, 0.50497525, 0),
    ],
)
def test_gspo_by_hand(ratios: list[float], advantage: float, loss: float, slope: float, clipped: int) -> None:
    case = row_of(ratios, advantage, "gspo")
    output = policy_loss(case)
    assert output.loss.item() == pytest.approx(loss, abs=1e-8)
    assert gradient(case).tolist()[0] == pytest.approx([slope, slope], abs=1e-8)
    assert output.clipped_tokens.item() == clipped


def test_cispo_by_hand() -> None:
    # Weights 6 -> 5 (clipped, yet it keeps its gradient), 0.01 (no lower bound), 1; cost -weight x log-probability.
    case = row_of([6.0, 0.01, 1.0], 1.0, "cispo")
    logprobs = [math.log(6) - 2, math.log(0.01) - 2, -2.0]
    output = policy_loss(case)
    assert output.loss.item() == pytest.approx(-(5 * logprobs[0] + 0.01 * logprobs[1] + logprobs[2]))
    assert gradient(case).tolist()[0] == pytest.approx([-5.0, -0.01, -1.0])
    assert output.clipped_tokens.item() == 1


def test_without_ratio_the_sampler_does_not_matter() -> None:
    # Slope -A on every token whatever the ratio is: REINFORCE.
    assert gradient(row_of([6.0, 0.01], 2.0, "rloo")).tolist()[0] == pytest.approx([-2.0, -2.0])


# A = -1, dual clip 3: cost is r up to 3 and stays there, with slope 0.
@pytest.mark.parametrize(("ratio", "loss", "slope"), [(2.9, 2.9, 2.9), (3.1, 3.0, 0.0), (0.5, 0.8, 0.0)])
def test_dual_clip_by_hand(ratio: float, loss: float, slope: float) -> None:
    case = row_of([ratio], -1.0, "grpo", dual_clip=3.0)
    assert policy_loss(case).loss.item() == pytest.approx(loss)
    assert gradient(case).item() == pytest.approx(slope)


def test_a_cell_of_the_recipe_replaces_the_presets_and_nothing_else() -> None:
    cells = resolve_objective("dapo", dict(clip_range=0.1, kl_coef=0.01))
    assert cells == replace(OBJECTIVES["dapo"], clip_range=(0.1, 0.1), kl_coef=0.01)
    assert resolve_objective("gspo", {}) is not None
    assert resolve_objective("grpo", dict(clip_range=[0.2, 0.28])).clip_range == (0.2, 0.28)


@pytest.mark.parametrize(
    ("preset", "cells", "message"),
    [
        ("ppo", {}, "objective 'ppo' is unknown; known: grpo"),
        ("grpo", dict(klip=1), "objective has no cell 'klip'; known: preset, advantage_baseline"),
        ("grpo", dict(kl_estimator="k4"), "kl_estimator 'k4' is unknown; known: k1, k2, k3, k3_corrected"),
        ("grpo", dict(clip_range=(0.2, 0.2, 3.0)), "give one number, or a pair"),
        ("grpo", dict(clip_range=0.0), "0 < low <= 1"),
        ("grpo", dict(clip_range=(1.5, 0.2)), "0 < low <= 1"),
        ("grpo", dict(kl_coef=-0.1), "must be at least 0"),
        ("grpo", dict(entropy_coef=float("nan")), "must be at least 0"),
        ("grpo", dict(dual_clip=1.1), "must lie above 1 \\+ high"),
        ("cispo", dict(dual_clip=9.0), "belongs to clip_target 'ratio'"),
    ],
)
def test_a_cell_that_cannot_be_is_refused(preset: str, cells: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_objective(preset, cells)
