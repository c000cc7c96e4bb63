# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The reference policy, which the KL term holds the trained policy to, in three forms.

* A new LoRA adapter: the same weights with the adapter switched off. Costs no memory.
* An adapter that the run continues (`model.adapter`): the same base with a frozen copy of that adapter.
* Full fine-tuning: a second model, frozen, loaded from the same files; under ZeRO-3 sharded like the policy.

Each is what the policy was before its first update, also in a run that was resumed: copies are made from the files,
not from the policy. `kl_coef: 0` builds none of them. Log-probabilities are computed in `learner.py`.
"""

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import contextmanager
from typing import Any
from typing import Protocol

import torch


class Reference(Protocol):
    """A frozen policy."""

    def __str__(self) -> str:
        """What it is and what it costs, for the plan."""

    def in_force(self) -> AbstractContextManager[torch.nn.Module]:
        """Inside, the module that is yielded computes as the reference; use it without gradients."""


def build_reference(trainer: Any) -> Reference | None:
    """The reference that the trainer's recipe asks for; None when its objective has no KL term."""
    if trainer.config.cells.kl_coef == 0:
        return None
    if trainer.config.starting_adapter is not None:
        frozen: FrozenAdapter = trainer.frozen_adapter
        frozen.match(trainer.device)
        return frozen
    if trainer.config.model.peft_config is not None:
        return AdapterOff(trainer.model_unwrapped)
    return SecondModel(trainer.load_second_model())


class AdapterOff:
    """The policy's own module with its adapter switched off."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __str__(self) -> str:
        return "the base model, that is, the policy with its adapter off"

    @contextmanager
    def in_force(self) -> Iterator[torch.nn.Module]:
        with self.module.disable_adapter():
            yield self.module


class FrozenAdapter:
    """The policy's own module with its adapter's layers exchanged for copies made at construction.

    The copies are no part of the module: optimizer, checkpoints, shards and rollouts never see them.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        self._layers = [
            (parent, name, copy.deepcopy(layer).requires_grad_(False))
            for parent in module.modules()
            for name, layer in parent.named_children()
            if any(parameter.requires_grad for parameter in layer.parameters(recurse=False))
        ]

    def __str__(self) -> str:
        sizes = [(p.numel(), p.element_size()) for _, _, layer in self._layers for p in layer.parameters()]
        return (
            f"a frozen copy of the adapter that the policy starts from: {sum(count for count, _ in sizes):,} "
            f"parameters, {sum(count * width for count, width in sizes) / 2**20:.1f} MiB on every rank"
        )

    def match(self, device: torch.device) -> None:
        """Moves the copies to `device` and to the dtype that the policy's layers have by now."""
        for parent, name, frozen in self._layers:
            frozen.to(device=device, dtype=next(getattr(parent, name).parameters()).dtype)

    @contextmanager
    def in_force(self) -> Iterator[torch.nn.Module]:
        trained = [getattr(parent, name) for parent, name, _ in self._layers]
        try:
            for parent, name, frozen in self._layers:
                parent.add_module(name, frozen)
            yield self.module
        finally:
            for (parent, name, _), layer in zip(self._layers, trained, strict=True):
                parent.add_module(name, layer)


class SecondModel:
    """Another model from the recipe's files: a module, or an engine around one that is cut into shards."""

    def __init__(self, loaded: Any) -> None:
        self._loaded = loaded  # an engine that nobody holds takes its hooks away from the module
        self.module = getattr(loaded, "module", loaded)
        self.module.requires_grad_(False).eval()

    def __str__(self) -> str:
        # Under ZeRO-3 the full size is in ds_numel, and each rank holds its share.
        count = sum(getattr(parameter, "ds_numel", parameter.numel()) for parameter in self.module.parameters())
        size = count * next(self.module.parameters()).element_size() / 2**30
        return f"a second model, frozen: {count:,} parameters, {size:.2f} GiB more on every rank (ZeRO-3: its share)"

    @contextmanager
    def in_force(self) -> Iterator[torch.nn.Module]:
        yield self.module
