# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Rewards to advantages, compared inside each group of completions of one prompt.

Shapes: `N` rows in any order; a row's group is its entry in `group_ids`, never its position. What a reward is lives
in `rewards/`, what an advantage does to the policy in `losses.py`. Sources: GRPO, arXiv 2402.03300 section 4.1.1;
Dr. GRPO (no division by the standard deviation), arXiv 2503.20783.
"""

from typing import Literal

import torch

AdvantageScaling = Literal["group", "batch", "none"]

STD_EPSILON = 1e-8

# Rewards are weighted sums, and sums that are equal on paper may differ in their last bits (0.1 + 0.2 and 0.3). Two
# that differ by no more than this share count as equal; it is about eight steps of float32.
REWARD_ROUNDING = 1e-6


class GroupSizeError(ValueError):
    """A group holds a single completion, so there is nothing to compare it with."""


def group_advantages(
    rewards: torch.Tensor, group_ids: torch.Tensor, scaling: AdvantageScaling = "group"
) -> torch.Tensor:
    """Each reward minus the mean reward of its group, optionally divided by a standard deviation.

    `rewards` (N,) float, NaN where a row could not be scored; `group_ids` (N,) integer → (N,) float.
    `scaling`: "group" divides by the group's own sample standard deviation (the paper), "batch" by that of all
    centred rewards, "none" leaves rewards' units. NOTE: with rewards {0, 0.1, 1}, "group" makes a group whose only
    spread is 0 against 0.1 as loud as one of 0 against 1.

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
    if scaling == "none":
        return centred
    if scaling == "batch":
        return centred / (centred[scored].std() + STD_EPSILON) if int(scored.sum()) > 1 else centred
    square_sum = torch.zeros(len(groups), dtype=centred.dtype, device=centred.device)
    square_sum = square_sum.index_add(0, member, centred.square())
    std = (square_sum / (size - 1).clamp(min=1)).sqrt()
    return centred / (std[member] + STD_EPSILON)


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
