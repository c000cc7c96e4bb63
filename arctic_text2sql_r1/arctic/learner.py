# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The learning half of a step: a rollout's rows as micro-batches through DeepSpeed's engine, update by update.

All ranks make the same number of forward and backward passes: ranks with fewer micro-batches add idle ones. What is
optimised is a row of cells (`losses.py`); nothing here asks for an objective's name. Which rows belong to which update
is in `arctic/updates.py`, tensors are packed in `batch.py`, rollouts and rewards are the trainer's affair.

The ratio's old log-probabilities are computed before any weight has changed, so they are the sampling policy's; rows
of groups without spread leave loss and KL, but not the denominator.
"""

import math
from typing import Any

import torch
from arctic_training.config.enums import DType

from arctic_text2sql_r1.arctic.metrics import UpdateStatistics
from arctic_text2sql_r1.arctic.ranks import reduce_max
from arctic_text2sql_r1.arctic.ranks import reduce_sum
from arctic_text2sql_r1.arctic.updates import rollout_seed
from arctic_text2sql_r1.arctic.updates import training_rows
from arctic_text2sql_r1.arctic.updates import update_schedule
from arctic_text2sql_r1.batch import MicroBatch
from arctic_text2sql_r1.batch import TrainingRow
from arctic_text2sql_r1.batch import counted_sizes
from arctic_text2sql_r1.batch import idle_row
from arctic_text2sql_r1.batch import pack_rows
from arctic_text2sql_r1.batch import remember_logprobs
from arctic_text2sql_r1.batch import split_rows
from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.logprobs import Scoring
from arctic_text2sql_r1.logprobs import score_rows
from arctic_text2sql_r1.losses import PolicyLossInput
from arctic_text2sql_r1.losses import loss_denominator
from arctic_text2sql_r1.losses import policy_loss
from arctic_text2sql_r1.rollout.base import Rollout


class Learner:
    """Updates the policy of a `GRPOTrainer`, whose `loss` and `backward` it calls, so that they may be overridden."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.config = trainer.config
        self.engine = trainer.model
        self.module = trainer.model_unwrapped
        self.device = trainer.device
        self.pad_token_id = trainer.tokenizer.pad_token_id
        self.statistics = UpdateStatistics()

    def update(self, rollout: Rollout, advantages: torch.Tensor, keep: torch.Tensor) -> UpdateStatistics:
        """All updates on one rollout; returns what they saw. `advantages` (N,), `keep` (N,) bool.

        Whatever an update after the first will compare itself with is scored before any weight changes.
        """
        elsewhere = self.trainer.engine.samples_elsewhere
        rows = training_rows(rollout, advantages, keep, self.config.cells, sampled_elsewhere=elsewhere)
        seed = rollout_seed(self.config.seed, self.trainer.global_step, self.trainer.global_rank)
        updates = update_schedule(rows, rollout.group_ids, self.config, seed)
        has_reference = self.config.cells.kl_coef > 0
        # Scored in the micro-batches that the first inner epoch trains on, so that both passes round alike.
        for index, update in enumerate(updates[: self.config.updates_per_inner_epoch]):
            for batch in self.micro_batches(update) if has_reference or index > 0 else ():
                if has_reference:
                    remember_logprobs(batch, "ref_logprobs", self.reference_logprobs(batch))
                if index > 0:
                    remember_logprobs(batch, "old_logprobs", self.logprobs(batch))
        self.statistics = UpdateStatistics(has_reference=has_reference)
        for update in updates:
            self.optimizer_update(self.micro_batches(update))
        return self.statistics

    def optimizer_update(self, micro_batches: list[MicroBatch]) -> None:
        """One optimizer step on the summed gradients of `micro_batches`."""
        self.engine.train()
        for index, micro_batch in enumerate(micro_batches):
            self.engine.set_gradient_accumulation_boundary(index == len(micro_batches) - 1)
            loss = self.trainer.loss(micro_batch)
            self._require_finite("loss", float(loss.detach()))
            self.trainer.backward(loss)
            self.statistics.loss += float(loss.detach())
        self.engine.step()
        self.engine.eval()
        self.statistics.updates += 1
        self.statistics.grad_norm = float(self.engine.get_global_grad_norm() or 0.0)
        if self.config.model.dtype != DType.FP16:  # float16's loss scaling skips such updates by itself
            self._require_finite("gradient norm", self.statistics.grad_norm)
        self.trainer.count_update()

    def loss(self, batch: MicroBatch) -> torch.Tensor:
        """The objective of one micro-batch, scaled so that DeepSpeed's mean over ranks is the update's true mean.

        Rows of a rollout's first update get their `old_logprobs` here: no weight has changed since they were sampled.
        """
        objective = self.config.cells
        scoring = Scoring(temperature=self.config.temperature, entropy_gradient=objective.entropy_coef > 0)
        policy_logprobs, entropy = score_rows(self.engine, self.module, batch, scoring)
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
                objective=objective,
                entropy=entropy,
                sampler_logprobs=batch.sampler_logprobs,
            )
        )
        self.statistics.add(output, entropy_sum=entropy.detach().sum())
        return output.loss * self.trainer.world_size

    def reference_logprobs(self, batch: MicroBatch) -> torch.Tensor:
        """(N, T) log-probabilities under the reference: the same weights with the adapter switched off."""
        with self.module.disable_adapter():
            return self.logprobs(batch)

    def logprobs(self, batch: MicroBatch) -> torch.Tensor:
        """(N, T) log-probabilities under the weights as they are, without gradient."""
        with torch.no_grad():
            scoring = Scoring(temperature=self.config.temperature)
            return score_rows(self.module, self.module, batch, scoring)[0]

    def micro_batches(self, rows: list[TrainingRow]) -> list[MicroBatch]:
        """`rows` as equally many micro-batches on every rank, with the denominator of all ranks' rows together."""
        parts = split_rows(rows, self.config.rows_per_micro_batch)
        count = max(1, int(reduce_max(len(parts), self.device)))
        parts += [[idle_row(self.pad_token_id)] for _ in range(count - len(parts))]
        tokens, completions = counted_sizes(rows)
        denominator = loss_denominator(
            self.config.cells.aggregation,
            tokens=int(reduce_sum(tokens, self.device)),
            completions=int(reduce_sum(completions, self.device)),
            max_new_tokens=self.config.max_new_tokens,
        )
        return [pack_rows(part, self.pad_token_id, denominator, self.device) for part in parts]

    def _require_finite(self, label: str, value: float) -> None:
        """Stops before a checkpoint could save what a non-finite update has left of the weights."""
        if not math.isfinite(value):
            raise TrainingError(
                f"The {label} of update {self.trainer.global_step + 1} is {value}. Lower the learning rate, raise "
                "kl_coef, or use fp32 or bf16; the completions that led here are in "
                f"'{self.config.rollouts_file}' up to update {self.trainer.global_step}."
            )
