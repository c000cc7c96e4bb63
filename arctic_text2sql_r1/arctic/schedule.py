# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The learning rate of every optimizer update. How many updates there are is the trainer's `training_horizon`."""

from collections.abc import Callable
from typing import Any

from arctic_training.scheduler.hf_factory import HFSchedulerConfig
from arctic_training.scheduler.hf_factory import HFSchedulerFactory
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_scheduler


class UpdateSchedulerFactory(HFSchedulerFactory):
    """Transformers' schedules by name, with a warm-up that wastes no update.

    Those schedules begin at 0, so that a run's first update would change nothing. Here update n of N has the factor
    that they give to step n of N + 1: with a warm-up of W updates n / W, the peak at W, and above 0 at N. Without
    warm-up they begin at the peak and are taken as they are.
    """

    name = "updates"
    config: HFSchedulerConfig

    def create_scheduler(self, optimizer: Any) -> Any:
        horizon = self.trainer.training_horizon
        warmup = int(self.config.warmup_ratio * horizon)
        scheduler = get_scheduler(
            name=self.config.name,
            optimizer=optimizer,
            num_warmup_steps=warmup,
            num_training_steps=horizon + (warmup > 0),
            scheduler_specific_kwargs=self.config.scheduler_specific_kwargs,
        )
        if warmup == 0 or not isinstance(scheduler, LambdaLR):
            return scheduler
        return LambdaLR(optimizer, [_one_later(factor) for factor in scheduler.lr_lambdas])


def _one_later(factor: Callable[[int], float]) -> Callable[[int], float]:
    return lambda step: factor(step + 1)
