# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The learning half of a step: a rollout's rows as micro-batches through an engine, update by update.

All ranks make the same number of forward and backward passes: ranks with fewer micro-batches add idle ones. What is
optimised is a row of cells (`losses.py`); nothing here asks for an objective's name. Which rows belong to which update
is in `training/updates.py`, tensors are packed in `batch.py`, rollouts and rewards are the trainer's affair.

The ratio's old log-probabilities are computed before any weight has changed, so they are the sampling policy's; rows
of groups without spread leave loss and KL, but not the denominator.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import nullcontext
from typing import Any

import torch

from arctic_text2sql_r1.batch import MicroBatch
from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import counted_sizes
from arctic_text2sql_r1.batch import idle_row
from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.batch import remember_logprobs
from arctic_text2sql_r1.batch import split_rows
from arctic_text2sql_r1.kl import k3_kl
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import score_rows
from arctic_text2sql_r1.lora import folded_scales
from arctic_text2sql_r1.losses import PolicyLossInput
from arctic_text2sql_r1.losses import loss_denominator
from arctic_text2sql_r1.losses import policy_loss
from arctic_text2sql_r1.packed import pack_groups
from arctic_text2sql_r1.packed import packed_mode
from arctic_text2sql_r1.packed import split_packed
from arctic_text2sql_r1.packed import why_not_packed
from arctic_text2sql_r1.rollout.base import Rollout
from arctic_text2sql_r1.training.memory import naming_settings
from arctic_text2sql_r1.training.memory import prepare_memory
from arctic_text2sql_r1.training.ranks import reduce_max
from arctic_text2sql_r1.training.ranks import reduce_sum
from arctic_text2sql_r1.training.reference import build_reference
from arctic_text2sql_r1.training.statistics import UpdateStatistics
from arctic_text2sql_r1.training.updates import rollout_seed
from arctic_text2sql_r1.training.updates import training_rows
from arctic_text2sql_r1.training.updates import update_schedule


