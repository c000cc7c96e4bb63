# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""LoRA layers that scale where it is cheap while they are trained.

PEFT multiplies the adapter's whole contribution, as wide as the layer's output, by its scale. Multiplying the `r`
numbers between the two factors instead gives the same product and spares a pass over every output, forward and
backward. Merging adapters, which only sampling can use, is in `rollout/merged.py`.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch


@contextmanager
def folded_scales(model: torch.nn.Module) -> Iterator[int]:
    """Inside, plain LoRA layers scale between their factors. Yields how many do; may be entered again inside.

    Layers with dropout, a variant of LoRA, or anything else that PEFT does on the way run as they are. Switching
    adapters off and on inside works as ever.
    """
    layers = [layer for layer in lora_layers(model) if _is_plain(layer)]
    with exchanged_forwards([(layer, partial(_forward, layer)) for layer in layers]):
        yield len(layers)


def lora_layers(model: torch.nn.Module) -> list[Any]:
    """PEFT's LoRA layers around plain linear ones; quantised and other kinds are left out."""
    if not hasattr(model, "peft_config"):  # PEFT takes a quarter of a second to import
        return []
    from peft.tuners.lora import Linear

    return [module for module in model.modules() if type(module) is Linear]


@contextmanager
def exchanged_forwards(forwards: Sequence[tuple[Any, Callable[..., torch.Tensor]]]) -> Iterator[None]:
    """Inside, each module of (module, function) computes by that function; its class's own is back afterwards."""
    try:
        for module, function in forwards:
            module.forward = function
        yield
    finally:
        for module, _ in forwards:
            vars(module).pop("forward", None)


def _is_plain(layer: Any) -> bool:
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    dropouts = [getattr(layer.lora_dropout[name], "p", 0.0) for name in active]
    plain = not any(name in layer.lora_variant for name in active) and not any(dropouts)
    return plain and not layer.merged and "forward" not in vars(layer)


def _forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = layer.base_layer(x)
    dtype = result.dtype
    for name in layer.active_adapters:
        if name in layer.lora_A and not layer.disable_adapters:
            inner = layer.lora_A[name](x.to(layer.lora_A[name].weight.dtype))
            result = result + layer.lora_B[name](inner * layer.scaling[name])
    return result.to(dtype)
