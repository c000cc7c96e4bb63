# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""From one scored rollout to the optimizer updates made on it: which rows, in which update, under which seed.

The order of things is the trainer's (`steps.py`), tensors are packed in `batch.py`; nothing here touches the model.
"""

import torch

from arctic_text2sql_r1.advantages import equal_reward_rows
from arctic_text2sql_r1.advantages import settle_truncated
from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import split_groups
from arctic_text2sql_r1.losses import Objective
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.rollout.base import Rollout
from arctic_text2sql_r1.training.keys import GRPOKeys


def compared_rewards(
    rollout: Rollout, scored: list[ScoredCompletion], objective: Objective, max_new_tokens: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) rewards as training compares them, NaN where a row must not be, and (N,) bool, 1 where a group teaches.

    They differ from the rewards that were paid, and are logged, by what the objective does with truncated
    completions.
    """
    rewards = torch.tensor([float("nan") if row.reward is None else row.reward for row in scored])
    truncated = torch.tensor([completion.truncated for completion in rollout.completions])
    lengths = torch.tensor([len(completion.token_ids) for completion in rollout.completions])
    rewards = settle_truncated(rewards, truncated, lengths, max_new_tokens, objective.truncated_completions)
    return rewards, ~equal_reward_rows(rewards, torch.tensor(rollout.group_ids))


def training_rows(
    rollout: Rollout,
    advantages: torch.Tensor,
    keep: torch.Tensor,
    objective: Objective,
    sampled_elsewhere: bool = False,
) -> list[TrainingRow]:
    """One row per completion of `rollout`, in its order; `advantages` and `keep` (N,).

    With `sampled_elsewhere` the rows carry the sampler's log-probabilities, for importance weights. Raises ValueError
    when a completion does not have one for each token.
    """
    if sampled_elsewhere and any(len(c.logprobs) != len(c.token_ids) for c in rollout.completions):
        raise ValueError(
            "The rollout engine samples elsewhere than the policy is trained, but left out log-probabilities of the "
            "tokens it sampled. Importance weights need one for each: let the engine fill Completion.logprobs."
        )
    masked = objective.truncated_completions == "mask"
    return [
        TrainingRow(
            prompt_ids=rollout.prompts[index],
            completion_ids=completion.token_ids,
            advantage=float(advantages[index]),
            keep=bool(keep[index]),
            counted=not (masked and completion.truncated),
            index=index,
            sampler_logprobs=torch.tensor(completion.logprobs) if sampled_elsewhere else None,
        )
        for index, completion in enumerate(rollout.completions)
    ]


def update_schedule(
    rows: list[TrainingRow], group_ids: list[int], config: GRPOKeys, seed: int
) -> list[list[TrainingRow]]:
    """The rows of each optimizer update on a rollout, in order: inner epochs x updates per inner epoch.

    Every inner epoch deals all groups anew, from `seed` and its own number.
    """
    parts = config.updates_per_inner_epoch
    return [
        [rows[index] for index in part]
        for epoch in range(config.inner_epochs)
        for part in split_groups(group_ids, parts, seed=(seed + epoch) % (1 << 62))
    ]


def rollout_seed(seed: int, step: int, rank: int, round_number: int = 0) -> int:
    """A random seed for one round of one rank's rollout after `step` updates; neighbours share no stream."""
    generator = torch.Generator().manual_seed(seed)
    offsets: list[int] = torch.randint(1 << 30, (3,), generator=generator).tolist()
    place = 1_000_003 * (step + 1) + offsets[1] * (rank + 1) + offsets[2] * round_number
    return (offsets[0] + place) % (1 << 62)
