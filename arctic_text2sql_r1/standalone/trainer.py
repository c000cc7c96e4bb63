# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The loop around `training/steps.py` in one process: load, continue, step by step, evaluate, save.

    trained = train(from_recipe("grpo-qwen-3b.yaml").settings)

What a killed run saved is continued by the same call, where its checkpoint has `auto_resume`.
"""

import math
import random
import time
from types import TracebackType
from typing import Any

import numpy
import torch
from typing_extensions import Self

from arctic_text2sql_r1.prompts.builder import load_tokenizer
from arctic_text2sql_r1.run_folders import RunFolder
from arctic_text2sql_r1.standalone.checkpoints import StandaloneCheckpoints
from arctic_text2sql_r1.standalone.engine import TorchEngine
from arctic_text2sql_r1.standalone.policies import load_base
from arctic_text2sql_r1.standalone.policies import load_policy
from arctic_text2sql_r1.standalone.questions import dataloaders
from arctic_text2sql_r1.standalone.settings import Settings
from arctic_text2sql_r1.training.engines import make_engine
from arctic_text2sql_r1.training.engines import policy_adapter
from arctic_text2sql_r1.training.logs import begin_logs
from arctic_text2sql_r1.training.publishing import push_finished
from arctic_text2sql_r1.training.reference import FrozenAdapter
from arctic_text2sql_r1.training.step_log import StepLog
from arctic_text2sql_r1.training.steps import GRPOSteps
from arctic_text2sql_r1.training.steps import disable_dropout


def train(settings: Settings) -> RunFolder | None:
    """Trains to the end and returns the folder of the run, None where the settings save none."""
    with StandaloneTrainer(settings) as trainer:
        return trainer.train()


class StandaloneLog(StepLog):
    """Console and metrics file of one trainer."""

    def __init__(self, trainer: "StandaloneTrainer", max_iter: int) -> None:
        self.trainer = trainer
        self.max_iter = max_iter
        self.begin_log()

    def end_step(self, seconds: float) -> None:
        """The step that took so long: its line on the console and in the metrics file."""
        figures = self.step_figures(seconds)
        with self.faults.survived("writing to standard output"):
            self.show_step(figures)
        self.append(self.trainer.config.train_log_metrics_path, figures)


class NoTracking:
    """No service to log to besides the files."""

    def completions(self, *_: Any) -> None:
        """Nothing."""

    def evaluation(self, *_: Any) -> None:
        """Nothing."""


class StandaloneTrainer(GRPOSteps):
    """Group-relative policy optimization in this process. A context manager: leaving it ends the SQL workers.

    The hooks are those of `GRPOSteps`: `generate_candidates`, `compute_rewards`, `compute_advantages`,
    `update_policy`, and `loss`.
    """

    config: Settings
    world_size = 1
    global_rank = 0
    wandb_run_id: str | None = None

    def __init__(self, settings: Settings) -> None:
        self.config = settings
        self.device = torch.device(chosen_device(settings.device))
        self.epoch_idx = self.global_step = self.global_step_this_run = 0
        self.epoch_finished = self.training_finished = False
        settings.train_log_metrics_path.parent.mkdir(parents=True, exist_ok=True)
        self.tokenizer = load_tokenizer(settings.model.name_or_path)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.build_judge()  # its workers start before any thread of a GPU or of a tokenizer
        try:
            self._build(settings)
        except BaseException:
            self.judge.close()
            raise

    def _build(self, settings: Settings) -> None:
        """Data, policy, engine, what was saved, and what learns and logs."""
        self.train_dataloader, self.eval_dataloader = dataloaders(settings, self.tokenizer)
        seed_everything(settings.seed)
        self.model_unwrapped = load_policy(settings, self.device)
        disable_dropout(self.model_unwrapped)
        if settings.starting_adapter is not None and settings.cells.kl_coef > 0:
            self.frozen_adapter = FrozenAdapter(self.model_unwrapped)  # now: a checkpoint may overwrite the policy
        self.model = TorchEngine(self.model_unwrapped, settings, updates=self.planned_updates())
        self.checkpoint_engines = [StandaloneCheckpoints(self, entry) for entry in settings.checkpoint]
        for checkpoints in self.checkpoint_engines:
            if checkpoints.config.auto_resume:
                checkpoints.load_run(self.model)
        self._steps_before = self.global_step
        self.tracking = NoTracking()
        last = self.planned_updates()
        self.metrics = StandaloneLog(self, min(settings.exit_iteration, last) if settings.exit_iteration > 0 else last)
        self.engine = make_engine(self, policy_adapter, synced_gpus=False)
        self.build_learner()
        self.continue_position()
        begin_logs(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the SQL workers and the progress bar."""
        self.judge.close()
        self.metrics.close()

    # ----- the loop -------------------------------------------------------------------------------------------------

    def train(self) -> RunFolder | None:
        """All rollouts that are left. Returns the folder of the run, None where nothing is saved."""
        if self.global_step == 0 and self.config.evaluates and self.config.evaluation.before_training:
            self._evaluate()
        reason = None
        for epoch in range(self.epoch_idx, self._epochs()):
            self.epoch_idx = epoch
            reason = self._epoch()
            self.metrics.redraw()
            if reason is not None:
                break
            self.checkpoint()
        self.training_finished = True
        self.checkpoint()
        push_finished(self)
        print(f"[grpo] training ended after update {self.global_step}" + (f": {reason}" if reason else ""))
        return next((engine.run for engine in self.run_checkpoints if engine.run is not None), None)

    def _epochs(self) -> int:
        updates = len(self.train_dataloader) * self.config.updates_per_rollout
        return math.ceil(self.planned_updates() / updates)

    def _epoch(self) -> str | None:
        """The rollouts of one epoch; returns why the run ends within it, None if it does not."""
        self.epoch_finished = False
        self.begin_epoch()
        for batch in self.train_dataloader:
            if (reason := self.reason_to_end(self.global_step_this_run)) is not None:
                return reason
            began = time.perf_counter()
            self.run_step(batch)
            self.metrics.end_step(time.perf_counter() - began)
            if self.evaluation_is_due:
                self._evaluate()
        self.epoch_finished = True
        return None

    def _evaluate(self) -> None:
        self.run_evaluation()
        self.metrics.show_evaluation()

    # ----- what the step asks for -----------------------------------------------------------------------------------

    @property
    def training_horizon(self) -> int:
        """Optimizer updates in all, which is what the learning-rate schedule spans."""
        return self.planned_updates()

    def backward(self, loss: torch.Tensor) -> None:
        """Adds the gradients of one micro-batch."""
        self.model.backward(loss)

    def count_update(self) -> None:
        """Takes the engine's count of updates; a checkpoint taken now carries the right number."""
        self.global_step = self.model.global_steps
        self.global_step_this_run = self.global_step - self._steps_before

    def load_second_model(self) -> Any:
        """The frozen reference of full fine-tuning."""
        return load_base(self.config, self.device)

    def checkpoint(self) -> None:
        """Has every entry of `checkpoint:` save that finds it due; before this run's first update none is."""
        for checkpoints in self.checkpoint_engines if self.global_step_this_run > 0 else ():
            if checkpoints.is_due:
                checkpoints.save_step(self.model)


def chosen_device(name: str) -> str:
    """`name`, or for `auto` the first GPU, else the CPU."""
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def seed_everything(seed: int) -> None:
    """Seeds every global random generator, in the order in which ArcticTraining does."""
    torch.manual_seed(seed)
    numpy.random.seed(seed)
    random.seed(seed)
