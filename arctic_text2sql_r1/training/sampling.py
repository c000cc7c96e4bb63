# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Which sampled groups a step trains on, and dynamic sampling: groups that teach nothing give way to fresh prompts.

With `dynamic_sampling: K`, a rank whose groups do not all have spread samples as many fresh prompts, scores them, and
so on, at most K times; what is then still missing is filled with groups without spread, so that every rank trains on
its full number of prompts whatever came out. Ranks decide together: a further round is made by all or by none, and all
sample as many prompts in it as the rank that lacks most. Sampling itself may be collective (ZeRO-3), batch by batch of
`rollout.max_batch_rows`, and the others would wait for that rank anyway.

Fresh prompts are a stream of their own, drawn from (seed, number of the rollout) over the training prompts outside
this rollout and dealt out to the ranks in turn. The order of the epochs is not touched, and a resumed run draws the
same. Source: arXiv 2503.14476 section 3.2. Sampling and scoring are the trainer's hooks; which rewards count as equal
is `advantages.equal_reward_rows`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.rollout.base import Rollout
from arctic_text2sql_r1.training.order import PromptBatchSampler
from arctic_text2sql_r1.training.ranks import reduce_max
from arctic_text2sql_r1.training.updates import compared_rewards


@dataclass(frozen=True)
class ScoredRollout:
    """A rollout's N rows with what they earned, all in the same order.

    `rewards` (N,) as training compares them, NaN where unscored; `keep` (N,) bool, 1 where the row's group has
    spread; `fresh` (N,) bool, 1 where the prompt came from a further round.
    """

    rollout: Rollout
    scored: list[ScoredCompletion]
    rewards: torch.Tensor
    keep: torch.Tensor
    fresh: torch.Tensor

    @property
    def group_ids(self) -> torch.Tensor:
        """(N,) int64."""
        return torch.tensor(self.rollout.group_ids)

    def rows(self, indices: list[int]) -> "ScoredRollout":
        """These rows alone, in this order."""
        return ScoredRollout(
            rollout=self.rollout.rows(indices),
            scored=[self.scored[index] for index in indices],
            rewards=self.rewards[indices],
            keep=self.keep[indices],
            fresh=self.fresh[indices],
        )

    def joined(self, other: "ScoredRollout") -> "ScoredRollout":
        """The rows of both; the other's groups are numbered after these."""
        return ScoredRollout(
            rollout=self.rollout.joined(other.rollout),
            scored=self.scored + other.scored,
            rewards=torch.cat([self.rewards, other.rewards]),
            keep=torch.cat([self.keep, other.keep]),
            fresh=torch.cat([self.fresh, other.fresh]),
        )


def sample_step(trainer: Any, batch: dict[str, Any]) -> tuple[ScoredRollout, list[int]]:
    """Everything a step samples and scores, and the rows to train on: of as many groups as `batch` has prompts."""
    wanted = len(batch["prompts"])
    sampled = _sample(trainer, batch, round_number=0)
    loader = trainer.train_dataloader
    rollout_number = trainer.global_step // trainer.config.updates_per_rollout
    prompts = fresh_prompts(loader.batch_sampler, rollout_number)
    for round_number in range(1, trainer.config.dynamic_sampling + 1):
        lacking = int(reduce_max(wanted - len(groups_with_spread(sampled)), trainer.device))
        if lacking <= 0:
            break
        indices = list(islice(prompts, lacking))
        fresh = loader.collate_fn([loader.dataset[index] for index in indices])
        sampled = sampled.joined(_sample(trainer, fresh, round_number))
    return sampled, rows_to_train(sampled, wanted)


def _sample(trainer: Any, batch: dict[str, Any], round_number: int) -> ScoredRollout:
    """One round; the hooks find its number in the batch under `round`."""
    with trainer.metrics.phase("seconds_generate"):
        rollout = trainer.generate_candidates({**batch, "round": round_number})
    with trainer.metrics.phase("seconds_reward"):
        scored = trainer.compute_rewards(rollout)
    rewards, keep = compared_rewards(rollout, scored, trainer.config.cells, trainer.config.max_new_tokens)
    return ScoredRollout(rollout, scored, rewards, keep, fresh=torch.full(keep.shape, round_number > 0))


def groups_with_spread(sampled: ScoredRollout) -> list[int]:
    """Ids of the groups that teach something, in the order in which they were sampled."""
    return sorted(set(sampled.group_ids[sampled.keep].tolist()))


def rows_to_train(sampled: ScoredRollout, wanted: int) -> list[int]:
    """Rows of `wanted` groups, in their order: the first with spread, filled up with the first of the others.

    A surplus of groups with spread, which the last round may bring, is left out.
    """
    spread = groups_with_spread(sampled)
    others = sorted(set(sampled.rollout.group_ids) - set(spread))
    chosen = set((spread + others)[:wanted])
    return [row for row, group in enumerate(sampled.rollout.group_ids) if group in chosen]


def fresh_prompts(sampler: PromptBatchSampler, rollout_number: int) -> Iterator[int]:
    """This rank's share of all prompts outside that rollout, shuffled anew for each rollout; begins again at the end.

    With no prompt outside the rollout its own are drawn again. Ranks that take equally many never share a prompt.
    """
    taken = set(sampler.rollout_prompts(rollout_number))
    outside = [prompt for prompt in range(sampler.size) if prompt not in taken] or list(range(sampler.size))
    # Another stream than the epochs' permutations, whose seeds are small multiples.
    generator = torch.Generator().manual_seed((sampler.seed * 1_000_003 + rollout_number + (1 << 40)) % (1 << 62))
    order = [outside[place] for place in torch.randperm(len(outside), generator=generator).tolist()]
    place = sampler.rank
    while True:
        yield order[place % len(order)]
        place += sampler.world_size
