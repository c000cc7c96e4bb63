# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Every recipe for a real model, trained for two updates by the real command on a CPU.

Only the model, the data, where things are written and when to stop differ from the committed files: dtype,
quantisation, offload, batches, objective, rewards, schedule and evaluation are the recipes' own. The models are tiny
ones of the same architecture (`tests/tiny_architectures.py`), the data is prepared by the recipes' own commands from
small data in the layout of the real.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import NamedTuple

import pytest

from arctic_text2sql_r1.cli import main
from arctic_text2sql_r1.evaluation.models import LoadedPolicy
from arctic_text2sql_r1.evaluation.models import load_policy
from tests.arctic.toy_project import TRAINING_DATA
from tests.arctic.toy_project import ToyRun
from tests.arctic.toy_project import load_recipe
from tests.data.layouts import bird_of
from tests.data.layouts import spider_of
from tests.tiny_architectures import build_tiny

pytestmark = pytest.mark.slow

CREATE_CONTEXT = Path(__file__).parent.parent / "data" / "fixtures" / "sql_create_context"
Run = Callable[..., ToyRun]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny model of an architecture, built when first asked for."""
    folder = tmp_path_factory.mktemp("models")
    return lambda kind: folder / kind if (folder / kind).exists() else build_tiny(kind, folder / kind)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands in `../../data` after the recipes' commands."""
    folder = tmp_path_factory.mktemp("data")
    train, unseen = (json.loads((TRAINING_DATA / f"{name}.json").read_text()) for name in ("train", "dev_unseen"))
    ours = (TRAINING_DATA / "databases", train, unseen[:6])
    root = str(spider_of(folder / "spider_data", *ours))
    prepare("spider", "--root", root, out=folder / "spider")
    prepare("spider", "--root", root, "--template", "plain", "--for", "sft", out=folder / "spider-plain")
    prepare("bird", "--root", str(bird_of(folder / "bird_data", *ours)), out=folder / "bird")
    contexts = ("sql-create-context", "--root", str(CREATE_CONTEXT), "--dev-share", "0.2")
    prepare(*contexts, out=folder / "sql-create-context")
    return folder


def prepare(*flags: str, out: Path) -> None:
    assert main(["prepare", *flags, "--out", str(out), "--cache-dir", str(out.parent / "values")]) == 0


class Recipes(NamedTuple):
    """Runs a recipe with what replaces model and data: `run(name, kind of model, ranks, **keys)`."""

    folder: Path
    run: Run


@pytest.fixture
def recipes(models: Callable[[str], Path], data: Path, run_recipe: Run, tmp_path: Path) -> Recipes:
    def run(name: str, kind: str, ranks: int = 1, **keys: Any) -> ToyRun:
        recipe = {**load_recipe(name, tmp_path, data), **keys, "exit_iteration": 2}
        recipe["model"]["name_or_path"] = str(models(kind))
        recipe["data"]["num_proc"] = 1
        recipe["train_log_metrics_path"] = str(tmp_path / "metrics.jsonl")
        done = run_recipe(recipe, ranks=ranks)
        assert done.code == 0, done.output[-4000:]
        return done

    return Recipes(tmp_path, run)


def check_metrics(run: ToyRun, rewards: set[str]) -> None:
    """The run made two updates, every figure is finite, rewards differ, and what is paid is logged by its name."""
    rows = run.metrics
    assert rows[-1]["iter"] == 2
    assert all(math.isfinite(value) for row in rows for value in row.values() if isinstance(value, float))
    assert rewards <= {name.removeprefix("reward/") for name in rows[0] if name.startswith("reward/")}
    assert all(row["equal_groups"] < 1 and row["grad_norm"] > 0 and row["lr"] > 0 for row in rows)
    if len(rows) == 2:
        assert rows[0]["kl"] == 0 < rows[1]["kl"], "the reference is the policy as it starts"
    assert (run.folder / "training_metrics.png").stat().st_size > 0


def checkpoints(folder: Path, *names: str) -> list[LoadedPolicy]:
    """What evaluation loads from the run's links."""
    return [load_policy(str(folder / "run_1" / name)) for name in names]


