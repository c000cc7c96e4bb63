# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The few collective calls of a step. Every rank must make each of them, whatever its share of the work."""

from typing import Any
from typing import TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


def reduce_sum(value: float, device: torch.device) -> float:
    """Sum over ranks."""
    return _reduce(value, device, dist.ReduceOp.SUM)


def reduce_max(value: float, device: torch.device) -> float:
    """Maximum over ranks."""
    return _reduce(value, device, dist.ReduceOp.MAX)


def gather(item: T) -> list[T]:
    """Every rank's `item`, in rank order; picklable objects, small enough to send each step."""
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, item)
    return everyone


def _reduce(value: float, device: torch.device, operation: Any) -> float:
    tensor = torch.tensor(float(value), dtype=torch.float64, device=device)
    dist.all_reduce(tensor, op=operation)
    return float(tensor)
