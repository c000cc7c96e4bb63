# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The few collective calls of a step. Every rank must make each of them, whatever its share of the work.

In a process without a process group, as `standalone/` is, that process is the only rank.
"""

from collections.abc import Callable
from typing import Any
from typing import TypeVar

import torch
import torch.distributed as dist

from arctic_text2sql_r1.errors import Text2SQLError

T = TypeVar("T")


def reduce_sum(value: float, device: torch.device) -> float:
    """Sum over ranks."""
    return _reduce(value, device, "SUM")


def reduce_max(value: float, device: torch.device) -> float:
    """Maximum over ranks."""
    return _reduce(value, device, "MAX")


def gather(item: T) -> list[T]:
    """Every rank's `item`, in rank order; picklable objects, small enough to send each step."""
    if not _has_group():
        return [item]
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, item)
    return everyone


def barrier() -> None:
    """Waits until every rank is here."""
    if _has_group():
        dist.barrier()


def on_rank_0(work: Callable[[], T]) -> T:
    """What `work` returns on rank 0, for every rank; the others wait. An error that it raises is raised on all."""
    outcome: Any = None
    if not _has_group() or dist.get_rank() == 0:
        try:
            outcome = work()
        except (Text2SQLError, OSError) as error:
            outcome = error
    outcome = gather(outcome)[0]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome  # type: ignore[no-any-return]


def _has_group() -> bool:
    return dist.is_available() and dist.is_initialized()


def _reduce(value: float, device: torch.device, operation: str) -> float:
    if not _has_group():
        return float(value)
    tensor = torch.tensor(float(value), dtype=torch.float64, device=device)
    dist.all_reduce(tensor, op=getattr(dist.ReduceOp, operation))
    return float(tensor)
