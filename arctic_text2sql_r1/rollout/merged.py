# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""LoRA merged into the weights while completions are sampled, without ever writing to the weights.

An adapter costs two more matrix products per layer and token. Here the sum of base weight and adapter is computed once
into a tensor of its own and each adapted layer multiplies by that; the parameters themselves stay as they are, bit for
bit, whatever happens in between. The price is memory: a second copy of the adapted weights while sampling lasts.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from arctic_text2sql_r1.lora import exchanged_forwards
from arctic_text2sql_r1.lora import lora_layers

# On an accelerator the copy may take at most this share of the memory that is free.
MEMORY_SHARE = 0.25


@contextmanager
def merged_adapters(model: torch.nn.Module, merge: bool | None = None) -> Iterator[int]:
    """Inside, adapted linear layers multiply once by the sum of weight and adapter. Yields how many layers do.

    `merge` None decides by rule: layers in float32 (in bf16 the sum would round small updates away and another policy
    than the trained one would sample), if the copies fit into a quarter of the accelerator's free memory. True merges
    layers of any floating dtype, False none. Never merged: quantised weights, shards of ZeRO-3, adapters other than
    plain LoRA on a linear layer, and adapters that are switched off; they run as they are.
    """
    layers = [] if merge is False else [layer for layer in lora_layers(model) if _can_merge(layer, merge)]
    if merge is None and not _fits(layers):
        layers = []
    with exchanged_forwards([(layer, _merged_forward(layer)) for layer in layers]):
        yield len(layers)


def _merged_forward(layer: Any) -> Callable[..., torch.Tensor]:
    return partial(torch.nn.functional.linear, weight=_merged_weight(layer), bias=layer.get_base_layer().bias)


def _can_merge(layer: Any, merge: bool | None) -> bool:
    base = layer.get_base_layer()
    if type(base) is not torch.nn.Linear or layer.merged or layer.disable_adapters or "forward" in vars(layer):
        return False
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    plain = all(name not in layer.lora_variant and not layer.lora_bias[name] for name in active)
    weights = [base.weight, *(side[name].weight for name in active for side in (layer.lora_A, layer.lora_B))]
    dtypes = {weight.dtype for weight in weights}
    # A ZeRO-3 shard is an empty shell until its layer runs.
    whole = all(weight.numel() > 0 and weight.is_floating_point() for weight in weights)
    return len(active) > 0 and plain and whole and (merge is True or dtypes == {torch.float32})


def _fits(layers: list[Any]) -> bool:
    weights = [layer.get_base_layer().weight for layer in layers]
    if len(weights) == 0 or weights[0].device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(weights[0].device)
    copies = sum(int(weight.numel() * weight.element_size()) for weight in weights)
    return copies <= MEMORY_SHARE * float(free)


def _merged_weight(layer: Any) -> torch.Tensor:
    """A new tensor: the base weight plus every active adapter, summed in float32 and rounded once."""
    weight: torch.Tensor = layer.get_base_layer().weight
    total = weight.detach().float()
    for name in layer.active_adapters:
        if name in layer.lora_A:
            total = total + layer.get_delta_weight(name).detach().float()
    return total.to(weight.dtype)
