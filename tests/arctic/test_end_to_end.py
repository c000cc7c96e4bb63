# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The commands of the README in a row: train, then compare baseline and trained, on our data and on real Spider."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.arctic.toy_project import PROJECT
from tests.arctic.toy_project import TRAINING_DATA

pytestmark = pytest.mark.slow


def compare(baseline: Path, trained: Path, out: Path, *flags: str) -> dict[str, Any]:
    """`python evaluate_models.py ...` and the comparison.json it wrote."""
    command = [sys.executable, str(PROJECT / "evaluate_models.py"), "--baseline", str(baseline)]
    command += ["--trained", str(trained), "--out", str(out), "--template", "tiny", "--max-new-tokens", "16", *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out.parent, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    comparison: dict[str, Any] = json.loads((out / "comparison.json").read_text())
    return comparison


def test_trained_adapter_is_compared_with_its_baseline(
    run_recipe: Callable[..., Any],
    toy_recipe: dict[str, Any],
    toy_model: Path,
    tmp_path: Path,
) -> None:
    toy_recipe["rewards"] = ["toy_rewards:share_of_letter_e"]
    assert run_recipe(toy_recipe).code == 0
    adapter = tmp_path / "run_1" / "last"
    data = (
        "--data",
        str(TRAINING_DATA / "dev.json"),
        "--databases",
        str(TRAINING_DATA / "databases"),
        "--limit",
        "40",
    )
    comparison = compare(toy_model, adapter, tmp_path / "comparison", *data)
    assert comparison["n"] == 40
    assert {"baseline", "trained", "wins", "losses", "p_value", "ci95"} <= set(comparison)
    assert (tmp_path / "comparison" / "comparison.md").read_text().count("|") > 20
    predictions = (tmp_path / "comparison" / "predictions_trained.jsonl").read_text().splitlines()
    assert len(predictions) == 40


def test_real_spider_trains_three_updates_and_is_evaluated_on_fifty_questions(
    run_recipe: Callable[..., Any],
    toy_recipe: dict[str, Any],
    toy_model: Path,
    spider_root: Path,
    tmp_path: Path,
) -> None:
    toy_recipe["data"].update(
        sources=[dict(type="text2sql", path=str(spider_root), sample_count=300)], max_length=1024
    )
    # A random model's SQL earns nothing, and an adapter that never moved is refused below: pay for the letter e too.
    toy_recipe["rewards"] = ["execution", dict(name="toy_rewards:share_of_letter_e", weight=0.1)]
    toy_recipe["exit_iteration"] = 3
    run = run_recipe(toy_recipe)
    assert run.code == 0, run.output[-3000:]
    assert "167 of 6726 golds are unusable and were dropped" in run.output  # 163 empty and 4 failing
    assert [row["iter"] for row in run.metrics] == [1, 2, 3]
    assert {row["gold_status"] for row in run.rollouts} == {"ok"}
    assert {row["status"] for row in run.rollouts} <= {None, "ok", "syntax_error", "schema_error", "no_result_set"}

    flags = ("--data", str(spider_root), "--split", "dev", "--limit", "50")
    comparison = compare(toy_model, tmp_path / "run_1" / "last", tmp_path / "spider", *flags)
    assert comparison["n"] + comparison.get("gold_failed", 0) == 50
