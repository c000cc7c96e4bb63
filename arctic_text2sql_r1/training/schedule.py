# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The learning rate of every optimizer update. How many updates there are is `GRPOSteps.planned_updates`."""

from collections.abc import Callable
from typing import Any

from torch.optim.lr_scheduler import LambdaLR


def update_scheduler(optimizer: Any, name: str, updates: int, warmup_ratio: float, options: dict[str, Any]) -> Any:
    """Transformers' schedule of that name over `updates` updates, with a warm-up that wastes none of them.

    Those schedules begin at 0, so that a run's first update would change nothing. Here update n of N has the factor
    that they give to step n of N + 1: with a warm-up of W updates n / W, the peak at W, and above 0 at N. Without
    warm-up they begin at the peak and are taken as they are.
    """
    from transformers import get_scheduler

    warmup = int(warmup_ratio * updates)
    scheduler = get_scheduler(
        name=name,
        optimizer=optimizer,
        num_warmup_steps=warmup,
        num_training_steps=updates + (warmup > 0),
        scheduler_specific_kwargs=options,
    )
    if warmup == 0 or not isinstance(scheduler, LambdaLR):
        return scheduler
    return LambdaLR(optimizer, [_one_later(factor) for factor in scheduler.lr_lambdas])


def _one_later(factor: Callable[[int], float]) -> Callable[[int], float]:
    return lambda step: factor(step + 1)
