# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`type: run`, the checkpoint engine: `training/run_checkpoints.py` in ArcticTraining's terms.

Here is what DeepSpeed does its own way: ZeRO-3's weights are gathered to be written, and its Adam is put right after a
load.
"""

from pathlib import Path
from typing import Any

from arctic_training.checkpoint.hf_engine import HFCheckpointEngine
from arctic_training.config.checkpoint import CheckpointConfig

from arctic_text2sql_r1.arctic.adam_powers import retrace_adam_powers
from arctic_text2sql_r1.training.run_checkpoints import RunCheckpoints
from arctic_text2sql_r1.training.sections import RunCheckpointKeys


class RunCheckpointConfig(CheckpointConfig, RunCheckpointKeys):
    """Configuration of `type: run`; every other key is ArcticTraining's own."""


class RunCheckpointEngine(HFCheckpointEngine, RunCheckpoints):
    """Saves, restores and keeps the steps of one run."""

    name = "run"
    config: RunCheckpointConfig

    @property
    def checkpoint_dir(self) -> Path:
        """The folder being written, which the framework's parent class fills."""
        return self.folder_being_written

    @property
    def do_checkpoint(self) -> bool:
        """When the recipe's intervals say so, and whenever an evaluation has found a new best."""
        if not self.config.enabled or self.is_saved:
            return False
        return super().do_checkpoint or self.is_new_best()

    def save(self, model: Any) -> None:
        """See `RunCheckpoints.save_step`."""
        self.save_step(model)

    def load(self, model: Any) -> None:
        """See `RunCheckpoints.load_run`."""
        self.load_run(model)

    def write_weights(self, model: Any) -> None:
        """Under ZeRO-3 every rank brings its share."""
        if self.trainer.config.zero_3_enabled:
            self._save_z3_checkpoint(model)
        else:
            super().write_weights(model)

    def after_load(self, model: Any) -> None:
        """DeepSpeed's CPU Adam forgets part of its state."""
        retrace_adam_powers(getattr(model.optimizer, "optimizer", model.optimizer))
