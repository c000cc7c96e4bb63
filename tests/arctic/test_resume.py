# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A resumed run is the uninterrupted one: same completions and rewards, same losses, same weights, bit for bit.

One rank runs in this process; two ranks and real kills go through the command line. What a damaged checkpoint does is
in `test_checkpoint.py`, the folders alone in `tests/test_run_folders.py`.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.errors import ModelError
from tests.arctic.toy_project import ToyRun
from tests.arctic.toy_project import few_questions
from tests.arctic.toy_project import run_checkpoint
from tests.arctic.toy_project import start_recipe

pytestmark = pytest.mark.slow

RunRecipe = Callable[..., ToyRun]
Build = Callable[..., Any]

CLOCKS = ("seconds_generate", "seconds_reward", "seconds_train", "tokens_per_s", "step_time")

# Recipe keys that differ, the update after which the run is killed, updates in all. Seven questions: two rollouts of
# three prompts, or three of two, make an epoch.
RUNS: dict[str, tuple[dict[str, Any], int, int]] = {
    "accumulation 3, end of an epoch": (dict(micro_batch_size=1, gradient_accumulation_steps=3), 4, 6),
    "accumulation 1, mid-epoch": (dict(micro_batch_size=3), 3, 5),
    "learning rate and fresh prompts of their own": (
        dict(micro_batch_size=3, num_samples_per_prompt=2, dynamic_sampling=1, scheduler=dict(name="cosine")),
        *(3, 5),
    ),
    "NF4, accumulation 1, end of an epoch": (dict(micro_batch_size=3, model=dict(type="quantized")), 4, 6),
    "two by two updates per rollout": (dict(micro_batch_size=2, inner_epochs=2, updates_per_inner_epoch=2), 4, 12),
    "ZeRO-3": (dict(micro_batch_size=2, deepspeed=dict(zero_optimization=dict(stage=3))), 2, 4),
    "optimizer on the CPU, bf16": (
        dict(
            micro_batch_size=2,
            model=dict(dtype="bf16"),
            deepspeed=dict(zero_optimization=dict(stage=2, offload_optimizer=dict(device="cpu"))),
            optimizer=dict(type="cpu_adam", learning_rate=2e-3, weight_decay=0.0),
        ),
        *(2, 4),
    ),
    "all weights": (dict(micro_batch_size=2, kl_coef=0.0, model=dict(peft_config=None)), 2, 4),
}


def figures(run: ToyRun) -> list[dict[str, Any]]:
    """Every metric of every step, loss and rewards among them; not the times."""
    return [{key: value for key, value in row.items() if key not in CLOCKS} for row in run.metrics]


def samples(run: ToyRun) -> list[tuple[Any, ...]]:
    return sorted((row["step"], row["example_id"], row["completion"], row["reward"]) for row in run.rollouts)


def train(trainer: Any) -> torch.Tensor:
    """Trains to the end; all trained weights, flattened."""
    from deepspeed.utils import safe_get_full_fp32_param

    trainer.train()
    trained = [parameter for parameter in trainer.model_unwrapped.parameters() if parameter.requires_grad]
    return torch.cat([safe_get_full_fp32_param(parameter).flatten() for parameter in trained])


@pytest.mark.parametrize("name", RUNS)
def test_a_resumed_run_repeats_the_uninterrupted_one(
    trainer_factory: Build, toy_recipe: dict[str, Any], wide_model: Path, tmp_path: Path, name: str
) -> None:
    changes, killed_after, updates = RUNS[name]
    keys = {**changes, "data": {**toy_recipe["data"], "sources": [few_questions(tmp_path, 7)]}, "epochs": 9}
    keys.update(exit_iteration=updates, rewards=["toy_rewards:share_of_letter_e"])
    keys["model"] = {**toy_recipe["model"], "name_or_path": str(wide_model), **changes.get("model", {})}
    saving = run_checkpoint(tmp_path / "straight", save_every_n_steps=killed_after, keep_last=9)
    weights = train(trainer_factory(checkpoint=saving, **keys))
    straight = ToyRun(tmp_path, output="", code=0)
    expected = (figures(straight), samples(straight))
    # What a kill right after that update leaves behind: the logs may have gone on, the folder has that one step.
    step = Path("run_1") / f"step_{killed_after:06d}"
    shutil.copytree(tmp_path / "straight" / step, tmp_path / "killed" / step)
    resumed = trainer_factory(checkpoint=run_checkpoint(tmp_path / "killed"), **keys)
    assert resumed.global_step == killed_after
    assert torch.equal(train(resumed), weights)
    assert (figures(straight), samples(straight)) == expected


@pytest.fixture
def two_rank_recipe(toy_recipe: dict[str, Any], wide_model: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Nine updates of two ranks, saved after the fourth and the eighth."""

    def recipe(model: str, accumulation: int, questions: int) -> dict[str, Any]:
        toy_recipe["model"].update(type=model, name_or_path=str(wide_model))
        toy_recipe["data"]["sources"] = [few_questions(tmp_path, questions)]
        toy_recipe.update(micro_batch_size=1, gradient_accumulation_steps=accumulation, epochs=9, exit_iteration=9)
        toy_recipe.update(rewards=["toy_rewards:share_of_letter_e"])
        toy_recipe["checkpoint"] = run_checkpoint(tmp_path, save_every_n_steps=4)
        return toy_recipe

    return recipe


# Saved at the end of an epoch of two rollouts, or in the middle of one of three.
@pytest.mark.parametrize("keys", [("policy", 1, 5), ("quantized", 3, 19)], ids=["plain", "NF4"])
def test_two_killed_ranks_continue_as_if_they_had_not_been(
    run_recipe: RunRecipe, trainer_factory: Build, two_rank_recipe: Build, tmp_path: Path, keys: tuple[str, int, int]
) -> None:
    recipe = two_rank_recipe(*keys)
    killed = kill_after_update(recipe, tmp_path, update=6, ranks=2)
    before = (figures(killed), samples(killed))
    resumed = run_recipe(recipe, ranks=2)
    assert resumed.code == 0 and "continuing after update 4" in resumed.output, resumed.output[-3000:]
    assert len(before[0]) in (6, 7), "the kill must fall between two checkpoints"
    assert figures(resumed)[: len(before[0])] == before[0]
    assert samples(resumed)[: len(before[1])] == before[1]
    assert [row["iter"] for row in resumed.metrics] == list(range(1, 10))
    with pytest.raises(ModelError, match="ranks 2 then, 1 now"):
        trainer_factory(**{key: value for key, value in recipe.items() if key != "code"})


def kill_after_update(recipe: dict[str, Any], folder: Path, *, update: int, ranks: int) -> ToyRun:
    """Starts the recipe, SIGKILLs its whole process group once that update is logged; what it had logged by then."""
    process, run = start_recipe(recipe, folder, ranks), ToyRun(folder, output="", code=-9)
    deadline = time.monotonic() + 200
    while len(run.metrics) < update and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return run
