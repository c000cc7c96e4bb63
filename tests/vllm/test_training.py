# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The tiny recipe through the real command line with `rollout.engine: vllm`, and the end of its server in mid-run."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.arctic.toy_project import start_recipe
from tests.vllm.server import Server
from tests.vllm.server import stop

pytestmark = pytest.mark.vllm


@pytest.mark.parametrize(("ranks", "stage"), [(1, 2), (2, 3)])
def test_the_tiny_recipe_trains_two_updates(
    run_recipe: Callable[..., Any], toy_recipe: dict[str, Any], server: Server, ranks: int, stage: int
) -> None:
    toy_recipe["deepspeed"]["zero_optimization"] = dict(stage=stage)
    loaded = server.log.read_text().count("Loaded new LoRA adapter: name 'update-")
    toy_recipe["rewards"] = ["toy_rewards:share_of_letter_e"]
    toy_recipe["rollout"] = dict(engine="vllm", url=server.url)
    run = run_recipe(toy_recipe, ranks=ranks)
    assert run.code == 0, run.output[-3000:]
    assert f"rollouts by vllm at {server.url}, importance weights up to 2" in run.output
    assert [row["iter"] for row in run.metrics] == [1, 2]
    for row in run.metrics:
        assert row["grad_norm"] > 0.0
        assert row["importance_mean"] == pytest.approx(1.0, abs=1e-3)
        assert row["importance_max"] == pytest.approx(1.0, abs=1e-2)
        assert row["importance_capped"] == 0.0
        assert 0.0 < row["sampler_distance"] < 1e-3
    # One policy for each rollout, whatever the number of ranks.
    assert server.log.read_text().count("Loaded new LoRA adapter: name 'update-") == loaded + 2


def test_a_server_killed_in_mid_run_ends_the_run_with_its_name(
    toy_recipe: dict[str, Any], own_server: Server, tmp_path: Path
) -> None:
    toy_recipe.update(exit_iteration=500, rewards=["toy_rewards:share_of_letter_e"], checkpoint=[])
    toy_recipe["rollout"] = dict(engine="vllm", url=own_server.url)
    process = start_recipe(toy_recipe, tmp_path, ranks=2)
    deadline = time.monotonic() + 240
    metrics = tmp_path / "metrics.jsonl"
    while time.monotonic() < deadline and process.poll() is None and not metrics.exists():
        time.sleep(0.2)
    assert metrics.exists(), process.communicate()[0][-3000:]
    stop(own_server)
    killed = time.monotonic()
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert f"RolloutError: The vLLM server {own_server.url} failed when" in output, output[-3000:]
    assert time.monotonic() - killed < 60
