# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Runs of the standalone loop from start to end: every kind of policy, kills, and what is left for other commands."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file

from arctic_text2sql_r1.errors import DataError
from arctic_text2sql_r1.evaluation.models import load_policy
from arctic_text2sql_r1.monitor.run_facts import read_run_facts
from arctic_text2sql_r1.run_folders import RunFolder
from arctic_text2sql_r1.standalone.__main__ import main
from arctic_text2sql_r1.standalone.trainer import StandaloneTrainer
from arctic_text2sql_r1.standalone.trainer import train
from tests.arctic.toy_project import REPOSITORY
from tests.arctic.toy_project import few_questions
from tests.standalone.conftest import settings_of

pytestmark = pytest.mark.slow

CLOCKS = ("seconds_generate", "seconds_reward", "seconds_train", "tokens_per_s", "step_time")
COMMAND = "from arctic_text2sql_r1.standalone.__main__ import main; sys.exit(main())"
# As if neither package were installed.
WITHOUT_THE_HOST = f"import sys; sys.modules.update(arctic_training=None, deepspeed=None); {COMMAND}"


def metrics(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in CLOCKS} for row in rows]


def trained(folder: Path, run: str = "run_1") -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "out" / run / "last" / "adapter_model.safetensors")
    return found


def start(recipe: dict[str, Any], folder: Path) -> "subprocess.Popen[str]":
    """The module's command on the recipe, in a process that cannot import ArcticTraining or DeepSpeed."""
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return subprocess.Popen(
        [sys.executable, "-c", WITHOUT_THE_HOST, "recipe.yaml"],
        cwd=folder,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(folder), str(REPOSITORY)])),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_killed_run_continues_bit_for_bit_without_the_host(toy_recipe: dict[str, Any], tmp_path: Path) -> None:
    toy_recipe.update(scheduler=dict(name="cosine", warmup_ratio=0.1), exit_iteration=5)
    straight = train(settings_of(toy_recipe))
    expected, weights = metrics(tmp_path), trained(tmp_path)
    saving = dict(type="run", output_dir=str(tmp_path / "killed"), save_every_n_steps=2, save_end_of_training=True)
    toy_recipe["checkpoint"] = [dict(saving, auto_resume=True)]
    killed = start(toy_recipe, tmp_path)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed/run_1/last").exists() and time.monotonic() < deadline and killed.poll() is None:
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    output, errors = start(toy_recipe, tmp_path).communicate(timeout=120)
    assert "[grpo] continuing after update" in output, output + errors
    assert metrics(tmp_path) == expected
    resumed = load_file(tmp_path / "killed/run_1/last/adapter_model.safetensors")
    assert straight is not None and all(torch.equal(resumed[name], weight) for name, weight in weights.items())


