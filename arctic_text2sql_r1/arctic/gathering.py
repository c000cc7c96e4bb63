# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Whole weights for a rollout under ZeRO-3, which otherwise collects each layer's again for every single token.

Gathered once, ranks need not step together while they generate, and an adapter can be merged as with whole weights.
What is done inside is the rollout engine's affair (`rollout/hf.py`); training passes go on layer by layer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from arctic_text2sql_r1.training.ranks import reduce_max

# On an accelerator the weights may take at most this share of the memory that is free: caches need the rest.
MEMORY_SHARE = 0.5


def weight_access(trainer: Any) -> dict[str, Any]:
    """How an engine in the training process gets at the weights: the fields of its `EngineSetup` that say so.

    Under ZeRO-3 they come all at once where they fit, else layer by layer with all ranks in step. A collective call.
    """
    if not trainer.config.zero_3_enabled:
        return dict(synced_gpus=False)
    if can_gather(trainer.model_unwrapped, trainer.device):
        return dict(synced_gpus=False, gather=partial(gathered, trainer.model_unwrapped))
    return dict(synced_gpus=trainer.world_size > 1)


def can_gather(module: torch.nn.Module, device: torch.device) -> bool:
    """Whether ZeRO-3's shards of `module`, put together, fit on every rank. A collective call.

    On a CPU they always do: what all ranks together need there is not known to one of them.
    """
    if device.type == "cpu":
        return True
    whole = sum(p.ds_numel * p.element_size() for p in module.parameters() if hasattr(p, "ds_numel"))
    free = torch.get_device_module(device).mem_get_info(device)[0]
    return reduce_max(int(whole > MEMORY_SHARE * free), device) == 0


@contextmanager
def gathered(module: torch.nn.Module) -> Iterator[None]:
    """Inside, every parameter of a ZeRO-3 `module` is whole on every rank. Entering is a collective call.

    DeepSpeed's hooks would give each layer's weights up again after its first forward pass, so no hook of the module
    runs inside; there must be no backward pass.
    """
    from deepspeed.runtime.zero import GatheredParameters

    hooks = [(part, part._forward_pre_hooks, part._forward_hooks) for part in module.modules()]
    with GatheredParameters(list(module.parameters())):
        try:
            for part, before, after in hooks:
                part._forward_pre_hooks, part._forward_hooks = type(before)(), type(after)()
            yield
        finally:
            for part, before, after in hooks:
                part._forward_pre_hooks, part._forward_hooks = before, after
