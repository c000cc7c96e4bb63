# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A slow, independent version of the policy objective, and the cases that tests hold against it.

`slow_loss_and_gradient` shares no code with the package: per row, per token, with the derivative written out.
"""

import math
from dataclasses import replace
from typing import Any

import torch

from arctic_text2sql_r1.losses import OBJECTIVES
from arctic_text2sql_r1.losses import Aggregation
from arctic_text2sql_r1.losses import Objective
from arctic_text2sql_r1.losses import PolicyLossInput
from arctic_text2sql_r1.losses import loss_denominator
from arctic_text2sql_r1.losses import policy_loss
from arctic_text2sql_r1.losses import resolve_objective

MAX_NEW_TOKENS = 7
TENSORS = (
    "policy_logprobs",
    "old_logprobs",
    "ref_logprobs",
    "entropy",
    "completion_mask",
    "advantages",
    "kl_rows",
    "sampler_logprobs",
)
TIGHT = dict(rtol=1e-10, atol=1e-12)

# Cells no preset sets, each beside one that it has to work with.
VARIANTS: dict[str, Objective] = {
    **OBJECTIVES,
    "dual clip": Objective(dual_clip=1.5),
    "dual clip of a sequence": Objective(ratio_level="sequence", clip_range=(0.1, 0.1), dual_clip=1.2),
    "weight of a sequence": Objective(ratio_level="sequence", clip_target="weight", clip_range=(0.1, 0.1)),
    "weight without ratio": Objective(ratio_level="none", clip_target="weight"),
    "entropy": Objective(entropy_coef=0.05),
    "importance cap": Objective(importance_cap=1.1),
    "no importance weights": Objective(importance_cap=None),
    "entropy of sequences": Objective(entropy_coef=0.05, aggregation="sequence", kl_coef=0.0),
    **{f"kl {name}": Objective(kl_estimator=name) for name in ("k1", "k2", "k3_corrected")},
}


def random_case(seed: int, variant: str = "grpo", lengths: tuple[int, ...] = (5, 3, 1, 0)) -> PolicyLossInput:
    """Float64 inputs with ratios on both sides of the clip range and one row outside the KL term, whose weight is 0.3.

    The logs of the ratios are as small as the clip range is, so that some are clipped and some are not. Another
    program has sampled, with importance ratios on both sides of the cap.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), 5)

    def noise(scale: float) -> torch.Tensor:
        return scale * torch.randn(shape, generator=generator, dtype=torch.float64)

    old = -noise(1.0).abs() - 0.1
    mask = torch.arange(5) < torch.tensor(lengths).unsqueeze(1)
    objective = replace(VARIANTS[variant], kl_coef=0.3)
    return PolicyLossInput(
        policy_logprobs=(old + noise(min(2.0, 2 * objective.clip_range[1]))).requires_grad_(),
        old_logprobs=old,
        ref_logprobs=old + noise(0.5),
        completion_mask=mask,
        advantages=torch.randn(len(lengths), generator=generator, dtype=torch.float64),
        kl_rows=torch.tensor([index != 1 for index in range(len(lengths))]),
        denominator=loss_denominator(objective.aggregation, int(mask.sum()), len(lengths), MAX_NEW_TOKENS),
        objective=objective,
        entropy=noise(1.0).abs().requires_grad_(),
        sampler_logprobs=old + noise(1.0),
    )


def gradient(case: PolicyLossInput) -> torch.Tensor:
    """d loss / d policy_logprobs, (N, T)."""
    return torch.autograd.grad(policy_loss(case).loss, case.policy_logprobs)[0]


def slow_loss_and_gradient(case: PolicyLossInput) -> tuple[float, list[list[float]]]:
    """The objective's value and its derivative by each policy log-probability, token by token in plain floats."""
    cells = case.objective
    # detached: plain numbers from here on
    case = replace(case, policy_logprobs=case.policy_logprobs.detach(), entropy=case.entropy.detach())
    mask = case.completion_mask.tolist()
    total, slopes = 0.0, [[0.0] * len(row) for row in mask]
    divisors = dict(token=sum(map(sum, mask)), sequence=len(mask), constant=len(mask) * MAX_NEW_TOKENS)
    for i, row in enumerate(mask):
        steps = [t for t, counts in enumerate(row) if counts]
        divisor = divisors[cells.aggregation] * (len(steps) if cells.aggregation == "sequence" else 1)
        gaps = {t: float(case.policy_logprobs[i, t] - case.old_logprobs[i, t]) for t in steps}
        for t in steps:
            cost, pulls = slow_surrogate(case, i, t, gaps)
            weight = slow_importance(case, i, t)
            cost, pulls = weight * cost, {step: weight * pull for step, pull in pulls.items()}
            if case.kl_rows[i]:
                kl, kl_slope = slow_kl(
                    cells.kl_estimator, float((case.policy_logprobs - case.ref_logprobs)[i, t]), gaps[t]
                )
                cost += cells.kl_coef * kl
                pulls[t] = pulls.get(t, 0.0) + cells.kl_coef * kl_slope
            cost -= cells.entropy_coef * float(case.entropy[i, t])
            total += cost / divisor
            for step, pull in pulls.items():
                slopes[i][step] += pull / divisor
    return total, slopes


