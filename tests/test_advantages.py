# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Advantages against numbers worked out by hand, and the properties they keep whatever the rewards are.

What an advantage then does to the policy is in `test_losses.py`.
"""

from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from arctic_text2sql_r1.advantages import AdvantageBaseline
from arctic_text2sql_r1.advantages import AdvantageScaling
from arctic_text2sql_r1.advantages import GroupSizeError
from arctic_text2sql_r1.advantages import equal_reward_rows
from arctic_text2sql_r1.advantages import group_advantages
from arctic_text2sql_r1.advantages import settle_truncated

NAN = float("nan")
SCALINGS: tuple[AdvantageScaling, ...] = get_args(AdvantageScaling)

# Up to 5 groups of 2 to 6 rewards, each a multiple of 1/8: exact in binary, so equality is never in doubt.
REWARD_GROUPS = st.lists(
    st.lists(st.integers(-16, 16).map(lambda eighths: eighths / 8), min_size=2, max_size=6), min_size=1, max_size=5
)


def flatten(groups: list[list[float]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rewards and group ids of all rows, in float64."""
    rewards = [reward for group in groups for reward in group]
    ids = [index for index, group in enumerate(groups) for _ in group]
    return torch.tensor(rewards, dtype=torch.float64), torch.tensor(ids)


# Groups {0, 1, 1, 0} and {0, 0.1, 0, 0.1}. Means 0.5 and 0.05, so centred +-0.5 and +-0.05.
# "group": sample variances 4 * 0.25 / 3 and 4 * 0.0025 / 3; 0.5 / sqrt(1 / 3) = 0.05 / sqrt(0.01 / 3) = 0.8660254.
# "batch": centred rewards have mean 0 and sum of squares 1 + 0.01, so std = sqrt(1.01 / 7) = 0.3798496.
@pytest.mark.parametrize(
    ("scaling", "loud", "quiet"),
    [("group", 0.8660254, 0.8660254), ("batch", 0.5 / 0.3798496, 0.05 / 0.3798496), ("none", 0.5, 0.05)],
)
def test_a_small_spread_is_as_loud_as_a_large_one_only_when_scaled_by_group(
    scaling: AdvantageScaling, loud: float, quiet: float
) -> None:
    rewards, ids = flatten([[0.0, 1.0, 1.0, 0.0], [0.0, 0.1, 0.0, 0.1]])
    expected = torch.tensor([-loud, loud, loud, -loud, -quiet, quiet, -quiet, quiet], dtype=torch.float64)
    torch.testing.assert_close(group_advantages(rewards, ids, scaling), expected, rtol=1e-6, atol=1e-7)


def test_one_right_among_four_weighs_three_times_each_wrong() -> None:
    # mean 0.25; centred 0.75, -0.25 x 3; sample variance (0.5625 + 3 * 0.0625) / 3 = 0.25, std 0.5.
    advantages = group_advantages(torch.tensor([0.0, 1.0, 0.0, 0.0]), torch.tensor([7, 7, 7, 7]))
    torch.testing.assert_close(advantages, torch.tensor([-0.5, 1.5, -0.5, -0.5]), rtol=1e-6, atol=1e-6)


def test_groups_are_found_by_id_whatever_the_order_of_rows() -> None:
    # Rows of groups 9 and 3 alternate: {1, 0} and {0.1, 0.3}. Cut by position they would be {1, 0.1} and {0, 0.3}.
    rewards, ids = torch.tensor([1.0, 0.1, 0.0, 0.3]), torch.tensor([9, 3, 9, 3])
    torch.testing.assert_close(group_advantages(rewards, ids, "none"), torch.tensor([0.5, -0.1, -0.5, 0.1]))


