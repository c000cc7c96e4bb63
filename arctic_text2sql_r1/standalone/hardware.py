# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Settings that suit the machine at hand: precision, four bits or not, a model, batch sizes.

Decided by what a device can do and how much memory it has, not by its name. The figures are estimates, chosen so that
weights, caches and one training pass fit; what a pass really takes is measured when a run starts
(`training/memory.py`). Any of them may be overridden.
"""

import re
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

BFLOAT16_SINCE = (8, 0)  # compute capability; older GPUs compute in float16
GIB = 2**30


@dataclass(frozen=True)
class Device:
    """A `cuda` GPU or the `cpu`; `capability` is None for a CPU."""

    kind: str
    name: str
    capability: tuple[int, int] | None
    memory_bytes: int

    def __str__(self) -> str:
        computes = "" if self.capability is None else f", compute capability {self.capability[0]}.{self.capability[1]}"
        return f"{self.name}{computes}, {self.memory_bytes / GIB:.1f} GiB of memory"


class _Row(NamedTuple):
    """What a GPU with at least so much memory gets."""

    memory_gib: float
    model: str
    four_bit: bool
    prompts: int
    samples: int
    tokens_per_micro_batch: int
    max_batch_rows: int


# Descending: 80 GB, 40 GB, 24 GB (L4), 16 GB (T4), less.
_ROWS = (
    _Row(70, "Qwen/Qwen2.5-Coder-7B-Instruct", False, 16, 16, 16384, 256),
    _Row(36, "Qwen/Qwen2.5-Coder-3B-Instruct", False, 16, 16, 8192, 128),
    _Row(20, "Qwen/Qwen2.5-Coder-3B-Instruct", False, 8, 8, 8192, 64),
    _Row(14, "Qwen/Qwen2.5-Coder-1.5B-Instruct", True, 8, 8, 4096, 32),
    _Row(0, "Qwen/Qwen2.5-Coder-0.5B-Instruct", True, 4, 8, 2048, 16),
)
_CPU = _Row(0, "", False, 64, 8, 4096, 256)  # of a tiny model, whose small batches teach nothing


@dataclass(frozen=True)
class HardwarePlan:
    """Recipe values for one device. `model` is empty where no real model would train in reasonable time."""

    device: Device
    model: str
    dtype: str
    four_bit: bool
    prompts: int
    samples: int
    tokens_per_micro_batch: int
    max_batch_rows: int
    reasons: tuple[str, ...]

    def lines(self) -> list[str]:
        """The plan for people."""
        weights = "base weights in four bits (NF4)" if self.four_bit else f"base weights in {self.dtype}"
        return [
            str(self.device),
            f"model {self.model or 'none suggested: a CPU trains tiny models only'}",
            f"computes in {self.dtype}, {weights}, adapter in fp32",
            f"{self.prompts} prompts x {self.samples} samples = {self.prompts * self.samples} completions per update",
            f"at a time {self.max_batch_rows} completions sampled, {self.tokens_per_micro_batch:,} tokens trained on",
            *self.reasons,
        ]

    def recipe(self) -> dict[str, Any]:
        """The plan as recipe keys, dots leading into sections; without the model's name."""
        return {
            "model.type": "quantized" if self.four_bit else "policy",
            "model.dtype": self.dtype,
            "micro_batch_size": self.prompts,
            "gradient_accumulation_steps": 1,
            "num_samples_per_prompt": self.samples,
            "tokens_per_micro_batch": self.tokens_per_micro_batch,
            "rollout.max_batch_rows": self.max_batch_rows,
        }


def plan_for(device: Device, model: str | None = None) -> HardwarePlan:
    """The plan for `device`, and for `model` if one is named, else for one that suits the device."""
    row = _CPU
    if device.kind != "cpu":
        row = next(row for row in _ROWS if row.memory_gib * GIB <= device.memory_bytes or row is _ROWS[-1])
    name = model or row.model
    dtype, reasons = _precision(device, name)
    four_bit = row.four_bit
    if device.kind != "cpu" and not four_bit and 2e9 * billions(name) > device.memory_bytes / 3:
        four_bit = True
        reasons.append("four bits, because 16-bit weights of that model would take more than a third of the memory")
    return HardwarePlan(
        device=device,
        model=name,
        dtype=dtype,
        four_bit=four_bit,
        prompts=row.prompts,
        samples=row.samples,
        tokens_per_micro_batch=row.tokens_per_micro_batch,
        max_batch_rows=row.max_batch_rows,
        reasons=tuple(reasons),
    )


def _precision(device: Device, model: str) -> tuple[str, list[str]]:
    """What to compute in, and why if it is not the usual bf16."""
    if device.capability is None:
        return "fp32", []
    if device.capability >= BFLOAT16_SINCE:
        return "bf16", []
    if "gemma" in model.lower():
        return "fp32", ["fp32, because Gemma's activations exceed what fp16 can hold and this GPU has no bf16: slow"]
    return "fp16", ["fp16 with scaled losses, because this GPU has no bf16"]


def billions(model: str) -> float:
    """Parameters in 10^9 as a model's name says them (1.5B, 270m); 0 where it does not."""
    found = re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", model.lower())
    if len(found) == 0:
        return 0.0
    number, unit = found[-1]
    return float(number) / (1000.0 if unit == "m" else 1.0)


def detected_device() -> Device:
    """The first GPU, or the CPU with all of the machine's memory."""
    import os
    import platform

    import torch

    if torch.cuda.is_available():
        found = torch.cuda.get_device_properties(0)
        return Device("cuda", str(found.name), (int(found.major), int(found.minor)), int(found.total_memory))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Device("cpu", f"CPU ({platform.machine()}, {os.cpu_count()} cores)", None, memory)