@pytest.mark.parametrize("objective", ["grpo", "reinforce"])
def test_rl_text2sql_trains_by_either_objective(recipes: Recipes, objective: str) -> None:
    run = recipes.run("recipes/rl-text2sql.yaml", "qwen2", objective=objective, eval_interval=2)
    assert f"objective {objective}: baseline mean" in run.output
    assert "reference: the base model, that is, the policy with its adapter off" in run.output
    check_metrics(run, {"granular", "granular/format", "granular/execution"})
    assert [row["iter"] for row in run.evaluations] == [0, 2]
    last, _ = checkpoints(recipes.folder, "last", "best")
    assert last.dtype == "bfloat16 over nf4"
    assert last.adapter is not None and last.adapter.tensors == 2 * 4, "q, k, v and o in each of two layers"


def test_grpo_qwen_3b_trains_with_its_optimizer_in_main_memory(recipes: Recipes) -> None:
    run = recipes.run("grpo-qwen-3b.yaml", "qwen2")
    check_metrics(run, {"execution"})
    assert len(run.rollouts) == 2 * 16 * 16
    (last,) = checkpoints(recipes.folder, "last")
    assert last.adapter is not None and last.adapter.tensors == 2 * 7


def test_composite_llama_trains_a_large_adapter_over_four_bits(recipes: Recipes) -> None:
    run = recipes.run("recipes/composite-llama-8b.yaml", "llama")
    check_metrics(run, {"composite", "composite/syntax", "composite/execution", "composite/semantic"})
    assert "kl 0.1 k3" in run.output
    (last,) = checkpoints(recipes.folder, "last")
    assert last.dtype == "bfloat16 over nf4"
    assert last.adapter is not None and last.adapter.tensors == 2 * 7


def test_sql_rlvr_trains_one_adapter_in_two_stages(recipes: Recipes) -> None:
    supervised = recipes.run("recipes/sql-rlvr-sft.yaml", "qwen3")
    assert [row["iter"] for row in supervised.metrics] == [1, 2]
    (recipes.folder / "metrics.jsonl").unlink()
    run = recipes.run("recipes/sql-rlvr-grpo.yaml", "qwen3")
    check_metrics(run, {"f1", "f1/row_f1"})
    assert "reference: a frozen copy of the adapter that the policy starts from" in run.output
    record = json.loads((recipes.folder / "grpo" / "run_1" / "last" / "text2sql_r1.json").read_text())
    assert record["starting_adapter"] == str((recipes.folder / "sft" / "global_step_2").resolve())
    assert record["template"] == "plain"
    checkpoints(recipes.folder / "grpo", "last")


def test_gemma_trains_on_three_rewards_with_windows_shorter_than_its_prompts(recipes: Recipes) -> None:
    run = recipes.run("recipes/gemma-multi-reward.yaml", "gemma3", eval_interval=2)
    check_metrics(run, {"format_exact", "format_approximate", "format_approximate/answer_open", "answer_match"})
    assert "training passes: each prompt once, no padding" in run.output
    assert "50 updates in all" in run.output
    assert run.metrics[0]["lr"] == pytest.approx(5e-6 / 5), "the first of five updates of warm-up"
    last, _ = checkpoints(recipes.folder, "last", "best")
    assert last.dtype == "float32"


def test_paper_7b_moves_every_weight_in_two_updates_on_one_rollout(
    recipes: Recipes, models: Callable[[str], Path]
) -> None:
    run = recipes.run("recipes/paper-7b-full.yaml", "qwen2", ranks=2)
    assert "32 prompts x 16 samples x 2 ranks = 1,024 completions per rollout" in run.output
    assert "2 updates of 512 completions on each" in run.output
    check_metrics(run, {"execution"})
    (row,) = run.metrics
    assert row["kl"] < 1e-5, "of both updates together"
    last = recipes.folder / "run_1" / "last"
    assert checkpoints(recipes.folder, "last")[0].adapter is None
    # Steps of 1e-6 are rounded away in the saved bf16 weights and kept in the optimizer's float32 copies.
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    trained = get_fp32_state_dict_from_zero_checkpoint(str(last / "resume"), tag="deepspeed")
    started = load_policy(str(models("qwen2")), dtype="bfloat16").model.state_dict()
    moved = {name: float((tensor - started[name].float()).abs().max()) for name, tensor in trained.items()}
    assert len(moved) > 20
    assert all(0 < distance < 1e-5 for distance in moved.values()), moved