def slow_importance(case: PolicyLossInput, i: int, t: int) -> float:
    """One token's importance weight."""
    if case.sampler_logprobs is None or case.objective.importance_cap is None:
        return 1.0
    return min(math.exp(float(case.old_logprobs[i, t] - case.sampler_logprobs[i, t])), case.objective.importance_cap)


def slow_surrogate(case: PolicyLossInput, i: int, t: int, gaps: dict[int, float]) -> tuple[float, dict[int, float]]:
    """One token's cost, and its derivative by the log-probability of each step of its row."""
    cells, advantage, (low, high) = case.objective, float(case.advantages[i]), case.objective.clip_range
    level = cells.ratio_level
    gap = {"token": gaps[t], "sequence": sum(gaps.values()) / len(gaps), "none": 0.0}[level]
    ratio = math.exp(gap)
    # The ratio's derivative: the whole of it by this token, or 1 / length of it by each token of the completion.
    reach = {step: ratio / len(gaps) for step in gaps} if level == "sequence" else {t: ratio}
    if cells.clip_target == "weight":
        weight = min(max(ratio, 1 - low), 1 + high)
        return -weight * advantage * float(case.policy_logprobs[i, t]), {t: -weight * advantage}
    if advantage > 0 and ratio > 1 + high:
        return -(1 + high) * advantage, {}
    if advantage < 0 and ratio < 1 - low:
        return -(1 - low) * advantage, {}
    if advantage < 0 and cells.dual_clip is not None and ratio > cells.dual_clip:
        return -cells.dual_clip * advantage, {}
    return -ratio * advantage, {step: -slope * advantage for step, slope in reach.items()}


def slow_kl(estimator: str, gap: float, to_sampler: float) -> tuple[float, float]:
    """Value and derivative by the policy's log-probability; `gap` is policy - ref, `to_sampler` policy - old."""
    k3 = math.exp(-gap) + gap - 1
    weight = math.exp(to_sampler)
    return {
        "k1": (gap, 1.0),
        "k2": (gap * gap / 2, gap),
        "k3": (k3, 1 - math.exp(-gap)),
        "k3_corrected": (weight * k3, weight * k3 + weight * (1 - math.exp(-gap))),
    }[estimator]


def two_by_three(aggregation: Aggregation) -> PolicyLossInput:
    """Ratios (1, 1.5, masked) with advantage 1 and (0.5, 1.1, 1) with advantage -0.5; no KL."""
    ratios = torch.tensor([[1.0, 1.5, 9.0], [0.5, 1.1, 1.0]], dtype=torch.float64)
    return PolicyLossInput(
        policy_logprobs=(ratios.log() - 2.0).requires_grad_(),
        old_logprobs=torch.full_like(ratios, -2.0),
        ref_logprobs=None,
        completion_mask=torch.tensor([[True, True, False], [True, True, True]]),
        advantages=torch.tensor([1.0, -0.5], dtype=torch.float64),
        kl_rows=torch.tensor([True, True]),
        denominator=loss_denominator(aggregation, tokens=5, completions=2, max_new_tokens=4),
        objective=Objective(aggregation=aggregation),
    )


def one_token(ratio: float, advantage: float) -> PolicyLossInput:
    """A single token with that ratio and advantage, clip range 0.2, no KL, denominator 1."""
    case = two_by_three("token")
    return replace(
        case,
        policy_logprobs=torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True),
        old_logprobs=torch.zeros(1, 1, dtype=torch.float64),
        completion_mask=torch.tensor([[True]]),
        advantages=torch.tensor([advantage], dtype=torch.float64),
        kl_rows=torch.tensor([True]),
        denominator=1.0,
    )


def row_of(ratios: list[float], advantage: float, preset: str, **cells: Any) -> PolicyLossInput:
    """One completion with those ratios, old log-probabilities -2, no KL, denominator 1."""
    tensor = torch.tensor([ratios], dtype=torch.float64)
    return replace(
        two_by_three("token"),
        policy_logprobs=(tensor.log() - 2.0).requires_grad_(),
        old_logprobs=torch.full_like(tensor, -2.0),
        completion_mask=torch.ones_like(tensor, dtype=torch.bool),
        advantages=torch.tensor([advantage], dtype=torch.float64),
        kl_rows=torch.tensor([True]),
        denominator=1.0,
        objective=resolve_objective(preset, cells),
    )
