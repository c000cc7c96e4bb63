# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`type: grpo`: sample completions, execute their SQL, compare within groups, update the policy.

One dataloader batch holds all prompts that a rank contributes to one rollout. `step()` runs

    generate_candidates -> compute_rewards -> compute_advantages -> updates x micro-batches of loss()

and each of those hooks may be overridden alone; with dynamic sampling the first two are called once per round.
Rounds are in `arctic/sampling.py`, micro-batches and optimizer updates in `arctic/learner.py`, what stops a run in
`arctic/guards.py`, the mathematics in `advantages.py`, `losses.py`, `logprobs.py`; what a step reports in `monitor/`;
recipe keys in `arctic/config.py`.
"""

from functools import reduce
from typing import Any
from typing import Union

import torch
from arctic_training.checkpoint.ds_engine import DSCheckpointEngine
from arctic_training.checkpoint.hf_engine import HFCheckpointEngine
from arctic_training.model.hf_factory import HFModelFactory
from arctic_training.model.liger_factory import LigerModelFactory
from arctic_training.scheduler.hf_factory import HFSchedulerFactory
from arctic_training.trainer.sft_trainer import SFTTrainer

from arctic_text2sql_r1.advantages import group_advantages
from arctic_text2sql_r1.arctic.checkpoint import RunCheckpointEngine
from arctic_text2sql_r1.arctic.config import GRPOTrainerConfig
from arctic_text2sql_r1.arctic.data import Text2SQLDataFactory
from arctic_text2sql_r1.arctic.engines import make_engine
from arctic_text2sql_r1.arctic.evaluating import evaluation_figures
from arctic_text2sql_r1.arctic.guards import Guards
from arctic_text2sql_r1.arctic.learner import Learner
from arctic_text2sql_r1.arctic.logs import begin_logs
from arctic_text2sql_r1.arctic.metrics import GRPOMetrics
from arctic_text2sql_r1.arctic.metrics import UpdateStatistics
from arctic_text2sql_r1.arctic.metrics import component_means
from arctic_text2sql_r1.arctic.metrics import rollout_records
from arctic_text2sql_r1.arctic.models import PolicyModelFactory
from arctic_text2sql_r1.arctic.models import QuantizedModelFactory
from arctic_text2sql_r1.arctic.publishing import push_finished
from arctic_text2sql_r1.arctic.ranks import gather
from arctic_text2sql_r1.arctic.ranks import reduce_max
from arctic_text2sql_r1.arctic.ranks import reduce_sum
from arctic_text2sql_r1.arctic.ranks import release_shared_memory
from arctic_text2sql_r1.arctic.sampling import ScoredRollout
from arctic_text2sql_r1.arctic.sampling import sample_step
from arctic_text2sql_r1.arctic.schedule import UpdateSchedulerFactory
from arctic_text2sql_r1.arctic.tracking import Tracking
from arctic_text2sql_r1.arctic.tracking import WandbRunId
from arctic_text2sql_r1.arctic.updates import rollout_seed
from arctic_text2sql_r1.batch import MicroBatch
from arctic_text2sql_r1.databases.judge import SQLJudge
from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.monitor.last_words import LastWords
from arctic_text2sql_r1.monitor.rollouts import RolloutLog
from arctic_text2sql_r1.monitor.step_report import StepCounts
from arctic_text2sql_r1.monitor.step_report import count_step
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


class GRPOTrainer(SFTTrainer):
    """Group-relative policy optimization of a text-to-SQL policy, rewarded by executing what it writes."""

    name = "grpo"
    config: GRPOTrainerConfig
    data_factory: Text2SQLDataFactory
    scheduler_factory: Union[UpdateSchedulerFactory, HFSchedulerFactory]  # noqa: UP007
    model_factory: Union[  # noqa: UP007
        PolicyModelFactory, QuantizedModelFactory, HFModelFactory, LigerModelFactory
    ]
    # The framework's registry reads typing.Union only, not the `|` form.
    checkpoint_engine: Union[RunCheckpointEngine, DSCheckpointEngine, HFCheckpointEngine]  # noqa: UP007

    _evaluation: tuple[int, float] | None = None
    wandb_run_id = WandbRunId()

    # ----- set-up -------------------------------------------------------------------------------------------------

    def pre_init_callback(self, config: GRPOTrainerConfig) -> GRPOTrainerConfig:
        """The death of this rank has a witness from here on."""
        self.last_words = LastWords(config.global_rank)
        return config

    def post_init_callback(self) -> None:
        """Completes what the framework's constructor built; does nothing in its data-preparation mode."""
        if not hasattr(self, "metrics"):
            return
        release_shared_memory()
        _disable_dropout(self.model_unwrapped)
        self.metrics = GRPOMetrics(self)
        self.judge = SQLJudge(
            num_workers=self.config.sql.workers,
            timeout_s=self.config.sql.timeout_s,
            max_rows=self.config.sql.max_rows,
            compare=self.config.sql.compare,
            batch_timeout_s=self.config.sql.batch_timeout_s,
        )
        template = get_template(self.config.data.template)
        self.scorer = RewardScorer(
            judge=self.judge,
            rewards=[WeightedReward(**reward.model_dump()) for reward in self.config.rewards],
            completion_format=template.completion_format,
            parser=self.config.parser,
            prefill=prompt_prefill(self.tokenizer, template),
        )
        self.engine = make_engine(self)
        self.guards = Guards(self)
        self.learner = Learner(self)
        self.rollout_log = RolloutLog(self.config.rollouts_file, max_bytes=int(self.config.logs.rollouts_max_gb * 1e9))
        self.tracking = Tracking(self, self.metrics.faults)
        self._continue_position()
        if self.global_rank == 0:
            begin_logs(self)

    def _continue_position(self) -> None:
        """Epoch and rollout within it, derived from the number of updates a checkpoint has already made."""
        rollouts_done = self.global_step // self.config.updates_per_rollout
        self.epoch_idx, self._first_batch = divmod(rollouts_done, len(self.train_dataloader))
        self.train_batch_idx = rollouts_done
        # The framework would skip batches by its own count, which is wrong for several updates per rollout.
        self.is_resume = False

    def pre_train_callback(self) -> None:
        """What the policy can before its first update; a resumed run has that in its metrics file."""
        if self.global_step == 0 and self.config.evaluates and self.config.evaluation.before_training:
            self.evaluate()
            self.metrics.print_summary(prefix="eval")

    def pre_epoch_callback(self) -> None:
        """Each epoch has its own order of prompts; the first epoch after a resume starts in its middle."""
        self.train_dataloader.batch_sampler.set_position(self.epoch_idx, self._first_batch)
        self._first_batch = 0

    def post_epoch_callback(self) -> None:
        """The curves are drawn anew, also when the run ends within an epoch."""
        self.metrics.redraw()

    def post_train_callback(self) -> None:
        """Ends the SQL workers and the witness, and uploads what the recipe wants uploaded."""
        self.judge.close()
        self.tracking.close()
        self.metrics.close()
        self.last_words.close()
        push_finished(self)

    # ----- counting -----------------------------------------------------------------------------------------------

    @property
    def training_horizon(self) -> int:
        """Optimizer updates in all, which is what the learning-rate schedule spans."""
        if self.config.train_iters:
            return self.config.train_iters
        return self.config.epochs * len(self.train_dataloader) * self.config.updates_per_rollout

    def count_update(self) -> None:
        """Takes DeepSpeed's count of updates, which is the truth; a checkpoint taken now carries the right number."""
        self.global_step = self.model.global_steps
        self.global_step_this_run = self.global_step - self.global_step_at_start_this_run

    def need_early_exit(self) -> bool:
        """As the framework's, but a rollout may step over the exact update at which to stop; guards may act here."""
        self.guards.act()
        limits = [
            (self.config.exit_iteration_this_run, self.global_step_this_run, "exit_iteration_this_run"),
            (self.config.exit_iteration, self.global_step, "exit_iteration"),
            (self.training_horizon, self.global_step, "training_horizon"),
        ]
        for limit, step, label in limits:
            if 0 < limit <= step:
                self.early_stop_reason = f"reached {label} of {limit}"
                return True
        # Ranks look at the file at different times; all must take the same decision.
        if reduce_max(int(self.config.kill_switch_path.exists()), self.device) > 0:
            self.early_stop_reason = f"found the stop file '{self.config.kill_switch_path}'"
            return True
        return False

    # ----- one rollout and its updates ----------------------------------------------------------------------------

    def step(self, batch: dict[str, Any]) -> None:
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
        """The objective of one micro-batch, scaled so that DeepSpeed's mean over ranks is the update's true mean."""
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
        counts = count_step(
            sampled.rollout.completions,
            verdicts=[row.verdict for row in sampled.scored],
            rewards=[row.reward for row in sampled.scored],
            group_ids=sampled.rollout.group_ids,
            keep=sampled.keep.tolist(),
            suspicions=[row.suspicions for row in sampled.scored],
        )
        shares = gather((records, counts))
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

    def evaluate(self) -> None:
        """Execution accuracy on the evaluation source; into the metrics file before any checkpoint."""
        figures = evaluation_figures(self)
        self.metrics.record_evaluation(figures)
        self._evaluation = (self.global_step, figures["execution_accuracy"])
        self.checkpoint()

    # ----- checkpoints --------------------------------------------------------------------------------------------

    @property
    def run_checkpoints(self) -> list[RunCheckpointEngine]:
        """The engines of `type: run` among the recipe's."""
        return [engine for engine in self.checkpoint_engines if isinstance(engine, RunCheckpointEngine)]

    @property
    def evaluation_is_due(self) -> bool:
        """Whether the framework will evaluate after this step: its checkpoint then waits for the accuracy."""
        return self.config.eval_interval != 0 and self.global_step % self.config.eval_interval == 0

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


def _disable_dropout(model: torch.nn.Module) -> None:
    """Dropout would make the ratio differ from 1 before any weight has changed, so RL runs without it."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0  # type: ignore[assignment]
