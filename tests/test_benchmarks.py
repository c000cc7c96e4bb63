# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The benchmarks run: a tiny workload is made and scored, and what is printed can be read.

No figure is checked: on so few rows the start of the processes is most of the cost.
"""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
TINY = ["--prompts", "10", "--samples", "8", "--megabytes", "0.05"]


def printed(script: str, *arguments: str) -> list[Any]:
    """The JSON lines that a benchmark script prints."""
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    return [json.loads(line) for line in subprocess.run(command, capture_output=True, check=True).stdout.splitlines()]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("workload")
    printed("reward_workload.py", str(folder), *TINY)
    return folder


@pytest.fixture(scope="module")
def results(workload: Path) -> dict[str, dict[str, Any]]:
    """What the throughput benchmark prints, by the name of the result."""
    lines = printed("reward_throughput.py", str(workload), "--workers", "1", "--timeout-s", "1")
    return {line["result"]: line for line in lines}


def workload_rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "workload.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_workload_holds_every_kind_of_completion(workload: Path) -> None:
    kinds = {row["kind"] for row in workload_rows(workload)}
    assert kinds == {"right", "wrong", "slow", "big", "error", "endless"}


def test_one_seed_makes_one_workload(workload: Path, tmp_path: Path) -> None:
    printed("reward_workload.py", str(tmp_path), *TINY)
    assert workload_rows(tmp_path) == workload_rows(workload)


def test_every_measurement_prints_a_result(results: dict[str, dict[str, Any]]) -> None:
    assert list(results) == ["floor", "normal", "agreement", "endless"]


def test_endless_rows_are_in_the_endless_measurement_only(results: dict[str, dict[str, Any]], workload: Path) -> None:
    endless = sum(row["kind"] == "endless" for row in workload_rows(workload))
    rows = {name: result["rows"] for name, result in results.items()}
    assert rows == dict(floor=80 - endless, normal=80 - endless, agreement=80 - endless, endless=80)


def test_completions_meant_to_be_right_are_judged_right_and_plain_comparison_agrees(
    results: dict[str, dict[str, Any]], workload: Path
) -> None:
    meant = sum(row["kind"] == "right" for row in workload_rows(workload))
    found = results["agreement"]
    assert (found["disagreements"], found["right"]) == (0, meant)


def test_endless_statements_are_the_ones_that_time_out(results: dict[str, dict[str, Any]], workload: Path) -> None:
    endless = sum(row["kind"] == "endless" for row in workload_rows(workload))
    assert results["endless"]["statuses"]["timeout"] == endless


def test_cpu_time_of_ended_processes_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    used_cpu_s = importlib.import_module("reward_throughput").used_cpu_s
    before = used_cpu_s()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert used_cpu_s() - before >= 0.25


def test_a_folder_without_a_workload_is_named(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "reward_throughput.py"), str(tmp_path / "none")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stderr.startswith(f"No workload at '{tmp_path / 'none'}") and "reward_workload.py" in run.stderr


def test_the_rollout_benchmark_compares_equal_work() -> None:
    small = ["--layers", "1", "--width", "128", "--prompts", "2", "--samples", "2", "--prompt-tokens", "16"]
    (result,) = printed("rollout_speed.py", *small, "--new-tokens", "4", "--rounds", "1")
    assert result["mean_length"] == dict(engine=4.0, generate=4.0)
    assert result["ratio"] > 0


@pytest.mark.parametrize("case", ["float32", "without checkpointing", "large vocabulary"])
def test_memory_formula_is_within_15_percent_of_what_real_passes_take(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    found = importlib.import_module("memory").compared(case)
    for phase, measured in found["measured_mb"].items():
        assert found["computed_mb"][phase] == pytest.approx(measured, rel=0.15), phase


def test_recipe_for_3b_is_computed_to_fit_24_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    memory = importlib.import_module("memory")
    weights = 2 * 3_085_938_688  # the parameters of Qwen2.5-3B, as its model card rounds to 3.09 billion
    assert memory.QWEN["3B"].weight_bytes == weights
    assert memory.training_bytes(memory.QWEN["3B"], memory.RECIPE) < 24e9
    assert memory.rollout_bytes(memory.QWEN["3B"], memory.RECIPE) < 24e9


# Numbers trained, and the GPU that the recipe names: 8 GB, 24 GB, 2 x 24 GB of 40, 16 GB, 80 GB.
RECIPES_ON_GPUS = {
    "recipes/rl-text2sql.yaml": (28 * 16 * (2 * 2 * 1536 + 2 * (1536 + 256)), 8),
    "grpo-qwen-3b.yaml": (36 * 16 * (4 * 2048 + 2 * (2048 + 256) + 3 * (2048 + 11_008)), 24),
    "recipes/composite-llama-8b.yaml": (32 * 256 * (4 * 4096 + 2 * (4096 + 1024) + 3 * (4096 + 14_336)), 24),
    "recipes/sql-rlvr-grpo.yaml": (36 * 32 * (2 * (2560 + 4096) + 2 * (2560 + 1024) + 3 * (2560 + 9728)), 24),
    "recipes/gemma-multi-reward.yaml": (26 * 16 * (2 * (1152 + 1024) + 2 * (1152 + 256) + 3 * (1152 + 6912)), 16),
    "recipes/paper-7b-full.yaml": (
        2 * 152_064 * 3584 + 28 * 3584 * (2 * 3584 + 2 * 512 + 3 * 18_944),
        80,
    ),
}


def test_every_recipe_fits_the_gpu_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    cases = {case["recipe"]: case for case in importlib.import_module("recipe_memory").computed()}
    assert {name: case["trained"] for name, case in cases.items()} == {n: t for n, (t, _) in RECIPES_ON_GPUS.items()}
    for name, (_, gigabytes) in RECIPES_ON_GPUS.items():
        assert max(cases[name]["training_gb"], cases[name]["rollout_gb"]) < 0.9 * gigabytes


def test_our_side_of_the_step_benchmark_writes_and_trains_every_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    grpo_step = importlib.import_module("grpo_step")
    work = grpo_step.Work(layers=1, width=128, prompt_tokens=96, new_tokens=4)
    grpo_step.build_work(work, tmp_path / "work")
    command = [sys.executable, str(BENCHMARKS / "grpo_step_ours.py"), str(tmp_path / "work"), "1"]
    side = grpo_step.Side("ours", command, tmp_path / "work")
    first, turn = side.read(), side.turn()
    side.close()
    assert first["rewards"] == [1.0, 0.1, 0.0] * 8
    assert turn["generated_tokens"] == turn["trained_tokens"] == 8 * 8 * 4
    assert side.process.returncode == 0


def test_unequal_work_ends_the_step_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    require_equal = importlib.import_module("grpo_step").require_equal
    facts = dict(ours=dict(tokens=3, seconds=1), trl=dict(tokens=4, seconds=2))
    with pytest.raises(SystemExit, match="unequal work: tokens is {'ours': 3, 'trl': 4}"):
        require_equal(facts, ("tokens",))


def test_cpu_time_of_living_and_ended_processes_counts_in_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    cpu_seconds = importlib.import_module("grpo_step_work").cpu_seconds
    before = cpu_seconds()
    burn = "import time\nwhile time.process_time() < 0.4: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        living = cpu_seconds() - before
        child.stdin.close()
    assert living >= 0.35
    assert cpu_seconds() - before >= 0.35