class Learner:
    """Updates the policy of a trainer, whose `loss` and `backward` it calls, so that they may be overridden.

    `trainer.model` is DeepSpeed's engine or, without DeepSpeed, `standalone/engine.py`.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.config = trainer.config
        self.engine = trainer.model
        self.module = trainer.model_unwrapped
        self.reference = build_reference(trainer)
        self.device = trainer.device
        self.pad_token_id = trainer.tokenizer.pad_token_id
        self.statistics = UpdateStatistics()
        self.scoring = Scoring(
            temperature=self.config.temperature, entropy_gradient=self.config.cells.entropy_coef > 0
        )
        self.engine.eval()
        reason = why_not_packed(self.module)
        self.split = split_packed if reason is None else split_rows
        self._packing = pack_groups if reason is None else pack_rows
        layout = "each prompt once, no padding" if reason is None else f"padded rows, since {reason}"
        self.notes = [f"training passes: {layout}", prepare_memory(self)]

    def update(self, rollout: Rollout, advantages: torch.Tensor, keep: torch.Tensor) -> UpdateStatistics:
        """All updates on one rollout; returns what they saw. `advantages` (N,), `keep` (N,) bool.

        Whatever an update after the first will compare itself with is scored before any weight changes.
        """
        elsewhere = self.trainer.engine.samples_elsewhere
        rows = training_rows(rollout, advantages, keep, self.config.cells, sampled_elsewhere=elsewhere)
        seed = rollout_seed(self.config.seed, self.trainer.global_step, self.trainer.global_rank)
        updates = update_schedule(rows, rollout.group_ids, self.config, seed)
        has_reference = self.reference is not None
        exact = self._sampler_is_exact(rollout)
        if exact:
            for row, completion in zip(rows, rollout.completions, strict=True):
                row.old_logprobs = torch.tensor(completion.logprobs)
        for row in updates[0]:
            row.old_logprobs = None  # the update's own pass defines them, so that its ratio is exactly 1
        # Scored in the micro-batches that the first inner epoch trains on, so that both passes round alike.
        for index, update in enumerate(updates[: self.config.updates_per_inner_epoch]):
            for batch in self.micro_batches(update) if has_reference or (index > 0 and not exact) else ():
                if has_reference:
                    remember_logprobs(batch, "ref_logprobs", self.reference_logprobs(batch))
                if index > 0 and not exact:
                    remember_logprobs(batch, "old_logprobs", self.logprobs(batch))
        self.statistics = UpdateStatistics(has_reference=has_reference)
        for update in updates:
            self.optimizer_update(self.micro_batches(update))
        self.statistics.row_kl = {row.index: _mean_kl(row) for row in rows if row.keep and has_reference}
        return self.statistics

    def _sampler_is_exact(self, rollout: Rollout) -> bool:
        """Whether the sampler's log-probabilities are as good as those of another pass: float32, the same program.

        In lower precision they differ by more than rounding, since the adapter or the batch is laid out otherwise.
        Ranks agree, since the other pass is made by all or by none.
        """
        unknown = sum(len(completion.logprobs) != len(completion.token_ids) for completion in rollout.completions)
        known = reduce_max(unknown, self.device) == 0
        return known and not self.trainer.engine.samples_elsewhere and self.config.dtype == torch.float32

    def optimizer_update(self, micro_batches: list[MicroBatch]) -> None:
        """One optimizer step on the summed gradients of `micro_batches`."""
        self.engine.train()
        for index, micro_batch in enumerate(micro_batches):
            self.engine.set_gradient_accumulation_boundary(index == len(micro_batches) - 1)
            with self.reading(micro_batch), naming_settings("A training pass", micro_batch):
                loss = self.trainer.loss(micro_batch)
                self.trainer.backward(loss)
            self.statistics.loss += float(loss.detach())
        guards = self.trainer.guards
        # After all backward passes, in which ranks wait for each other, and before any weight changes.
        guards.require_finite(dict(loss=self.statistics.loss, KL=self.statistics.sums["kl"]), micro_batches)
        self.statistics.learning_rate = self.engine.get_lr()[0]
        self.engine.step()
        self.engine.eval()
        self.statistics.updates += 1
        self.statistics.grad_norm = float(self.engine.get_global_grad_norm() or 0.0)
        if self.config.dtype != torch.float16:  # float16's loss scaling skips such updates by itself
            # DeepSpeed's optimizers say infinity, some of its helpers -1.
            norm = self.statistics.grad_norm if self.statistics.grad_norm >= 0 else math.nan
            guards.require_finite({"gradient norm": norm}, micro_batches)
        self.trainer.count_update()

    def loss(self, batch: MicroBatch) -> torch.Tensor:
        """The objective of one micro-batch, scaled so that the engine's mean over ranks is the update's true mean.

        Rows of a rollout's first update get their `old_logprobs` here: no weight has changed since they were sampled.
        """
        with self.reading(batch):
            policy_logprobs, entropy = score_rows(self.engine, self.module, batch, self.scoring)
        remember_logprobs(batch, "policy_logprobs", policy_logprobs)
        if batch.old_logprobs is None:
            remember_logprobs(batch, "old_logprobs", policy_logprobs)
        assert batch.old_logprobs is not None
        output = policy_loss(
            PolicyLossInput(
                policy_logprobs=policy_logprobs,
                old_logprobs=batch.old_logprobs,
                ref_logprobs=batch.ref_logprobs,
                completion_mask=batch.completion_mask,
                advantages=batch.advantages,
                kl_rows=batch.kl_rows,
                denominator=batch.denominator,
                objective=self.config.cells,
                entropy=entropy,
                sampler_logprobs=batch.sampler_logprobs,
            )
        )
        self.statistics.add(output, entropy_sum=entropy.detach().sum())
        ranks: int = self.trainer.world_size
        return output.loss * ranks

    def reference_logprobs(self, batch: MicroBatch) -> torch.Tensor:
        """(N, T) log-probabilities under the reference, see `training/reference.py`."""
        assert self.reference is not None, "without a KL term there is no reference"
        with self.reference.in_force() as module:
            return self._score(module, batch)

    def logprobs(self, batch: MicroBatch) -> torch.Tensor:
        """(N, T) log-probabilities under the weights as they are, without gradient."""
        return self._score(self.module, batch)

    def _score(self, module: torch.nn.Module, batch: MicroBatch) -> torch.Tensor:
        with torch.no_grad(), self.reading(batch, module):
            return score_rows(module, module, batch, self.scoring)[0]

    @contextmanager
    def reading(self, batch: MicroBatch, module: torch.nn.Module | None = None) -> Iterator[None]:
        """Inside, `module` (unset: the policy) reads the layout of `batch`; a backward pass belongs inside as well."""
        model = module or self.module
        with packed_mode(model) if "layout" in batch.inputs else nullcontext(), folded_scales(model):
            yield

    def pack(self, rows: list[TrainingRow], denominator: float = 1.0) -> MicroBatch:
        """One micro-batch in the layout that this model can read."""
        return self._packing(rows, self.pad_token_id, denominator, self.device)

    def micro_batches(self, rows: list[TrainingRow]) -> list[MicroBatch]:
        """`rows` as equally many micro-batches on every rank, with the denominator of all ranks' rows together."""
        parts = self.split(rows, self.config.tokens_per_micro_batch)
        count = max(1, int(reduce_max(len(parts), self.device)))
        parts += [[idle_row(self.pad_token_id)] for _ in range(count - len(parts))]
        tokens, completions = counted_sizes(rows)
        denominator = loss_denominator(
            self.config.cells.aggregation,
            tokens=int(reduce_sum(tokens, self.device)),
            completions=int(reduce_sum(completions, self.device)),
            max_new_tokens=self.config.max_new_tokens,
        )
        return [self.pack(part, denominator) for part in parts]


def _mean_kl(row: TrainingRow) -> float:
    """Divergence from the reference per token of one row, as its latest pass saw it, in nats."""
    if row.policy_logprobs is None or row.ref_logprobs is None or len(row.completion_ids) == 0:
        return 0.0
    return float(k3_kl(row.policy_logprobs, row.ref_logprobs).mean())
