# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The weights that are evaluated are the weights that were named: every way to be fooled is refused."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from safetensors.torch import save_file

from arctic_text2sql_r1.errors import ModelError
from arctic_text2sql_r1.evaluation.models import adapter_fingerprint
from arctic_text2sql_r1.evaluation.models import find_policy
from arctic_text2sql_r1.evaluation.models import load_policy
from arctic_text2sql_r1.run_folders import digest
from arctic_text2sql_r1.run_folders import files_below
from arctic_text2sql_r1.run_folders import new_run

SaveAdapter = Callable[..., Path]
WEIGHTS = "adapter_model.safetensors"


def rewrite_base(adapter: Path, base: str) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": base}))


def test_fingerprint_is_norm_and_hash_of_the_file(adapter: Path) -> None:
    found = adapter_fingerprint(adapter)
    # 2 layers x (q: 32 x 2 values, v: 16 x 2 values) of 0.5 each: sqrt(192 * 0.25)
    assert (found.norm, found.tensors) == (pytest.approx(math.sqrt(48)), 4)
    assert found.sha256 == hashlib.sha256((adapter / WEIGHTS).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("lora_b", "told"), [(0.0, "All 4 lora_B tensors .* are zero"), (math.nan, "NaN or infinite")]
)
def test_a_dead_adapter_is_refused(
    base_model: Path, tmp_path: Path, lora_b: float, told: str, save_adapter: SaveAdapter
) -> None:
    with pytest.raises(ModelError, match=told):
        adapter_fingerprint(save_adapter(base_model, tmp_path / "dead", lora_b=lora_b))


def test_an_adapter_without_its_file_is_refused(adapter: Path) -> None:
    (adapter / WEIGHTS).unlink()
    with pytest.raises(ModelError, match="has no adapter_model.safetensors: evaluating it would measure the base"):
        load_policy(str(adapter))


def test_a_damaged_adapter_file_is_refused(adapter: Path) -> None:
    (adapter / WEIGHTS).write_bytes((adapter / WEIGHTS).read_bytes()[:100])
    with pytest.raises(ModelError, match="damaged"):
        adapter_fingerprint(adapter)


def test_an_adapter_for_another_base_is_refused(base_model: Path, adapter: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    smaller = tmp_path / "smaller"
    shutil.copytree(base_model, smaller)
    model = AutoModelForCausalLM.from_pretrained(base_model)
    model.model.layers = model.model.layers[:1]
    model.config.num_hidden_layers = 1
    model.config.layer_types = model.config.layer_types[:1]
    model.save_pretrained(smaller)
    with pytest.raises(
        ModelError, match="4 tensors differ, first 'base_model.*layers.1.*lora_A.weight' is unexpected"
    ):
        load_policy(str(adapter), base_model=str(smaller))


def test_an_adapter_that_lacks_a_tensor_is_refused_by_its_name(adapter: Path) -> None:
    tensors = load_file(adapter / WEIGHTS)
    del tensors["base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"]
    save_file(tensors, adapter / WEIGHTS)
    with pytest.raises(
        ModelError, match="1 tensors differ, first '.*layers.1.self_attn.q_proj.lora_A.weight' is missing"
    ):
        load_policy(str(adapter))


def test_a_checkpoint_whose_weights_were_altered_is_refused(
    base_model: Path, tmp_path: Path, save_adapter: SaveAdapter
) -> None:
    run = new_run(tmp_path)
    folder = save_adapter(base_model, run.begin(3), lora_b=0.5)
    run.finish(3, {name: digest(folder / name) for name in files_below(folder)})
    run.point_links()
    assert load_policy(str(run.path / "last")).adapter is not None
    weights = run.step_folder(3) / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelError, match="last' is damaged: 'adapter_model.safetensors' has SHA-256"):
        load_policy(str(run.path / "last"))


def test_a_loaded_adapter_changes_the_logits(base_model: Path, adapter: Path) -> None:
    before, after = load_policy(str(base_model)), load_policy(str(adapter))
    ids = torch.tensor([[5, 6, 7]])
    assert (before.adapter, after.context_length) == (None, 2048)
    assert not torch.allclose(before.model(ids).logits, after.model(ids).logits)


def test_a_relative_base_is_found_from_a_folder_above_the_adapter(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_adapter: SaveAdapter
) -> None:
    project = tmp_path / "project"
    shutil.copytree(base_model, project / "models" / "tiny")
    adapter = save_adapter(base_model, project / "runs" / "a" / "step_000003", lora_b=0.5)
    rewrite_base(adapter, base="models/tiny")
    monkeypatch.chdir(tmp_path)
    assert find_policy(str(adapter)).base == str(project / "models" / "tiny")


def test_a_relative_base_that_is_nowhere_is_told(adapter: Path) -> None:
    rewrite_base(adapter, base="./models/tiny")
    with pytest.raises(ModelError, match="trained on './models/tiny'.*--base-model"):
        find_policy(str(adapter))


def test_a_hub_name_stays_a_hub_name(adapter: Path) -> None:
    rewrite_base(adapter, base="Qwen/Qwen2.5-Coder-3B-Instruct")
    assert find_policy(str(adapter)).base == "Qwen/Qwen2.5-Coder-3B-Instruct"
    assert find_policy("Qwen/Qwen2.5-Coder-3B-Instruct").base == "Qwen/Qwen2.5-Coder-3B-Instruct"


@pytest.mark.parametrize("folder", ["output", "output/run_1"])
def test_a_run_folder_names_the_adapter_inside_it(
    base_model: Path, tmp_path: Path, save_adapter: SaveAdapter, folder: str
) -> None:
    save_adapter(base_model, tmp_path / "output" / "run_1" / "step_000003", lora_b=0.5)
    with pytest.raises(ModelError, match="It holds 1 adapter.* the latest is '.*step_000003'"):
        find_policy(str(tmp_path / folder))


@pytest.mark.parametrize("name", ["./absent", "a/b/c", "/absent"])
def test_a_path_that_does_not_exist_is_not_taken_for_a_hub_name(name: str) -> None:
    with pytest.raises(ModelError, match="No model at"):
        find_policy(name)


def test_a_model_without_chat_template_is_refused(base_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    shutil.copytree(base_model, folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="no chat template"):
        load_policy(str(folder))


def test_an_unknown_dtype_lists_the_known_ones(base_model: Path) -> None:
    with pytest.raises(ModelError, match="auto, float32, bfloat16, float16"):
        load_policy(str(base_model), dtype="int3")
