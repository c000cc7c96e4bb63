# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The adapter's way to the server: a name for each policy, and no batch from any other."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.arctic.engines import policy_adapter
from arctic_text2sql_r1.errors import RolloutError
from arctic_text2sql_r1.rollout.base import EngineSetup
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.vllm import VLLMRolloutEngine
from arctic_text2sql_r1.rollout.vllm import write_whole
from tests.rollout.fake_vllm import FakeVLLM

SAMPLING = SamplingParams(max_new_tokens=3, temperature=1.0, num_samples=2)


@pytest.fixture
def policy(make_model: Callable[..., Any]) -> Any:
    """A tiny model with an adapter that does something."""
    from peft import LoraConfig
    from peft import get_peft_model

    model = get_peft_model(make_model(), LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    change(model)
    return model


def change(policy: Any) -> None:
    """One update's worth of difference."""
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)


@pytest.fixture
def engine(policy: Any, tokenizer: Any, fake_vllm: FakeVLLM, tmp_path: Path) -> VLLMRolloutEngine:
    """As a training run builds it, on one rank, after 12 updates."""
    return VLLMRolloutEngine.for_training(
        EngineSetup(
            model=policy,
            tokenizer=tokenizer,
            options=SimpleNamespace(url=fake_vllm.url, timeout_s=20.0, max_batch_rows=None),
            synced_gpus=False,
            folder=tmp_path / "adapters",
            updates_made=lambda: 12,
            adapter=lambda: policy_adapter(policy),
            on_rank_0=lambda work: work(),
        )
    )


def loads(fake_vllm: FakeVLLM) -> list[str]:
    return [body["lora_name"] for path, body in fake_vllm.asked if path == "/v1/load_lora_adapter"]


def test_a_policy_is_loaded_once_and_asked_for_by_name(engine: VLLMRolloutEngine, fake_vllm: FakeVLLM) -> None:
    for _ in range(3):
        engine.generate([[5], [6]], SAMPLING)
    (name,) = loads(fake_vllm)
    assert name.startswith("update-12-")
    assert {request["model"] for request in fake_vllm.completions_asked} == {name}


def test_changed_weights_are_another_name_even_at_the_same_update(
    engine: VLLMRolloutEngine, policy: Any, fake_vllm: FakeVLLM
) -> None:
    engine.generate([[5]], SAMPLING)
    change(policy)
    engine.generate([[5]], SAMPLING)
    first, second = loads(fake_vllm)
    assert first != second
    assert fake_vllm.completions_asked[-1]["model"] == second


def test_only_the_present_policy_stays_on_server_and_disk(
    engine: VLLMRolloutEngine, policy: Any, fake_vllm: FakeVLLM, tmp_path: Path
) -> None:
    fake_vllm.adapters["somebody-elses"] = str(tmp_path / "elsewhere")
    for _ in range(3):
        change(policy)
        engine.generate([[5]], SAMPLING)
    name = loads(fake_vllm)[-1]
    assert fake_vllm.adapters == {"somebody-elses": str(tmp_path / "elsewhere"), name: f"{tmp_path}/adapters/{name}"}
    assert [path.name for path in (tmp_path / "adapters").iterdir()] == [name]


def test_the_folder_is_one_that_peft_loads_with_the_same_weights(
    engine: VLLMRolloutEngine, policy: Any, make_model: Callable[..., Any]
) -> None:
    from peft import PeftModel

    engine.generate([[5]], SAMPLING)
    (folder,) = engine.server.adapters().values()
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        loaded = PeftModel.from_pretrained(make_model(), folder)(ids).logits
        assert torch.equal(loaded, policy(ids).logits)
        assert not torch.equal(loaded, make_model()(ids).logits)


def test_a_server_that_was_started_anew_gets_the_adapter_again(engine: VLLMRolloutEngine, fake_vllm: FakeVLLM) -> None:
    engine.generate([[5]], SAMPLING)
    fake_vllm.adapters.clear()
    engine.generate([[5]], SAMPLING)
    assert len(loads(fake_vllm)) == 2


def test_another_folder_under_the_policys_name_is_replaced(engine: VLLMRolloutEngine, fake_vllm: FakeVLLM) -> None:
    engine.generate([[5]], SAMPLING)
    (name,) = fake_vllm.adapters
    right, fake_vllm.adapters[name] = fake_vllm.adapters[name], "stale-weights"
    engine.generate([[5]], SAMPLING)
    assert fake_vllm.adapters == {name: right}


def test_a_server_that_keeps_another_version_is_an_error(
    engine: VLLMRolloutEngine, policy: Any, fake_vllm: FakeVLLM
) -> None:
    engine.generate([[5]], SAMPLING)
    change(policy)
    fake_vllm.loads = False
    asked = len(fake_vllm.completions_asked)
    with pytest.raises(RolloutError, match="has 'None' as the folder of 'update-12-.*right after it was told to load"):
        engine.generate([[5]], SAMPLING)
    assert len(fake_vllm.completions_asked) == asked, "nothing may be sampled from a stale policy"


def test_an_adapter_that_vanishes_before_its_completions_is_an_error(
    engine: VLLMRolloutEngine, fake_vllm: FakeVLLM
) -> None:
    name = engine.policy_name()
    del fake_vllm.adapters[name]
    engine.policy_name = lambda: name
    with pytest.raises(RolloutError, match=f"refused when asking '{name}' .*status 404"):
        engine.generate([[5]], SAMPLING)


def test_logprobs_without_temperature_are_refused_before_the_first_batch(
    engine: VLLMRolloutEngine, fake_vllm: FakeVLLM
) -> None:
    fake_vllm.temperature_in_logprobs = False
    with pytest.raises(RolloutError, match="--logprobs-mode processed_logprobs"):
        engine.generate([[5]], SAMPLING)


def test_the_adapter_handed_out_is_a_copy(policy: Any) -> None:
    _, tensors = policy_adapter(policy)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    change(policy)
    assert len(tensors) == 2 * 2 * 2, "two sides of two layers' two projections"
    assert all(torch.equal(tensors[name], before[name]) for name in tensors)


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_whole(tmp_path / "adapter", {"adapter_config.json": b"{}", "weights": "not bytes"})  # type: ignore[dict-item]
    assert not (tmp_path / "adapter").exists()
    write_whole(tmp_path / "adapter", {"adapter_config.json": b"{}"})
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
