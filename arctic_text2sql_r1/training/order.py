# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Which prompts each rollout and each evaluation takes, by number; where they come from is in `questions.py`."""

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from arctic_text2sql_r1.errors import DataError


class PromptBatchSampler(Sampler[list[int]]):
    """The prompts of each rollout: a seeded permutation per epoch, cut into global batches, one stripe per rank.

    The same global batches come out for any number of ranks. `set_position` moves to a rollout of an epoch, which is
    how a resumed run continues where it stopped; the length always counts a whole epoch. Leftover prompts that do
    not fill a rollout wait for the next epoch's permutation.
    """

    def __init__(self, *, size: int, prompts_per_rank: int, rank: int, world_size: int, seed: int) -> None:
        self.size, self.rank, self.world_size, self.seed = size, rank, world_size, seed
        self.prompts_per_rank = prompts_per_rank
        self.epoch = 0
        self.first_batch = 0

    def set_position(self, epoch: int, first_batch: int = 0) -> None:
        """The next iteration serves `epoch`'s permutation from rollout `first_batch` on."""
        self.epoch, self.first_batch = epoch, first_batch

    def require_one_batch(self) -> None:
        """Raises `DataError` when there are not enough prompts for a single rollout."""
        if len(self) == 0:
            needed = self.prompts_per_rank * self.world_size
            raise DataError(
                f"One rollout takes {needed} prompts ({self.prompts_per_rank} per rank x {self.world_size} ranks) but "
                f"only {self.size} are left after filtering. Lower micro_batch_size x gradient_accumulation_steps, or "
                "add questions."
            )

    def __len__(self) -> int:
        return self.size // (self.prompts_per_rank * self.world_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order(self.epoch)
        for batch in range(self.first_batch, len(self)):
            start = (batch * self.world_size + self.rank) * self.prompts_per_rank
            yield order[start : start + self.prompts_per_rank]

    def rollout_prompts(self, rollout_number: int) -> list[int]:
        """The prompts of all ranks in the rollout of that number, counted from the start of the run."""
        epoch, batch = divmod(rollout_number, len(self))
        per_rollout = self.prompts_per_rank * self.world_size
        return self._order(epoch)[batch * per_rollout : (batch + 1) * per_rollout]

    def _order(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order: list[int] = torch.randperm(self.size, generator=generator).tolist()
        return order


def evaluation_batches(size: int, rows_per_batch: int, rank: int, world_size: int) -> list[list[int]]:
    """A rank's share of `size` questions in batches; rows come again so that all ranks have equally many."""
    shard = [row % size for row in range(rank, _round_up(size, world_size), world_size)]
    return [shard[start : start + rows_per_batch] for start in range(0, len(shard), rows_per_batch)]


def evaluated_rows(size: int, count: int | None, seed: int) -> list[int]:
    """The questions of every evaluation, in their order: `count` of `size`, drawn by the seed; None takes all."""
    if count is None or count >= size:
        return list(range(size))
    generator = torch.Generator().manual_seed(seed)
    return sorted(torch.randperm(size, generator=generator)[:count].tolist())


def own_rows(size: int, rank: int, world_size: int) -> int:
    """How many of a rank's evaluation rows are its own; what follows them repeats other rows to even out the ranks."""
    return len(range(rank, size, world_size))


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
