# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Rewards to advantages, compared inside each group of completions of one prompt.

Shapes: `N` rows in any order; a row's group is its entry in `group_ids`, never its position. What a reward is lives
in `rewards/`, what an advantage does to the policy in `losses.py`. Sources: GRPO, arXiv 2402.03300 section 4.1.1;
Dr. GRPO (no division by the standard deviation), arXiv 2503.20783; leave-one-out, arXiv 2402.14740; deviation of the
whole batch, arXiv 2501.03262; truncated completions, arXiv 2503.14476 section 3.4.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch

AdvantageBaseline = Literal["mean", "leave_one_out"]
AdvantageScaling = Literal["group", "batch", "none"]
Truncated = Literal["keep", "mask", "penalize"]

STD_EPSILON = 1e-8

# Rewards are weighted sums, and sums that are equal on paper may differ in their last bits (0.1 + 0.2 and 0.3). Two
# that differ by no more than this share count as equal; it is about eight steps of float32.
REWARD_ROUNDING = 1e-6

# The last fifth of the length limit is where a soft punishment rises: 4,096 of 20,480 tokens in arXiv 2503.14476.
PENALIZED_SHARE = 0.2


class GroupSizeError(ValueError):
    """A group holds a single completion, so there is nothing to compare it with."""


def _own(value: float) -> float:
    return value


def group_advantages(
    rewards: torch.Tensor,
    group_ids: torch.Tensor,
    scaling: AdvantageScaling = "group",
    baseline: AdvantageBaseline = "mean",
    total: Callable[[float], float] = _own,
) -> torch.Tensor:
    """Each reward minus the baseline of its group, optionally divided by a standard deviation.

    `rewards` (N,) float, NaN where a row could not be scored; `group_ids` (N,) integer → (N,) float.
    `baseline`: "mean" of the group, or "leave_one_out", the mean of the row's n - 1 siblings, which makes each
    advantage n / (n - 1) times as large. `scaling` divides by the sample deviation of the rewards around their
    group's mean: of the same group (the paper), of the whole "batch", or not ("none", leaving rewards' units).
    `total` sums a number over ranks; with "batch" every rank calls it twice. NOTE: with rewards {0, 0.1, 1}, "group"
    makes a group whose only spread is 0 against 0.1 as loud as one of 0 against 1.

    A group whose rewards are all equal gets exactly 0, see `equal_reward_rows`. A NaN row gets 0 and stays out of
    its group's mean. Advantages of a group always sum to 0. Raises `GroupSizeError` for a group of one.
    """
    groups, member, counts = torch.unique(group_ids, return_inverse=True, return_counts=True)
    if bool((counts < 2).any()):
        lonely = groups[counts < 2].tolist()
        raise GroupSizeError(f"Groups {lonely} hold one completion; comparing within a group needs at least 2.")
    scored = ~torch.isnan(rewards)
    centred, size = _centre(rewards, member, scored, len(groups))
    centred = torch.where(equal_reward_rows(rewards, group_ids), torch.zeros_like(centred), centred)
    advantages = centred
    if baseline == "leave_one_out":
        # r - (S - r) / (n - 1) = n / (n - 1) (r - S / n)
        advantages = centred * (size / (size - 1).clamp(min=1))[member]
    if scaling == "batch":
        # Group means are 0, so the mean of all centred rewards is 0 too.
        square_total, row_total = total(float(centred.square().sum())), total(float(scored.sum()))
        return advantages / (math.sqrt(square_total / max(1.0, row_total - 1)) + STD_EPSILON)
    if scaling == "group":
        square_sum = torch.zeros(len(groups), dtype=centred.dtype, device=centred.device)
        square_sum = square_sum.index_add(0, member, centred.square())
        std = (square_sum / (size - 1).clamp(min=1)).sqrt()
        return advantages / (std[member] + STD_EPSILON)
    return advantages


def settle_truncated(
    rewards: torch.Tensor, truncated: torch.Tensor, lengths: torch.Tensor, max_new_tokens: int, treatment: Truncated
) -> torch.Tensor:
    """(N,) rewards as training compares them, after what is done about completions that the length limit ended.

    `rewards` (N,), NaN where unscored; `truncated` (N,) bool; `lengths` (N,) in tokens. "keep" changes nothing.
    "mask" makes truncated rows NaN: neither trained nor part of their group's mean. "penalize" adds the soft overlong
    punishment, 0 up to the last fifth of the limit L, then linear to -1 at the limit:
    (0.8 L - length) / (0.2 L), also for completions that ended there by themselves. Source: arXiv 2503.14476
    equation 13. NOTE: its scale is that of a reward whose best is 1; a right result at the limit is then worth 0.
    """
    if treatment == "mask":
        return rewards.masked_fill(truncated, float("nan"))
    if treatment == "penalize":
        buffer = PENALIZED_SHARE * max_new_tokens
        return rewards + ((max_new_tokens - buffer - lengths) / buffer).clamp(min=-1.0, max=0.0).to(rewards.dtype)
    return rewards


def equal_reward_rows(rewards: torch.Tensor, group_ids: torch.Tensor) -> torch.Tensor:
    """(N,) bool, 1 where the row's group offers nothing to learn: its scored rewards are all equal.

    Equal means equal up to rounding (`REWARD_ROUNDING`): dividing by the standard deviation would otherwise turn the
    last bit of a sum into an advantage as loud as that of right against wrong. A group with no scored row, or only
    one, counts as equal. Unscored (NaN) rows are always 1.
    """
    groups, member = torch.unique(group_ids, return_inverse=True)
    scored = ~torch.isnan(rewards)
    high = torch.full((len(groups),), -torch.inf, dtype=rewards.dtype, device=rewards.device)
    low = torch.full((len(groups),), torch.inf, dtype=rewards.dtype, device=rewards.device)
    high = high.scatter_reduce(0, member[scored], rewards[scored], "amax")
    low = low.scatter_reduce(0, member[scored], rewards[scored], "amin")
    equal = torch.isclose(high, low, rtol=REWARD_ROUNDING, atol=STD_EPSILON)
    return equal[member] | ~scored


def _centre(
    rewards: torch.Tensor, member: torch.Tensor, scored: torch.Tensor, group_count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rewards minus group mean (0 for unscored rows), and the number of scored rows of each group."""
    value = torch.where(scored, rewards, torch.zeros_like(rewards))
    zeros = torch.zeros(group_count, dtype=rewards.dtype, device=rewards.device)
    size = zeros.index_add(0, member, scored.to(rewards.dtype))
    mean = zeros.index_add(0, member, value) / size.clamp(min=1)
    return torch.where(scored, value - mean[member], torch.zeros_like(value)), size
