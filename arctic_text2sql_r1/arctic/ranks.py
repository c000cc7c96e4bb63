# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The few collective calls of a step. Every rank must make each of them, whatever its share of the work."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import TypeVar

import torch
import torch.distributed as dist

from arctic_text2sql_r1.errors import Text2SQLError

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


def release_shared_memory() -> None:
    """Unlinks the buffer through which DeepSpeed's ranks meet on a CPU, so that it goes when the processes go.

    DeepSpeed never removes these 66 MiB per rank; after some hundred runs, or kills, they fill the memory. All ranks
    have opened their neighbours' buffers once they meet here, and what is open stays usable without its name.
    """
    dist.barrier()
    address, port = os.environ.get("MASTER_ADDR", ""), os.environ.get("MASTER_PORT", "")
    name = f"deepspeed_allreduce_buffer_{os.getuid()}_{address}_{port}_{dist.get_rank()}"
    Path("/dev/shm", name).unlink(missing_ok=True)


def on_rank_0(work: Callable[[], T]) -> T:
    """What `work` returns on rank 0, for every rank; the others wait. An error that it raises is raised on all."""
    outcome: Any = None
    if dist.get_rank() == 0:
        try:
            outcome = work()
        except (Text2SQLError, OSError) as error:
            outcome = error
    outcome = gather(outcome)[0]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _reduce(value: float, device: torch.device, operation: Any) -> float:
    tensor = torch.tensor(float(value), dtype=torch.float64, device=device)
    dist.all_reduce(tensor, op=operation)
    return float(tensor)
