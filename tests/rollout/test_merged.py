# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Merging while sampling: which layers merge, that they then compute the same, and that weights stay bit for bit."""

from typing import Any

import pytest
import torch

from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.hf import HFRolloutEngine
from arctic_text2sql_r1.rollout.merged import merged_adapters

PROMPTS = [[5, 6, 7], [8]]
LAYERS = 14  # 2 decoder layers of 7 projections


def adapted(model: Any, **options: Any) -> Any:
    from peft import LoraConfig
    from peft import get_peft_model

    torch.manual_seed(1)
    model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", **options))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def merged_count(model: Any, merge: bool | None = None) -> int:
    with merged_adapters(model, merge) as count:
        return count


def test_merged_layers_compute_what_layer_and_adapter_compute(model: Any) -> None:
    model = adapted(model)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        with merged_adapters(model) as count:
            assert count == LAYERS
            assert model.base_model.model.model.layers[0].self_attn.q_proj.forward.keywords["weight"].shape == (32, 32)
            torch.testing.assert_close(model(input_ids=ids).logits, before, rtol=1e-4, atol=1e-4)
        assert torch.equal(model(input_ids=ids).logits, before)


@pytest.mark.parametrize("fails", [False, True])
def test_every_weight_is_bitwise_the_same_after_sampling(model: Any, tokenizer: Any, fails: bool) -> None:
    model = adapted(model)
    engine = HFRolloutEngine(model, tokenizer, merge_adapter=True)
    engine.generate(PROMPTS, SamplingParams(max_new_tokens=1))
    before = {name: (tensor.data_ptr(), tensor.clone()) for name, tensor in model.state_dict().items()}
    steps = 0

    def fail_at_the_third_step(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if fails and steps == 3:
            raise RuntimeError("out of memory")

    model.register_forward_pre_hook(fail_at_the_third_step)
    sampling = SamplingParams(max_new_tokens=6, temperature=1.0, num_samples=3)
    if fails:
        with pytest.raises(RuntimeError, match="out of memory"):
            engine.generate(PROMPTS, sampling)
    else:
        engine.generate(PROMPTS, sampling)
    after = model.state_dict()
    assert after.keys() == before.keys()
    for name, (address, tensor) in before.items():
        assert after[name].data_ptr() == address
        assert torch.equal(after[name].view(torch.int32), tensor.view(torch.int32)), name
    assert [name for name, module in model.named_modules() if "forward" in vars(module)] == []
    assert model.config._attn_implementation == "sdpa"


def test_half_precision_is_merged_only_when_asked(model: Any) -> None:
    model = adapted(model.to(torch.bfloat16))
    assert (merged_count(model), merged_count(model, merge=True), merged_count(model, merge=False)) == (0, LAYERS, 0)


def test_a_model_without_adapter_has_nothing_to_merge(model: Any) -> None:
    assert merged_count(model) == 0


def test_an_adapter_that_is_switched_off_is_not_merged(model: Any) -> None:
    model = adapted(model)
    with model.disable_adapter():
        assert merged_count(model) == 0
    assert merged_count(model) == LAYERS


def test_adapters_that_are_not_plain_lora_run_as_they_are(model: Any) -> None:
    assert merged_count(adapted(model, use_dora=True)) == 0


def test_a_weight_that_is_not_here_is_not_merged(model: Any) -> None:
    # What ZeRO-3 leaves of a parameter between forward passes.
    model = adapted(model)
    model.base_model.model.model.layers[0].mlp.up_proj.base_layer.weight.data = torch.empty(0)
    assert merged_count(model) == LAYERS - 1