@given(groups=REWARD_GROUPS, scaling=st.sampled_from(SCALINGS), shuffle=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_reordering_rows_reorders_advantages(groups: list[list[float]], scaling: AdvantageScaling, shuffle) -> None:
    rewards, ids = flatten(groups)
    order = list(range(len(rewards)))
    shuffle.shuffle(order)
    moved = group_advantages(rewards[order], ids[order], scaling)
    torch.testing.assert_close(moved, group_advantages(rewards, ids, scaling)[order], rtol=1e-12, atol=1e-12)


@given(groups=REWARD_GROUPS, scaling=st.sampled_from(SCALINGS))
@settings(max_examples=60, deadline=None)
def test_advantages_of_each_group_sum_to_zero(groups: list[list[float]], scaling: AdvantageScaling) -> None:
    rewards, ids = flatten(groups)
    advantages = group_advantages(rewards, ids, scaling)
    sums = torch.zeros(len(groups), dtype=torch.float64).index_add(0, ids, advantages)
    torch.testing.assert_close(sums, torch.zeros_like(sums), rtol=0.0, atol=1e-9)


@given(groups=REWARD_GROUPS, scaling=st.sampled_from(SCALINGS))
@settings(max_examples=60, deadline=None)
def test_exactly_the_rows_of_equal_groups_count_as_equal(groups: list[list[float]], scaling: AdvantageScaling) -> None:
    rewards, ids = flatten(groups)
    equal = [min(group) == max(group) for group in groups for _ in group]
    assert equal_reward_rows(rewards, ids).tolist() == equal
    assert group_advantages(rewards, ids, scaling)[torch.tensor(equal)].eq(0).all()


@given(groups=REWARD_GROUPS, shift=st.integers(-8, 8))
@settings(max_examples=40, deadline=None)
def test_adding_a_constant_to_all_rewards_changes_nothing(groups: list[list[float]], shift: int) -> None:
    rewards, ids = flatten(groups)
    torch.testing.assert_close(
        group_advantages(rewards + shift, ids), group_advantages(rewards, ids), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("reward", [0.0, 0.1, 1.0, -3.3])
def test_equal_rewards_give_exactly_zero(reward: float, scaling: AdvantageScaling) -> None:
    # The float32 mean of seven times 0.1 is not 0.1, which a division by a tiny spread would make loud.
    rewards, ids = torch.full((7,), reward), torch.zeros(7, dtype=torch.long)
    assert group_advantages(rewards, ids, scaling).tolist() == [0.0] * 7


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_sums_that_differ_in_their_last_bit_are_equal_rewards(dtype: torch.dtype, scaling: AdvantageScaling) -> None:
    total = torch.tensor(0.3, dtype=dtype)
    rewards = torch.stack([total, torch.nextafter(total, torch.tensor(1.0, dtype=dtype)), total])
    assert group_advantages(rewards, torch.tensor([0, 0, 0]), scaling).tolist() == [0.0] * 3
    accumulated = torch.tensor([0.1 + 0.2, 0.3], dtype=dtype)
    assert equal_reward_rows(accumulated, torch.tensor([0, 0])).tolist() == [True, True]


def test_sums_that_cancel_to_nothing_are_equal_to_zero() -> None:
    rewards = torch.tensor([1 - 0.9 - 0.1, 0.0], dtype=torch.float64)  # -2.8e-17 and 0
    assert equal_reward_rows(rewards, torch.tensor([0, 0])).tolist() == [True, True]


@pytest.mark.parametrize("rewards", [[0.0, 1e-4], [1.0, 1.00001], [100.0, 100.01]])
def test_a_small_but_real_difference_is_not_rounding(rewards: list[float]) -> None:
    advantages = group_advantages(torch.tensor(rewards), torch.tensor([0, 0]))
    # Two rewards always end up at +-(d / 2) / (d / sqrt(2)) = +-0.7071, up to STD_EPSILON against d.
    torch.testing.assert_close(advantages, torch.tensor([-0.7071, 0.7071]), rtol=5e-3, atol=0.0)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_an_unscored_row_gets_zero_and_stays_out_of_the_mean(scaling: AdvantageScaling) -> None:
    # {0, NaN, 1}: mean 0.5 over two rows; sample std of (-0.5, 0.5) = sqrt(0.5), the same for group and batch.
    unit = 0.5 if scaling == "none" else 0.5 / 0.5**0.5
    advantages = group_advantages(torch.tensor([0.0, NAN, 1.0]), torch.tensor([4, 4, 4]), scaling)
    torch.testing.assert_close(advantages, torch.tensor([-unit, 0.0, unit]), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("rewards", [[NAN, NAN, NAN], [NAN, 1.0, NAN], [NAN, 1.0, 1.0]])
def test_a_group_without_two_different_scores_teaches_nothing(rewards: list[float], scaling: AdvantageScaling) -> None:
    ids = torch.tensor([0, 0, 0])
    assert group_advantages(torch.tensor(rewards), ids, scaling).tolist() == [0.0] * 3
    assert equal_reward_rows(torch.tensor(rewards), ids).all()


def test_an_unscored_row_of_a_group_with_spread_is_left_out_of_training() -> None:
    equal = equal_reward_rows(torch.tensor([0.0, NAN, 1.0]), torch.tensor([0, 0, 0]))
    assert equal.tolist() == [False, True, False]


def test_a_group_of_one_is_an_error_that_names_the_group() -> None:
    with pytest.raises(GroupSizeError, match=r"\[5\]"):
        group_advantages(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([2, 2, 5]))


def test_rewards_are_left_as_they_were() -> None:
    rewards = torch.tensor([0.0, 1.0])
    group_advantages(rewards, torch.tensor([0, 0]))
    assert rewards.tolist() == [0.0, 1.0]


# The cells of other objectives.


def test_leave_one_out_compares_with_the_mean_of_the_siblings() -> None:
    # {1, 0, 0.5, NaN}: 1 - 0.25, 0 - 0.75, 0.5 - 0.5. {0, 0}: equal, 0.
    rewards = torch.tensor([1.0, 0.0, 0.5, NAN, 0.0, 0.0])
    advantages = group_advantages(rewards, torch.tensor([4, 4, 4, 4, 9, 9]), "none", baseline="leave_one_out")
    torch.testing.assert_close(advantages, torch.tensor([0.75, -0.75, 0.0, 0.0, 0.0, 0.0]))


@given(REWARD_GROUPS)
@settings(max_examples=50, deadline=None)
def test_leave_one_out_equals_its_definition_in_plain_floats(groups: list[list[float]]) -> None:
    rewards, ids = flatten(groups)
    expected = [r - (sum(group) - r) / (len(group) - 1) for group in groups for r in group]
    found = group_advantages(rewards, ids, "none", baseline="leave_one_out").tolist()
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("baseline", get_args(AdvantageBaseline))
@pytest.mark.parametrize("scaling", SCALINGS)
def test_equal_rewards_give_exactly_zero_under_every_baseline(
    scaling: AdvantageScaling, baseline: AdvantageBaseline
) -> None:
    advantages = group_advantages(
        torch.tensor([0.1 + 0.2, 0.3, 1.0, 1.0]), torch.tensor([0, 0, 1, 1]), scaling, baseline
    )
    assert advantages.eq(0).all()


def test_the_deviation_of_the_batch_is_that_of_all_ranks_together() -> None:
    rewards, ids = flatten([[0.0, 1.0, 1.0, 0.0], [0.0, 0.1, 0.0, 0.1], [1.0, 0.0]])
    whole = group_advantages(rewards, ids, "batch")
    ranks = [ids < 2, ids == 2]
    # What the ranks add up, in the order in which they ask: squares (1 + 0.01 + 0.5), then rows (8 + 2).
    for rank in ranks:
        share = group_advantages(rewards[rank], ids[rank], "batch", total=lambda own: 1.51 if own < 1.5 else 10.0)
        torch.testing.assert_close(share, whole[rank])


# Limit 10, so the buffer is 2 tokens: 0 up to 8, -0.5 at 9, -1 at 10, truncated or not.
def test_soft_overlong_punishment_by_hand() -> None:
    rewards = settle_truncated(
        torch.tensor([1.0, 1.0, 1.0, 0.1, NAN, 0.0]),
        truncated=torch.tensor([False, False, False, True, True, False]),
        lengths=torch.tensor([3, 8, 9, 10, 10, 10]),
        max_new_tokens=10,
        treatment="penalize",
    )
    torch.testing.assert_close(rewards, torch.tensor([1.0, 1.0, 0.5, -0.9, NAN, -1.0]), equal_nan=True)


def test_masked_truncated_rows_leave_their_groups_mean() -> None:
    rewards, ids = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0]), torch.tensor([0, 0, 0, 1, 1])
    truncated, lengths = torch.tensor([False, False, True, False, True]), torch.tensor([3, 3, 9, 3, 9])
    masked = settle_truncated(rewards, truncated, lengths, 9, "mask")
    # Group 0 compares 1 and 0 alone; of group 1 one row is left, which has nothing to be compared with.
    assert group_advantages(masked, ids, "none").tolist() == [0.5, -0.5, 0.0, 0.0, 0.0]
    assert equal_reward_rows(masked, ids).tolist() == [False, False, True, True, True]
    assert torch.equal(settle_truncated(rewards, truncated, lengths, 9, "keep"), rewards)
