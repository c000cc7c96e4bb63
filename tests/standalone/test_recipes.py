# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A recipe written for ArcticTraining is read as it stands; what cannot be done here is said, key by key."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.standalone.recipes import from_mapping
from arctic_text2sql_r1.standalone.recipes import from_recipe
from arctic_text2sql_r1.standalone.recipes import parsed_overrides
from tests.arctic.toy_project import PROJECT

LORA = dict(peft_type="Lora", task_type="CAUSAL_LM", r=8, target_modules=["q_proj"])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that is a model as far as its configuration goes."""
    return config_folder(tmp_path / "model", model_type="qwen2", max_position_embeddings=4096)


def config_folder(folder: Path, **config: Any) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def recipe(model: Path, tmp_path: Path) -> dict[str, Any]:
    return dict(
        type="grpo",
        model=dict(name_or_path=str(model), dtype="fp32", peft_config=LORA),
        data=dict(sources=[dict(type="text2sql", path="questions.json")], max_length=3000),
        train_log_metrics_path=str(tmp_path / "logs" / "metrics.jsonl"),
    )


def test_a_committed_recipe_is_read_and_what_it_does_not_use_is_named(model: Path) -> None:
    found = from_recipe(PROJECT / "grpo-qwen-3b.yaml", {"model.name_or_path": str(model)})
    settings = found.settings
    assert found.unused == ["data.cache_dir", "data.num_proc", "deepspeed", "logger"]
    assert (settings.micro_batch_size, settings.num_samples_per_prompt) == (16, 16)
    assert (settings.optimizer.learning_rate, settings.scheduler.name) == (1e-5, "cosine")
    assert (settings.cells.kl_coef, settings.model.dtype, settings.checkpoint[0].keep_last) == (0.001, "bf16", 2)


@pytest.mark.slow
def test_defaults_are_those_of_the_plugin(recipe: dict[str, Any]) -> None:
    from arctic_text2sql_r1.arctic.config import GRPOTrainerConfig

    settings = from_mapping(recipe).settings
    theirs = GRPOTrainerConfig.model_fields
    shared = [name for name in type(settings).model_fields if name in theirs and not theirs[name].is_required()]
    assert len(shared) > 25
    for name in set(shared) - {"model", "data", "optimizer", "scheduler", "checkpoint", "type", "kill_switch_path"}:
        ours = type(settings).model_fields[name]
        default = theirs[name].get_default(call_default_factory=False)
        assert ours.get_default(call_default_factory=False) == default, name


def test_gradient_clipping_is_taken_from_the_deepspeed_section(recipe: dict[str, Any]) -> None:
    recipe["deepspeed"] = dict(gradient_clipping=0.3, zero_optimization=dict(stage=2))
    assert from_mapping(recipe).settings.gradient_clipping == 0.3


def test_overrides_lead_into_sections_and_are_yaml(recipe: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    changes = parsed_overrides(["optimizer.learning_rate=1e-4", "rewards=[execution, format_exact]", "epochs=3"])
    settings = from_recipe(path, changes).settings
    assert (settings.optimizer.learning_rate, settings.epochs) == (1e-4, 3)
    assert [reward.name for reward in settings.rewards] == ["execution", "format_exact"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (dict(epoch=3), "unknown key 'epoch'; known here: .*epochs"),
        (dict(sql=dict(timeout=3)), "unknown key 'sql.timeout'; known here: .*timeout_s"),
        (dict(checkpoint=[dict(output_dir="out", keep=1)]), r"unknown key 'checkpoint.0.keep'; .*keep_last"),
        (dict(sequence_parallel_size=2), "sequence_parallel_size has no meaning in a single process"),
        (dict(rollout=dict(engine="vllm")), "vllm, which the standalone loop does not run"),
        (dict(num_samples_per_prompt=1), "needs at least 2"),
        (dict(eval_interval=2), "eval_sources and eval_interval need each other"),
        (dict(max_new_tokens=3000), "leaves no room for a prompt"),
        (dict(optimizer=dict(type="muon")), "optimizer.type: Input should be '', 'fused_adam' or 'cpu_adam'"),
        (dict(type="sft"), "type: Input should be 'grpo'"),
        (dict(objective="reinforce", inner_epochs=2), "ratio_level none"),
    ],
)
def test_what_cannot_be_run_is_told_with_its_key(recipe: dict[str, Any], keys: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        from_mapping({**recipe, **keys})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (dict(dtype="fp8"), "model.dtype is 'fp8', expected fp32, bf16, fp16"),
        (dict(dtype="bf16", peft_config=None), "All weights are trained, in bf16"),
        (dict(type="quantized", peft_config=None), "four-bit weights cannot be trained"),
        (dict(peft_config=dict(peft_type="IA3")), "peft_type is IA3, expected Lora"),
        (dict(peft_config=dict(peft_type="Lora", rank=4)), "model.peft_config: .*'rank'"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused(recipe: dict[str, Any], keys: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        from_mapping({**recipe, "model": {**recipe["model"], **keys}})


def test_gemma_in_float16_is_refused(recipe: dict[str, Any], tmp_path: Path) -> None:
    gemma = config_folder(tmp_path / "gemma", model_type="gemma3_text", max_position_embeddings=4096)
    recipe["model"].update(name_or_path=str(gemma), dtype="fp16")
    with pytest.raises(TrainingError, match="exceed what float16 can hold"):
        from_mapping(recipe)


def test_without_a_length_prompts_and_completions_fill_the_models_context(recipe: dict[str, Any]) -> None:
    del recipe["data"]["max_length"]
    assert from_mapping(recipe).settings.data.max_length == 4096


def test_accumulation_multiplies_the_prompts_of_a_rollout(recipe: dict[str, Any]) -> None:
    settings = from_mapping({**recipe, "micro_batch_size": 2, "gradient_accumulation_steps": 8}).settings
    assert (settings.micro_batch_size, settings.gradient_accumulation_steps) == (16, 1)
