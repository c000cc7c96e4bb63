# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""`training/schedule.py` as ArcticTraining's scheduler factory."""

from typing import Any

from arctic_training.scheduler.hf_factory import HFSchedulerConfig
from arctic_training.scheduler.hf_factory import HFSchedulerFactory

from arctic_text2sql_r1.training.schedule import update_scheduler


class UpdateSchedulerFactory(HFSchedulerFactory):
    """Transformers' schedules by name, with a warm-up that wastes no update."""

    name = "updates"
    config: HFSchedulerConfig

    def create_scheduler(self, optimizer: Any) -> Any:
        """See `update_scheduler`."""
        return update_scheduler(
            optimizer,
            name=self.config.name,
            updates=self.trainer.training_horizon,
            warmup_ratio=self.config.warmup_ratio,
            options=self.config.scheduler_specific_kwargs,
        )
