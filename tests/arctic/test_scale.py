# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""ZeRO stages, offload, bf16 and two ranks change where numbers live, not what is learned.

Every run trains on the same rows (`fixed_trainer.py`) and is compared with one process of plain ZeRO-2 in float32.
The table covers each stage, number of ranks, offload and dtype, not their product; one rank runs in this process, two
through the real launcher. What a rank's death does to the others is at the end.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import NamedTuple

import psutil
import pytest
import torch
from safetensors.torch import load_file

from arctic_text2sql_r1.arctic.data import require_same_questions
from arctic_text2sql_r1.arctic.gathering import gathered
from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.rollout.base import SamplingParams
from arctic_text2sql_r1.rollout.hf import HFRolloutEngine
from tests.arctic import fixed_trainer
from tests.arctic.conftest import make_toy_recipe
from tests.arctic.toy_project import ToyRun
from tests.arctic.toy_project import start_recipe

pytestmark = pytest.mark.slow

FIXED = dict(type="grpo_fixed", rewards=["toy_rewards:share_of_letter_e"], kl_coef=0.1, exit_iteration=3)
COMPARED = ("reward_mean", "loss", "kl", "entropy", "grad_norm")


class Setting(NamedTuple):
    stage: int
    ranks: int
    offload: bool
    dtype: str

    def applied_to(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """`recipe` under this setting: eight prompts a rollout in all, an adapter saved at the end."""
        # DeepSpeed keeps parameters as small as the toy's whole unless told not to.
        zero: dict[str, Any] = dict(stage=self.stage)
        zero.update(dict(stage3_param_persistence_threshold=0) if self.stage == 3 else {})
        optimizer = dict(recipe["optimizer"])
        if self.offload:
            zero["offload_optimizer"] = dict(device="cpu")
            optimizer["type"] = "cpu_adam"
        folder = str(Path(recipe["rollouts_path"]).parent)
        return dict(
            recipe,
            **FIXED,
            code=fixed_trainer.__file__,
            micro_batch_size=8 // self.ranks,
            model=dict(recipe["model"], dtype=self.dtype),
            deepspeed=dict(recipe["deepspeed"], zero_optimization=zero),
            optimizer=optimizer,
            checkpoint=[dict(type="run", output_dir=folder, save_end_of_training=True)],
        )


class Learned(NamedTuple):
    """What three updates reported, and the adapter that they left."""

    metrics: list[dict[str, Any]]
    adapter: dict[str, torch.Tensor]


def learned(folder: Path) -> Learned:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    adapter = load_file(folder / "run_1" / "last" / "adapter_model.safetensors")
    return Learned([json.loads(line) for line in lines], adapter)


def train_here(recipe: dict[str, Any]) -> Learned:
    """Trains in this process, as the launcher's single rank would."""
    from arctic_training.config.trainer import get_config
    from arctic_training.registry import get_registered_trainer

    folder = Path(recipe["rollouts_path"]).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        config = get_config({key: value for key, value in recipe.items() if key != "code"})
        get_registered_trainer("grpo_fixed")(config).train()
    return learned(folder)


@pytest.fixture(scope="module")
def plain(toy_model: Path, one_rank: None, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """ZeRO-2, one rank, float32: what all others are compared with."""
    recipe = make_toy_recipe(toy_model, tmp_path_factory.mktemp("plain"))
    return train_here(Setting(2, 1, False, "fp32").applied_to(recipe))


def require_same(found: Learned, expected: Learned, dtype: str) -> None:
    """The tolerances of a run against the plain one, update by update, and of the adapters in the end."""
    # float32 sums in another order; bf16 keeps 8 bits of each number, and its adapter is rounded at every update.
    relative, absolute = (1e-4, 1e-5) if dtype == "fp32" else (0.1, 0.02)
    assert [row["iter"] for row in found.metrics] == [1, 2, 3]
    for ours, theirs in zip(found.metrics, expected.metrics, strict=True):
        for name in COMPARED:
            assert ours[name] == pytest.approx(theirs[name], rel=relative, abs=absolute), (name, ours["iter"])
    assert found.adapter.keys() == expected.adapter.keys()
    moved = {name: tensor.float() for name, tensor in found.adapter.items() if "lora_B" in name}
    assert min(float(tensor.abs().max()) for tensor in moved.values()) > 1e-4
    apart = sum(float((tensor - expected.adapter[name].float()).square().sum()) for name, tensor in moved.items())
    length = sum(float(expected.adapter[name].float().square().sum()) for name in moved)
    assert (apart / length) ** 0.5 < (1e-3 if dtype == "fp32" else 0.3)


@pytest.mark.parametrize("setting", [Setting(1, 1, True, "bf16"), Setting(3, 1, False, "fp32")], ids=str)
def test_setting_of_one_rank_learns_what_plain_zero_2_learns(
    plain: Learned, one_rank: None, toy_recipe: dict[str, Any], setting: Setting
) -> None:
    require_same(train_here(setting.applied_to(toy_recipe)), plain, setting.dtype)


def test_zero_3_rollout_is_the_same_gathered_at_once_and_layer_by_layer(
    trainer_factory: Callable[..., Any],
) -> None:
    sharded = dict(stage=3, stage3_param_persistence_threshold=0)
    trainer = trainer_factory(deepspeed=dict(zero_optimization=sharded))
    prompts = next(iter(trainer.train_dataloader))["prompts"]
    sizes = {parameter.numel() for parameter in trainer.model_unwrapped.parameters()}
    assert sizes == {0}, "nothing was sharded"
    by_layer = HFRolloutEngine(trainer.model_unwrapped, trainer.tokenizer)
    greedy = SamplingParams(max_new_tokens=16)
    at_once = [row.token_ids for group in trainer.engine.generate(prompts, greedy) for row in group]
    assert trainer.engine.gather.func is gathered
    assert at_once == [row.token_ids for group in by_layer.generate(prompts, greedy) for row in group]
    assert {parameter.numel() for parameter in trainer.model_unwrapped.parameters()} == {0}
    plain = trainer_factory(deepspeed=dict(zero_optimization=dict(stage=2))).engine
    assert at_once == [row.token_ids for group in plain.generate(prompts, greedy) for row in group]


@pytest.mark.parametrize(
    "setting", [Setting(1, 2, False, "fp32"), Setting(2, 2, True, "fp32"), Setting(3, 2, False, "bf16")], ids=str
)
def test_setting_of_two_ranks_learns_what_one_rank_learns(
    plain: Learned, run_recipe: Callable[..., ToyRun], toy_recipe: dict[str, Any], setting: Setting
) -> None:
    run = run_recipe(setting.applied_to(toy_recipe), ranks=2)
    assert run.code == 0, run.output[-3000:]
    require_same(learned(run.folder), plain, setting.dtype)


# ----- a rank's death ---------------------------------------------------------------------------------------------


class Death(NamedTuple):
    """How a job of two ranks ended after its first update: how long that took, and which processes it left behind."""

    code: int
    output: str
    seconds: float
    left: list[psutil.Process]


def train_until_death(recipe: dict[str, Any], folder: Path, kill_rank: int | None = None) -> Death:
    """Trains on two ranks without end; after the first update kills `kill_rank`, or lets the job fail by itself."""
    recipe = Setting(2, 2, False, "fp32").applied_to(recipe)
    process = start_recipe(dict(recipe, exit_iteration=0, checkpoint=[]), folder, ranks=2)
    metrics = folder / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size > 0):
        time.sleep(0.05)
    began = time.monotonic()
    family = psutil.Process(process.pid).children(recursive=True)
    if kill_rank is not None:
        next(child for child in family if f"--local_rank={kill_rank}" in child.cmdline()).kill()
    try:
        output, _ = process.communicate(timeout=60)
    finally:
        left = psutil.wait_procs(family, timeout=5)[1]
        for child in left:
            child.kill()
    return Death(process.returncode, output, time.monotonic() - began, left)


def test_killed_rank_ends_the_job_within_a_minute_and_is_named(toy_recipe: dict[str, Any], tmp_path: Path) -> None:
    death = train_until_death(toy_recipe, tmp_path, kill_rank=0)
    assert death.code != 0
    assert "[rank 0] died without a word" in death.output, death.output[-3000:]
    assert "exits with return code = -9" in death.output
    assert death.seconds < 60
    assert death.left == []


def test_exception_on_one_rank_ends_the_job_and_is_named(
    toy_recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAISE_ON_RANK", "1")
    death = train_until_death(toy_recipe, tmp_path)
    assert death.code != 0
    assert "[rank 1] died of RuntimeError: the disk is full" in death.output, death.output[-3000:]
    assert death.seconds < 60
    assert death.left == []


def test_ranks_with_other_questions_than_rank_0_are_named() -> None:
    require_same_questions(["a", "a", "a"])
    with pytest.raises(DataError, match=r"Ranks \[1, 2\] of 4 loaded other questions"):
        require_same_questions(["a", "b", "c", "a"])
