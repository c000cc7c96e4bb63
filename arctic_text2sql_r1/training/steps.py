# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""One GRPO step, whoever runs the loop: sample, execute, compare within groups, update, report.

    generate_candidates -> compute_rewards -> compute_advantages -> updates x micro-batches of loss()

Each of those hooks may be overridden alone; with dynamic sampling the first two are called once per round. Rounds are
in `sampling.py`, micro-batches and optimizer updates in `learner.py`, what stops a run in `guards.py`, the mathematics
in `advantages.py`, `losses.py`, `logprobs.py`; what a step reports in `monitor/`. The loops are `arctic/trainer.py`
for ArcticTraining and `standalone/trainer.py` for a single process.
"""

from functools import reduce
from typing import Any

import torch

from arctic_text2sql_r1.advantages import group_advantages
from arctic_text2sql_r1.batch import MicroBatch
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.monitor.rollouts import RolloutLog
from arctic_text2sql_r1.monitor.step_report import StepCounts
from arctic_text2sql_r1.monitor.step_report import step_metrics
from arctic_text2sql_r1.prompts.builder import prompt_prefill
from arctic_text2sql_r1.prompts.templates import get_template
from arctic_text2sql_r1.rewards.base import WeightedReward
from arctic_text2sql_r1.rewards.scorer import RewardScorer
from arctic_text2sql_r1.rewards.scorer import ScoredCompletion
from arctic_text2sql_r1.rollout.base import Rollout
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.base import roll_out
from arctic_text2sql_r1.run_folders import Best
from arctic_text2sql_r1.training.evaluating import evaluation_figures
from arctic_text2sql_r1.training.guards import Guards
from arctic_text2sql_r1.training.learner import Learner
from arctic_text2sql_r1.training.ranks import gather
from arctic_text2sql_r1.training.ranks import reduce_max
from arctic_text2sql_r1.training.ranks import reduce_sum
from arctic_text2sql_r1.training.records import component_means
from arctic_text2sql_r1.training.records import count_rollout
from arctic_text2sql_r1.training.records import rollout_records
from arctic_text2sql_r1.training.run_checkpoints import RunCheckpoints
from arctic_text2sql_r1.training.sampling import ScoredRollout
from arctic_text2sql_r1.training.sampling import sample_step
from arctic_text2sql_r1.training.statistics import UpdateStatistics
from arctic_text2sql_r1.training.updates import rollout_seed


class GRPOSteps:
    """The step of a trainer that has a model, data and a loop.

    It brings `config` (`keys.GRPOKeys`), `model` (an engine), `model_unwrapped`, `tokenizer`, `device`, both
    dataloaders, `metrics` (`StepLog`), `tracking`, `checkpoint_engines`, the counters, and `checkpoint`.
    """

    config: Any
    model: Any
    model_unwrapped: Any
    tokenizer: Any
    device: torch.device
    train_dataloader: Any
    eval_dataloader: Any
    metrics: Any
    tracking: Any
    engine: Any
    checkpoint_engines: list[Any]
    global_rank: int
    global_step: int
    epoch_idx: int

    _evaluation: tuple[int, float] | None = None
    _first_batch = 0

    # ----- set-up -------------------------------------------------------------------------------------------------

    def build_judge(self) -> None:
        """What executes and scores completions. Its workers start here."""
        sql = self.config.sql
        self.judge = SQLJudge(
            num_workers=sql.workers,
            timeout_s=sql.timeout_s,
            max_rows=sql.max_rows,
            compare=sql.compare,
            batch_timeout_s=sql.batch_timeout_s,
        )
        template = get_template(self.config.data.template)
        self.scorer = RewardScorer(
            judge=self.judge,
            rewards=[WeightedReward(**reward.model_dump()) for reward in self.config.rewards],
            completion_format=template.completion_format,
            parser=self.config.parser,
            prefill=prompt_prefill(self.tokenizer, template),
        )

    def build_learner(self) -> None:
        """What learns from rollouts, and what watches over it; the rollout engine stands already."""
        self.guards = Guards(self)
        self.learner = Learner(self)
        self.rollout_log = RolloutLog(self.config.rollouts_file, max_bytes=int(self.config.logs.rollouts_max_gb * 1e9))

    def continue_position(self) -> int:
        """Sets the epoch and the first rollout within it, which follow from the updates a checkpoint has made.

        Returns how many rollouts that is from the start of the run.
        """
        rollouts_done = self.global_step // int(self.config.updates_per_rollout)
        self.epoch_idx, self._first_batch = divmod(rollouts_done, len(self.train_dataloader))
        return rollouts_done

    def begin_epoch(self) -> None:
        """Each epoch has its own order of prompts; the first epoch after a resume starts in its middle."""
        self.train_dataloader.batch_sampler.set_position(self.epoch_idx, self._first_batch)
        self._first_batch = 0

    # ----- counting -----------------------------------------------------------------------------------------------

    def planned_updates(self) -> int:
        """Optimizer updates in all, which is what the learning-rate schedule spans."""
        if self.config.train_iters:
            return int(self.config.train_iters)
        return int(self.config.epochs * len(self.train_dataloader) * self.config.updates_per_rollout)

    def reason_to_end(self, updates_this_run: int) -> str | None:
        """Why no further rollout is made; a rollout may step over the exact update at which to stop. Guards may act.

        All ranks get the same reason.
        """
        self.guards.act()
        limits = [
            (self.config.exit_iteration_this_run, updates_this_run, "exit_iteration_this_run"),
            (self.config.exit_iteration, self.global_step, "exit_iteration"),
            (self.planned_updates(), self.global_step, "training_horizon"),
        ]
        for limit, step, label in limits:
            if 0 < limit <= step:
                return f"reached {label} of {limit}"
        # Ranks look at the file at different times; all must take the same decision.
        if reduce_max(int(self.config.kill_switch_path.exists()), self.device) > 0:
            return f"found the stop file '{self.config.kill_switch_path}'"
        return None

    # ----- one rollout and its updates ----------------------------------------------------------------------------

    def run_step(self, batch: dict[str, Any]) -> None:
        """One rollout over the batch's prompts, then `updates_per_rollout` optimizer updates on it."""
        first_update = self.global_step + 1
        sampled, rows = sample_step(self, batch)
        learnt = sampled.rows(rows)
        advantages = self.compute_advantages(learnt.rewards, learnt.group_ids)
        self.guards.watch(learnt)
        with self.metrics.phase("seconds_train"):
            statistics = self.update_policy(learnt.rollout, advantages, learnt.keep)
        self._report(first_update, sampled, rows, advantages, statistics)
        if not self.evaluation_is_due:
            self.checkpoint()

    def generate_candidates(self, batch: dict[str, Any]) -> Rollout:
        """G completions for each prompt of the batch, from a random state of (seed, update, rank, round)."""
        sampling = SamplingParams(
            max_new_tokens=self.config.max_new_tokens,
            temperature=self.config.temperature,
            num_samples=self.config.num_samples_per_prompt,
            seed=rollout_seed(self.config.seed, self.global_step, self.global_rank, batch.get("round", 0)),
        )
        return roll_out(self.engine, batch["examples"], batch["prompts"], sampling)

    def compute_rewards(self, rollout: Rollout) -> list[ScoredCompletion]:
        """Parses, executes and scores every row. A row whose gold fails has reward None and trains nothing."""
        return self.scorer.score(rollout.examples, rollout.completions)

    def compute_advantages(self, rewards: torch.Tensor, group_ids: torch.Tensor) -> torch.Tensor:
        """(N,) rewards, NaN where unscored, and (N,) group ids to (N,) advantages."""
        return group_advantages(
            rewards,
            group_ids,
            scaling=self.config.cells.advantage_scaling,
            baseline=self.config.cells.advantage_baseline,
            total=lambda value: reduce_sum(value, self.device),
        )

    def update_policy(self, rollout: Rollout, advantages: torch.Tensor, keep: torch.Tensor) -> UpdateStatistics:
        """All updates on one rollout; `advantages` (N,) and `keep` (N,), 1 where a group teaches."""
        return self.learner.update(rollout, advantages, keep)

    def loss(self, batch: MicroBatch) -> torch.Tensor:
        """The objective of one micro-batch, scaled so that the engine's mean over ranks is the update's true mean."""
        return self.learner.loss(batch)

    # ----- reporting ----------------------------------------------------------------------------------------------

    def _report(
        self,
        step: int,
        sampled: ScoredRollout,
        rows: list[int],
        advantages: torch.Tensor,
        statistics: UpdateStatistics,
    ) -> None:
        """Every rank's completions reach rank 0's rollout log; all ranks record the same figures.

        `rows` are those of `sampled` that were learnt from, `advantages` theirs.
        """
        records = rollout_records(
            step,
            self.global_rank,
            sampled,
            advantages=dict(zip(rows, advantages.tolist(), strict=True)),
            kl={rows[index]: kl for index, kl in statistics.row_kl.items()},
        )
        shares = gather((records, count_rollout(sampled)))
        records = [record for records, _ in shares for record in records]
        if self.global_rank == 0:
            with self.metrics.faults.survived(f"writing '{self.rollout_log.path}'"):
                self.rollout_log.append(records)
            self.tracking.completions(records, self.global_step)
        total = reduce(StepCounts.merge, [counts for _, counts in shares])
        figures = {**step_metrics(total), **component_means(records)}
        if self.config.dynamic_sampling > 0:
            figures["resampled"] = sum(record.resampled for record in records) / len(records)
        if self.config.guards.rollback:
            figures["rollbacks"] = self.guards.rollbacks
        self.metrics.record_rollout(figures, statistics.reduced(self.device), tokens=total.length_sum)

    def run_evaluation(self) -> None:
        """Execution accuracy on the evaluation source; into the metrics file before any checkpoint."""
        figures = evaluation_figures(self)
        self.metrics.record_evaluation(figures)
        self._evaluation = (self.global_step, figures["execution_accuracy"])
        self.checkpoint()

    # ----- checkpoints --------------------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Has every checkpoint engine save that finds it due."""
        raise NotImplementedError

    @property
    def run_checkpoints(self) -> list[RunCheckpoints]:
        """The engines of `type: run` among the recipe's."""
        return [engine for engine in self.checkpoint_engines if isinstance(engine, RunCheckpoints)]

    @property
    def evaluation_is_due(self) -> bool:
        """Whether the loop will evaluate after this step: its checkpoint then waits for the accuracy."""
        return bool(self.config.eval_interval != 0 and self.global_step % self.config.eval_interval == 0)

    @property
    def evaluated_accuracy(self) -> float | None:
        """Execution accuracy of the policy as it is; None when it was not evaluated after its latest update."""
        if self._evaluation is None or self._evaluation[0] != self.global_step:
            return None
        return self._evaluation[1]

    def restore_best(self) -> Best:
        """Puts weights and optimizer back to those of the best checkpoint, on all ranks.

        Updates, learning rate, data and random seeds go on counting, so that the logs stay monotonic and the same
        prompts and samples do not lead the same way again. Returns the step that was restored and its accuracy;
        raises `TrainingError` when there is none.
        """
        if len(self.run_checkpoints) == 0:
            raise TrainingError("Cannot go back to the best checkpoint: the recipe has no checkpoint of type: run.")
        self._evaluation = None
        return self.run_checkpoints[0].restore_best(self.model)


def disable_dropout(model: torch.nn.Module) -> None:
    """Dropout would make the ratio differ from 1 before any weight has changed, so RL runs without it."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0  # type: ignore[assignment]
