# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The learning rate of every update, and the printed plan against what a run did."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from arctic_training.scheduler.hf_factory import HFSchedulerConfig

from arctic_text2sql_r1.arctic.schedule import UpdateSchedulerFactory
from tests.arctic.toy_project import ToyRun
from tests.arctic.toy_project import few_questions

pytestmark = pytest.mark.slow

SCHEDULE = dict(name="cosine", warmup_ratio=0.25)
SMALL = dict(num_samples_per_prompt=2, max_new_tokens=4, train_iters=8)


@pytest.fixture
def toy_recipe(toy_recipe: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The toy recipe with a few questions, which take less time to prepare."""
    return {**toy_recipe, "data": {**toy_recipe["data"], "sources": [few_questions(tmp_path, 64)]}}


def expected_rate(update: int, updates: int = 8, warmup: int = 2, peak: float = 2e-3) -> float:
    """n / W up to the peak at W, then half a cosine that would reach 0 one update after the last."""
    if update <= warmup:
        return peak * update / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (update - warmup) / (updates + 1 - warmup)))


def rates_of(trainer: Any) -> list[float]:
    """Trains, and notes what the optimizer itself works with at every update."""
    rates: list[float] = []
    step = trainer.model.step

    def noting_step() -> None:
        rates.append(trainer.model.optimizer.param_groups[0]["lr"])
        step()

    trainer.model.step = noting_step
    trainer.train()
    return rates


@pytest.mark.parametrize(
    "recipe",
    [
        dict(micro_batch_size=4),
        dict(micro_batch_size=1, gradient_accumulation_steps=4),
        dict(micro_batch_size=4, inner_epochs=2, updates_per_inner_epoch=2),
    ],
)
def test_the_learning_rate_follows_the_number_of_the_update(
    trainer_factory: Callable[..., Any], recipe: dict[str, Any]
) -> None:
    trainer = trainer_factory(scheduler=SCHEDULE, exit_iteration=0, **SMALL, **recipe)
    rates = rates_of(trainer)
    assert rates == pytest.approx([expected_rate(update) for update in range(1, 9)])
    assert rates[0] > 0 and rates[1] == max(rates) and rates[-1] > 0, "no update is wasted"
    assert trainer.metrics.summary_dict["lr"] == rates[-1]


def test_without_warm_up_the_first_update_has_the_full_rate() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-3)
    config = HFSchedulerConfig(name="linear", warmup_ratio=0.0)
    factory = UpdateSchedulerFactory(SimpleNamespace(training_horizon=8), config)
    assert factory.create_scheduler(optimizer).get_last_lr() == [2e-3]


def test_two_ranks_keep_to_the_plan_the_learning_rate_and_the_bound_on_sampling(
    run_recipe: Callable[..., ToyRun], toy_recipe: dict[str, Any]
) -> None:
    toy_recipe.update(SMALL, micro_batch_size=4, inner_epochs=2, updates_per_inner_epoch=2, dynamic_sampling=2)
    toy_recipe.update(scheduler=SCHEDULE, exit_iteration=0, checkpoint=[], rewards=["toy_rewards:share_of_letter_e"])
    run = run_recipe(toy_recipe, ranks=2)
    assert run.code == 0, run.output[-3000:]
    assert "4 prompts x 2 samples x 2 ranks = 16 completions per rollout; 2 inner epochs x 2 updates" in run.output
    assert "8 updates in all" in run.output and "at most 24 prompts and 48 completions sampled per roll" in run.output
    assert {row["iter"]: row["lr"] for row in run.metrics} == pytest.approx({n: expected_rate(n) for n in (4, 8)})
    for step in (1, 5):
        rows = [row for row in run.rollouts if row["step"] == step]
        assert 16 < len(rows) <= 48 and len({row["example_id"] for row in rows}) == len(rows) / 2
        assert Counter(row["rank"] for row in rows if not row["resampled"]) == {0: 8, 1: 8}
        for rank in (0, 1):
            trained = {row["example_id"] for row in rows if row["trained"] and row["rank"] == rank}
            with_spread = [row["example_id"] for row in rows if row["advantage"] != 0 and row["rank"] == rank]
            assert set(with_spread) == trained and len(trained) <= 4
