# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`type: grpo`: the step of `training/steps.py` inside ArcticTraining's loop, on DeepSpeed's engine.

One dataloader batch holds all prompts that a rank contributes to one rollout. `step()` runs

    generate_candidates -> compute_rewards -> compute_advantages -> updates x micro-batches of loss()

and each of those hooks may be overridden alone. Recipe keys are in `arctic/config.py` and `training/keys.py`.
"""

from typing import Any
from typing import Union

import torch
from arctic_training.checkpoint.ds_engine import DSCheckpointEngine
from arctic_training.checkpoint.hf_engine import HFCheckpointEngine
from arctic_training.model.hf_factory import HFModelFactory
from arctic_training.model.liger_factory import LigerModelFactory
from arctic_training.scheduler.hf_factory import HFSchedulerFactory
from arctic_training.trainer.sft_trainer import SFTTrainer

from arctic_text2sql_r1.arctic.checkpoint import RunCheckpointEngine
from arctic_text2sql_r1.arctic.config import GRPOTrainerConfig
from arctic_text2sql_r1.arctic.data import Text2SQLDataFactory
from arctic_text2sql_r1.arctic.engines import policy_adapter
from arctic_text2sql_r1.arctic.gathering import weight_access
from arctic_text2sql_r1.arctic.metrics import GRPOMetrics
from arctic_text2sql_r1.arctic.models import PolicyModelFactory
from arctic_text2sql_r1.arctic.models import QuantizedModelFactory
from arctic_text2sql_r1.arctic.schedule import UpdateSchedulerFactory
from arctic_text2sql_r1.arctic.second_model import load_second_model
from arctic_text2sql_r1.arctic.shared_memory import release_shared_memory
from arctic_text2sql_r1.arctic.tracking import Tracking
from arctic_text2sql_r1.arctic.tracking import WandbRunId
from arctic_text2sql_r1.batch import MicroBatch
from arctic_text2sql_r1.monitor.last_words import LastWords
from arctic_text2sql_r1.training.engines import make_engine
from arctic_text2sql_r1.training.logs import begin_logs
from arctic_text2sql_r1.training.publishing import push_finished
from arctic_text2sql_r1.training.steps import GRPOSteps
from arctic_text2sql_r1.training.steps import disable_dropout


class GRPOTrainer(SFTTrainer, GRPOSteps):
    """Group-relative policy optimization of a text-to-SQL policy, rewarded by executing what it writes.

    The hooks are those of `GRPOSteps`: `generate_candidates`, `compute_rewards`, `compute_advantages`,
    `update_policy`, and `loss`.
    """

    name = "grpo"
    config: GRPOTrainerConfig
    data_factory: Text2SQLDataFactory
    scheduler_factory: Union[UpdateSchedulerFactory, HFSchedulerFactory]  # noqa: UP007
    model_factory: Union[  # noqa: UP007
        PolicyModelFactory, QuantizedModelFactory, HFModelFactory, LigerModelFactory
    ]
    # The framework's registry reads typing.Union only, not the `|` form.
    checkpoint_engine: Union[RunCheckpointEngine, DSCheckpointEngine, HFCheckpointEngine]  # noqa: UP007

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
        disable_dropout(self.model_unwrapped)
        self.metrics = GRPOMetrics(self)
        self.build_judge()
        self.engine = make_engine(self, policy_adapter, **weight_access(self))
        self.build_learner()
        self.tracking = Tracking(self, self.metrics.faults)
        self._continue_position()
        if self.global_rank == 0:
            begin_logs(self)

    def _continue_position(self) -> None:
        """As `continue_position`, in the framework's counters."""
        self.train_batch_idx = self.continue_position()
        # The framework would skip batches by its own count, which is wrong for several updates per rollout.
        self.is_resume = False

    def load_second_model(self) -> Any:
        """The frozen reference of full fine-tuning."""
        return load_second_model(self)

    def pre_train_callback(self) -> None:
        """What the policy can before its first update; a resumed run has that in its metrics file."""
        if self.global_step == 0 and self.config.evaluates and self.config.evaluation.before_training:
            self.evaluate()
            self.metrics.print_summary(prefix="eval")

    def pre_epoch_callback(self) -> None:
        """See `GRPOSteps.begin_epoch`."""
        self.begin_epoch()

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

    # ----- what the framework's classes would answer otherwise ------------------------------------------------------

    @property
    def training_horizon(self) -> int:
        """Optimizer updates in all, which is what the learning-rate schedule spans."""
        return self.planned_updates()

    def count_update(self) -> None:
        """Takes DeepSpeed's count of updates, which is the truth; a checkpoint taken now carries the right number."""
        self.global_step = self.model.global_steps
        self.global_step_this_run = self.global_step - self.global_step_at_start_this_run

    def need_early_exit(self) -> bool:
        """See `GRPOSteps.reason_to_end`."""
        reason = self.reason_to_end(self.global_step_this_run)
        if reason is not None:
            self.early_stop_reason = reason
        return reason is not None

    def step(self, batch: dict[str, Any]) -> None:
        """One rollout over the batch's prompts, then `updates_per_rollout` optimizer updates on it."""
        self.run_step(batch)

    def loss(self, batch: MicroBatch) -> torch.Tensor:
        """The objective of one micro-batch, scaled so that DeepSpeed's mean over ranks is the update's true mean."""
        return self.learner.loss(batch)

    def evaluate(self) -> None:
        """Execution accuracy on the evaluation source; into the metrics file before any checkpoint."""
        self.run_evaluation()