@pytest.fixture
def wide_recipe(toy_recipe: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The recipe over a model with layers of 64 and 192: NF4 works on blocks of 64 weights."""
    from transformers import AutoConfig
    from transformers import AutoModelForCausalLM
    from transformers import AutoTokenizer

    source, folder = toy_recipe["model"]["name_or_path"], tmp_path / "wide"
    config = AutoConfig.from_pretrained(source)
    config.update(dict(hidden_size=64, intermediate_size=192))
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    toy_recipe["model"]["name_or_path"] = str(folder)
    return toy_recipe


@pytest.mark.parametrize("keys", [dict(dtype="fp16"), dict(dtype="bf16"), dict(dtype="fp16", type="quantized")])
def test_low_precision_trains_an_adapter_in_float32(wide_recipe: dict[str, Any], keys: dict[str, Any]) -> None:
    wide_recipe["model"].update(keys)
    wide_recipe["kl_coef"] = 0.1
    with StandaloneTrainer(settings_of(wide_recipe)) as trainer:
        adapter = [p for p in trainer.model_unwrapped.parameters() if p.requires_grad]
        before = [parameter.detach().clone() for parameter in adapter]
        trainer.train()
        assert {parameter.dtype for parameter in adapter} == {torch.float32}
        assert any(p.dtype == trainer.config.dtype for p in trainer.model_unwrapped.parameters())
        assert all(not torch.equal(new, old) for new, old in zip(adapter, before, strict=True))
        assert trainer.model.scaler.is_enabled() == (keys["dtype"] == "fp16")
    first, second = metrics(trainer.config.train_log_metrics_path.parent)
    # One policy in two passes: an exact 0 up to what half precision rounds away.
    assert first["kl"] == pytest.approx(0.0, abs=1e-4) and second["kl"] > 0.0
    assert first["max_ratio"] == 1.0 and first["grad_norm"] > 0.0


def test_a_run_that_continues_an_adapter_is_held_to_it(toy_recipe: dict[str, Any], tmp_path: Path) -> None:
    assert train(settings_of(toy_recipe)) is not None
    toy_recipe["model"] = dict(name_or_path=toy_recipe["model"]["name_or_path"], dtype="fp32")
    toy_recipe["model"]["adapter"] = str(tmp_path / "out/run_1/last")
    toy_recipe["kl_coef"] = 0.1
    train(settings_of(toy_recipe))
    first, second = metrics(tmp_path)
    assert first["kl"] == 0.0 and second["kl"] > 0.0
    assert any(not torch.equal(weight, trained(tmp_path)[name]) for name, weight in trained(tmp_path, "run_2").items())


@pytest.mark.parametrize("kl_coef", [0.0, 0.1])
def test_all_weights_are_trained_against_a_second_model(
    toy_recipe: dict[str, Any], tmp_path: Path, kl_coef: float
) -> None:
    toy_recipe["model"].update(peft_config=None)
    toy_recipe.update(kl_coef=kl_coef)
    run = train(settings_of(toy_recipe))
    first, second = metrics(tmp_path)
    assert (first.get("kl"), "kl" in second) == ((0.0, True) if kl_coef > 0 else (None, False))
    assert run is not None and load_policy(str(run.path / "last")).adapter is None


def test_what_other_commands_read_is_there(toy_recipe: dict[str, Any], toy_model: Path, tmp_path: Path) -> None:
    toy_recipe["data"]["eval_sources"] = [few_questions(tmp_path, 6)]
    toy_recipe.update(eval_interval=2, exit_iteration=4, dynamic_sampling=1, guards=dict(rollback=True))
    run = train(settings_of(toy_recipe))
    assert run == RunFolder(tmp_path / "out" / "run_1")
    best = run.best()
    assert best is not None and (best.step, (run.path / "last").resolve().name) == (2, "step_000004")
    loaded = load_policy(str(run.path / "last"))
    assert loaded.adapter is not None and loaded.adapter.norm > 0
    record = json.loads((run.path / "last" / "text2sql_r1.json").read_text())
    assert (record["template"], record["base_model"], record["global_step"]) == ("tiny", str(toy_model), 4)
    assert read_run_facts(tmp_path / "metrics.jsonl").total_updates == 4
    rows = metrics(tmp_path)
    assert [("execution_accuracy/eval" in row, row["iter"]) for row in rows] == [
        *[(True, 0), (False, 1), (False, 2), (True, 2)],
        *[(False, 3), (False, 4), (True, 4)],
    ]
    assert all("resampled" in row for row in rows if "loss" in row)
    assert len(json.loads((tmp_path / "history.json").read_text())["steps"]["loss"]) == 4
    assert (tmp_path / "training_metrics.png").stat().st_size > 10_000


def test_a_plan_takes_the_place_of_the_recipes_sizes(
    toy_recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(toy_recipe))
    flags = ["--plan", "--set", "exit_iteration=1", "--set", "micro_batch_size=4"]
    monkeypatch.setattr(sys, "argv", ["standalone", str(tmp_path / "recipe.yaml"), *flags])
    assert main() == 0
    output = capsys.readouterr().out
    assert "[plan] computes in fp32, base weights in fp32, adapter in fp32" in output
    assert "[grpo] not used by the standalone loop: code, data.cache_dir, data.num_proc, deepspeed, logger" in output
    assert "[grpo] 4 prompts x 8 samples x 1 ranks = 32 completions per update" in output
    assert "step 1/1 | reward" in output


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "unknown key 'epoch'"),
        ("epochs=[", "Cannot read the value of 'epochs=\\['"),
        ("model=foo", "'model' is no section"),
        ("model.name_or_path=no/such", "load the files"),
    ],
)
def test_an_error_is_told_without_traceback(
    toy_recipe: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    override: str,
    message: str,
) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(toy_recipe))
    monkeypatch.setattr(sys, "argv", ["standalone", str(tmp_path / "recipe.yaml"), "--plan", "--set", override])
    assert main() == 1
    assert re.search(f"^error: .*{message}", capsys.readouterr().err)


def test_a_run_that_cannot_begin_leaves_no_sql_worker(toy_recipe: dict[str, Any]) -> None:
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(DataError, match="One rollout takes 64 prompts"):
        train(settings_of({**toy_recipe, "micro_batch_size": 64}))
    left = [child for child in psutil.Process().children(recursive=True) if child not in before]
    assert psutil.wait_procs(left, timeout=10)[1] == []
