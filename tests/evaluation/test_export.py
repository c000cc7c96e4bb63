# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""An exported model is the policy that was trained: same tokens, weights rounded once, over the base of training."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.cli import main
from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.evaluation.models import load_policy
from arctic_text2sql_r1.export import export_adapter

IDS = torch.arange(5, 25).unsqueeze(0)


def greedy(model: Any) -> list[int]:
    tokens: list[int] = model.generate(IDS, max_new_tokens=24, do_sample=False, eos_token_id=None)[0].tolist()
    return tokens


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found


@pytest.fixture
def trained_over_nf4(adapter: Path) -> Path:
    """The adapter with the record that a run on a quantised base leaves beside it."""
    (adapter / "text2sql_r1.json").write_text(json.dumps(dict(quantization="nf4", dtype="float32")))
    return adapter


def test_a_float32_export_writes_the_same_tokens_as_base_and_adapter(
    base_model: Path, adapter: Path, tmp_path: Path
) -> None:
    export_adapter(adapter, tmp_path / "merged", dtype="float32")
    exported, policy = load_policy(str(tmp_path / "merged")), load_policy(str(adapter))
    assert exported.adapter is None
    assert greedy(exported.model) == greedy(policy.model) != greedy(load_policy(str(base_model)).model)
    torch.testing.assert_close(logits(exported.model), logits(policy.model), rtol=0.0, atol=1e-5)


def test_a_bfloat16_export_rounds_the_sum_once(adapter: Path, tmp_path: Path) -> None:
    export_adapter(adapter, tmp_path / "merged")
    layer = load_policy(str(adapter)).model.base_model.model.model.layers[0].self_attn.q_proj
    expected = layer.get_base_layer().weight + layer.get_delta_weight("default")
    exported = load_policy(str(tmp_path / "merged"), dtype="auto").model.model.layers[0].self_attn.q_proj.weight
    assert torch.equal(exported, expected.bfloat16().float())


def test_an_adapter_over_nf4_is_exported_as_it_was_trained(trained_over_nf4: Path, tmp_path: Path) -> None:
    policy = load_policy(str(trained_over_nf4)).model
    export_adapter(trained_over_nf4, tmp_path / "trained", dtype="float32")
    export_adapter(trained_over_nf4, tmp_path / "original", dtype="float32", original_base=True)
    trained, original = (load_policy(str(tmp_path / name)).model for name in ("trained", "original"))
    assert greedy(trained) == greedy(policy)
    torch.testing.assert_close(logits(trained), logits(policy), rtol=0.0, atol=1e-5)
    assert float((logits(original) - logits(policy)).abs().max()) > 1e-3


def test_the_command_writes_a_folder_with_everything_to_serve_it(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", "--adapter", str(adapter), "--out", str(tmp_path / "merged")]
    assert main(command) == 0
    assert "merged into its base" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "merged").iterdir()}
    assert names >= {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"}
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["dtype"] == "bfloat16"
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err


def test_what_is_no_live_adapter_is_not_exported(
    base_model: Path, tmp_path: Path, save_adapter: Callable[..., Path]
) -> None:
    with pytest.raises(ModelError, match="nothing to merge"):
        export_adapter(base_model, tmp_path / "merged")
    dead = save_adapter(base_model, tmp_path / "dead", lora_b=0.0)
    with pytest.raises(ModelError, match="All 4 lora_B tensors"):
        export_adapter(dead, tmp_path / "merged")
