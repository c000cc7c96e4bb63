# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Recipes through the real `arctic_training` command: one and two ranks, the 3B recipe, bad data.

Kills are in `test_resume.py`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.arctic.toy_project import TRAINING_DATA
from tests.arctic.toy_project import ToyRun

pytestmark = pytest.mark.slow

RunRecipe = Callable[..., ToyRun]

STEP_METRICS = {
    *("reward_mean", "reward_1", "reward_0.1", "reward_0", "equal_groups", "truncation_rate", "loss", "lr"),
    *("kl", "clip_fraction", "entropy", "grad_norm", "completion_length_mean", "tokens_per_s", "reward/execution"),
    *("seconds_generate", "seconds_reward", "seconds_train"),
}


def test_tiny_recipe_trains_with_one_rank(run_recipe: RunRecipe, toy_recipe: dict[str, Any]) -> None:
    # A random model's SQL earns nothing; the letter e gives its groups the spread that KL and entropy are measured on.
    toy_recipe["rewards"] = ["execution", "toy_rewards:share_of_letter_e"]
    run = run_recipe(toy_recipe)
    assert run.code == 0, run.output[-3000:]
    assert [row["iter"] for row in run.metrics] == [1, 2]
    assert set(run.metrics[0]) >= STEP_METRICS
    assert len(run.rollouts) == 2 * 8 * 4
    assert "step 1/2 | reward" in run.output
    adapter = run.folder / "run_1" / "last"
    assert {"adapter_model.safetensors", "tokenizer.json", "text2sql_r1.json"} <= {p.name for p in adapter.iterdir()}
    assert json.loads((adapter / "text2sql_r1.json").read_text())["template"] == "tiny"


def test_two_ranks_share_the_prompts_and_never_hang_on_uneven_work(
    run_recipe: RunRecipe, toy_recipe: dict[str, Any], tmp_path: Path
) -> None:
    # Under ZeRO-3 every forward pass is a collective call. One row per micro-batch: rank 1, none of whose groups
    # teaches, has no micro-batch of its own; it also has fewer of the five questions of the evaluation.
    toy_recipe.update(micro_batch_size=4, tokens_per_micro_batch=1, eval_interval=1)
    toy_recipe["rewards"] = ["toy_rewards:share_of_letter_e_on_rank_0"]
    toy_recipe["deepspeed"]["zero_optimization"] = dict(stage=3, stage3_param_persistence_threshold=0)
    questions = json.loads((TRAINING_DATA / "rl.json").read_text())[:5]
    (tmp_path / "five.json").write_text(json.dumps(questions))
    toy_recipe["data"]["eval_sources"] = [dict(toy_recipe["data"]["sources"][0], path=str(tmp_path / "five.json"))]
    run = run_recipe(toy_recipe, ranks=2)
    assert run.code == 0, run.output[-3000:]
    assert [row["iter"] for row in run.metrics] == [1, 2]
    assert run.metrics[0]["grad_norm"] > 0.0
    assert run.output.count("execution accuracy") == 3
    assert [(row["iter"], row["questions/eval"]) for row in run.evaluations] == [(0, 5), (1, 5), (2, 5)]
    assert {row["advantage"] for row in run.rollouts if row["rank"] == 1} == {0.0}
    assert len({(row["step"], row["question"]) for row in run.rollouts}) == 2 * 8, "a prompt was rolled out twice"
    left = list(Path("/dev/shm").glob(f"deepspeed_allreduce_buffer_*_{run.port}_*"))
    assert left == [], "66 MiB of memory per rank outlived the job"


def test_learning_is_real_mean_reward_rises(run_recipe: RunRecipe, toy_recipe: dict[str, Any]) -> None:
    # Of 256 completions an update; with fewer the noise of a random model's rewards hides the slope.
    toy_recipe.update(exit_iteration=40, micro_batch_size=16, num_samples_per_prompt=16)
    toy_recipe["rewards"] = ["toy_rewards:share_of_letter_e"]
    toy_recipe["optimizer"]["learning_rate"] = 5e-3
    run = run_recipe(toy_recipe)
    assert run.code == 0, run.output[-3000:]
    rewards = [row["reward_mean"] for row in run.metrics]
    # 1.6 times as much; 1.4 and 1.9 times for seeds 8 and 9.
    assert sum(rewards[-10:]) > 1.3 * sum(rewards[:10]), [round(reward, 3) for reward in rewards]


def test_same_seed_gives_the_same_rewards_step_by_step(
    run_recipe: RunRecipe, toy_recipe: dict[str, Any], tmp_path: Path
) -> None:
    toy_recipe.update(exit_iteration=3, rewards=["toy_rewards:share_of_letter_e"])
    toy_recipe["checkpoint"] = []
    first = run_recipe(toy_recipe)
    before = [(row["step"], row["completion"], row["reward"]) for row in first.rollouts]
    (tmp_path / "rollouts.jsonl").unlink()
    again = run_recipe(toy_recipe)
    assert [(row["step"], row["completion"], row["reward"]) for row in again.rollouts] == before


def test_missing_database_and_failing_golds_are_told_apart(
    run_recipe: RunRecipe, toy_recipe: dict[str, Any], tmp_path: Path
) -> None:
    rows = json.loads((TRAINING_DATA / "rl.json").read_text())[:12]
    rows[3]["gold_sql"] = "SELECT no_such_column FROM nowhere"
    (tmp_path / "questions.json").write_text(json.dumps(rows))
    source = dict(type="text2sql", path=str(tmp_path / "questions.json"), databases=str(TRAINING_DATA / "databases"))
    toy_recipe["data"]["sources"] = [source]
    toy_recipe["exit_iteration"] = 1
    run = run_recipe(toy_recipe)
    assert run.code == 0, run.output[-3000:]
    assert "1 of 12 golds are unusable and were dropped" in run.output
    assert "no such table: nowhere" in run.output

    rows[5]["db_id"] = "atlantis"
    (tmp_path / "questions.json").write_text(json.dumps(rows))
    failed = run_recipe(toy_recipe)
    assert failed.code != 0
    assert "atlantis" in failed.output and "DataError" in failed.output
