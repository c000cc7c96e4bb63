# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Scaling between LoRA's factors changes nothing but the time it takes."""

from typing import Any

import pytest
import torch

from arctic_text2sql_r1.lora import folded_scales
from tests.test_packed import tiny
from tests.test_packed import with_lora

IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


def logits_and_gradient(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    model.zero_grad()
    logits = model(input_ids=IDS).logits
    logits.square().mean().backward()
    return logits.detach(), torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])


def test_folded_scales_keep_values_and_gradients() -> None:
    model = with_lora(tiny())
    expected = logits_and_gradient(model)
    with folded_scales(model) as layers:
        found = logits_and_gradient(model)
    assert layers == 14, "seven projections in each of two layers"
    assert float((found[0] - expected[0]).abs().max()) > 0, "nothing was folded"
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_an_adapter_switched_off_inside_leaves_the_base_model_exactly() -> None:
    model = with_lora(tiny())
    with model.disable_adapter():
        base = model(input_ids=IDS).logits
    with folded_scales(model), model.disable_adapter():
        assert torch.equal(model(input_ids=IDS).logits, base)


def test_layers_are_their_own_again_after_an_error_and_after_a_second_entry() -> None:
    model = with_lora(tiny())
    with pytest.raises(RuntimeError), folded_scales(model), folded_scales(model) as again:
        assert again == 0
        raise RuntimeError
    assert not any("forward" in vars(module) for module in model.modules())


def test_layers_with_dropout_run_as_they_are() -> None:
    model = with_lora(tiny())
    for module in model.modules():
        if hasattr(module, "lora_dropout"):
            module.lora_dropout["default"] = torch.nn.Dropout(0.5)
    with folded_scales(model) as layers:
        assert layers == 0
