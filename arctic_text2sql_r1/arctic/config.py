# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The configuration of `type: grpo`: ArcticTraining's keys and ours (`training/keys.py`), and what they forbid each
other.

ArcticTraining counts gradient accumulation per dataloader batch; it is folded into the batch, and the framework and
DeepSpeed see accumulation 1. Where the keys take effect: `arctic/trainer.py`; sections: `training/sections.py`,
`arctic/data.py`.
"""

import os
from pathlib import Path

import torch
from arctic_training.config.trainer import TrainerConfig
from pydantic import field_validator
from pydantic import model_validator
from typing_extensions import Self

from arctic_text2sql_r1.training.keys import GRPOKeys


class GRPOTrainerConfig(TrainerConfig, GRPOKeys):
    """Configuration of `type: grpo`. Every key that is not in `GRPOKeys` is ArcticTraining's own."""

    @field_validator("eval_log_iter_interval")
    @classmethod
    def _evaluation_is_logged(cls, value: int) -> int:
        # ArcticTraining takes this number modulo, so its documented "0 is off" divides by zero.
        if value < 1:
            raise ValueError(
                "eval_log_iter_interval must be at least 1; to switch evaluation off set eval_interval: 0."
            )
        return value

    @field_validator("train_log_iter_interval")
    @classmethod
    def _steps_are_logged(cls, value: int) -> int:
        if value != 1:
            raise ValueError(
                f"train_log_iter_interval is {value}; a GRPO run without its step metrics is blind, use 1."
            )
        return value

    @field_validator("overfit_first_batch")
    @classmethod
    def _no_overfitting(cls, value: bool) -> bool:
        if value:
            raise ValueError("overfit_first_batch is not supported; name a data source with that one batch instead.")
        return value

    @field_validator("sequence_parallel_size")
    @classmethod
    def _no_sequence_parallelism(cls, value: int) -> int:
        if value != 1:
            raise ValueError(f"sequence_parallel_size is {value}; GRPO rollouts are not sharded, use 1.")
        return value

    @model_validator(mode="after")
    def _quantised_weights_stay_whole(self) -> Self:
        if self.model.type == "quantized" and self.zero_3_enabled:
            raise ValueError(
                "model.type is quantized, but deepspeed.zero_optimization.stage 3 cuts weights into shards, and "
                "four-bit weights cannot be put together again. Use stage 2: the base is a quarter of its size, and "
                "only the adapter's gradients and optimizer states are left to share."
            )
        return self

    @model_validator(mode="after")
    def _settle(self) -> Self:
        # Parents' after-validators have run: the DeepSpeed dict is complete and may be corrected.
        self.settle_keys()
        self.deepspeed["train_micro_batch_size_per_gpu"] = self.micro_batch_size
        self.deepspeed["train_batch_size"] = self.micro_batch_size * self.world_size
        self.deepspeed["gradient_accumulation_steps"] = 1
        return self

    @model_validator(mode="after")
    def _place_wandb_files(self) -> Self:
        if self.wandb.enable and self.logger.output_dir == Path(os.devnull):
            # Unset, the framework sends W&B's files to /dev/null, where no table can be staged.
            folder = self.train_log_metrics_path.parent
            self.logger.output_dir = folder
            if os.environ.get("WANDB_DATA_DIR") == os.devnull:
                os.environ["WANDB_DATA_DIR"] = str(folder)
        return self

    @property
    def dtype(self) -> torch.dtype:
        """What the policy computes in."""
        return self.model.dtype.value
