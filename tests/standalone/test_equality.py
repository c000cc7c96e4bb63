# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""One update of the standalone loop is one update of the plugin: the same recipe and seed through both.

The plugin runs by the real `arctic_training` command with DeepSpeed's optimizer, in float32 on a CPU. Completions and
rewards are equal; figures and weights agree to within what another order of the same additions gives.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from arctic_text2sql_r1.run_folders import RunFolder
from arctic_text2sql_r1.standalone.trainer import train
from tests.arctic.toy_project import start_recipe
from tests.standalone.conftest import settings_of

pytestmark = pytest.mark.slow

CLOCKS = ("seconds_generate", "seconds_reward", "seconds_train", "tokens_per_s", "step_time")
TOLERANCE = 2e-5  # largest difference of any figure, relative to it
# The same of any weight, relative to the largest of its matrix: Adam makes more of gradients that are nearly 0.
WEIGHT_TOLERANCE = 1e-4

CASES: dict[str, dict[str, Any]] = {
    "grpo with KL": dict(kl_coef=0.05, scheduler=dict(name="cosine", warmup_ratio=0.25)),
    "gspo, two updates on each rollout": dict(
        objective="gspo", updates_per_inner_epoch=2, exit_iteration=4, optimizer=dict(lr=2e-3, weight_decay=0.1)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_three_updates_are_the_plugins(name: str, toy_recipe: dict[str, Any], tmp_path: Path) -> None:
    toy_recipe.update(exit_iteration=3)
    recipe = {**toy_recipe, **CASES[name]}
    if "objective" in recipe:
        for key in ("advantage_scaling", "clip_range", "kl_coef"):
            del recipe[key]
    folders = [tmp_path / "plugin", tmp_path / "standalone"]
    for folder in folders:
        folder.mkdir()
        (folder / "toy_rewards.py").write_text((tmp_path / "toy_rewards.py").read_text())
    process = start_recipe(redirected(recipe, folders[0]), folders[0])
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output[-3000:]
    train(settings_of(redirected(recipe, folders[1])))
    assert_alike(*(figures(folder) for folder in folders))
    assert samples(folders[0]) == samples(folders[1])
    for step in saved_steps(folders[0]):
        assert_alike_weights(*(adapter(folder, step) for folder in folders))


def redirected(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The recipe with its outputs in `folder`, and every update saved."""
    steps = recipe.get("updates_per_inner_epoch", 1)
    checkpoint = [dict(type="run", output_dir=str(folder / "out"), save_every_n_steps=steps, keep_last=9)]
    paths = dict(train_log_metrics_path=str(folder / "metrics.jsonl"), rollouts_path=str(folder / "rollouts.jsonl"))
    return {**recipe, **paths, "checkpoint": checkpoint, "data": {**recipe["data"], "cache_dir": str(folder)}}


def figures(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in CLOCKS} for row in rows]


def samples(folder: Path) -> list[tuple[Any, ...]]:
    rows = [json.loads(line) for line in (folder / "rollouts.jsonl").read_text().splitlines()]
    return [(row["step"], row["example_id"], row["completion"], row["reward"], row["status"]) for row in rows]


def saved_steps(folder: Path) -> list[int]:
    steps = RunFolder(folder / "out" / "run_1").steps()
    assert len(steps) > 1
    return steps


def adapter(folder: Path, step: int) -> dict[str, Any]:
    return load_file(folder / "out" / "run_1" / f"step_{step:06d}" / "adapter_model.safetensors")


def assert_alike(plugin: list[dict[str, float]], standalone: list[dict[str, float]]) -> None:
    assert [row.keys() for row in plugin] == [row.keys() for row in standalone]
    assert plugin[-1]["loss"] != plugin[0]["loss"] and plugin[-1]["grad_norm"] > 0
    for expected, found in zip(plugin, standalone, strict=True):
        assert found == pytest.approx(expected, rel=TOLERANCE, abs=1e-8)


def assert_alike_weights(plugin: dict[str, Any], standalone: dict[str, Any]) -> None:
    assert plugin.keys() == standalone.keys()
    for name, expected in plugin.items():
        difference = (standalone[name] - expected).abs().max() / expected.abs().max()
        assert float(difference) < WEIGHT_TOLERANCE, name
