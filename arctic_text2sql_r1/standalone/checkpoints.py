# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints of `type: run` in the standalone loop: when they are due; all else is `training/run_checkpoints.py`."""

from typing import Any

from arctic_text2sql_r1.standalone.settings import CheckpointSettings
from arctic_text2sql_r1.training.run_checkpoints import RunCheckpoints


class StandaloneCheckpoints(RunCheckpoints):
    """Saves, restores and keeps the steps of one run."""

    config: CheckpointSettings
    tag = "torch"

    def __init__(self, trainer: Any, config: CheckpointSettings) -> None:
        self.trainer = trainer
        self.config = config

    @property
    def is_due(self) -> bool:
        """When the intervals say so, and whenever an evaluation has found a new best."""
        if not self.config.enabled or self.is_saved:
            return False
        steps, epochs = self.config.save_every_n_steps, self.config.save_every_n_epochs
        at_step = steps > 0 and self.trainer.global_step % steps == 0
        at_epoch = epochs > 0 and self.trainer.epoch_finished and (self.trainer.epoch_idx + 1) % epochs == 0
        at_end = self.config.save_end_of_training and self.trainer.training_finished
        return bool(at_step or at_epoch or at_end or self.is_new_best())
