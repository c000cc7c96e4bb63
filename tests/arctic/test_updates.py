# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Several updates on one rollout, and every objective, through the real engine and the real command line.

How a rollout is cut is tested in `tests/test_batch.py`, what later updates compare themselves with in
`test_objective_in_the_trainer.py`.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.losses import OBJECTIVES
from tests.arctic.toy_project import ToyRun

pytestmark = pytest.mark.slow

RunRecipe = Callable[..., ToyRun]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_update_under_every_objective_makes_good_completions_likelier(
    trainer_factory: Callable[..., Any], objective: str
) -> None:
    from arctic_text2sql_r1.batch import pack_rows
    from arctic_text2sql_r1.training.updates import training_rows

    trainer = trainer_factory(objective=dict(preset=objective, truncated_completions="keep"), advantage_scaling=None)
    rollout = trainer.generate_candidates(next(iter(trainer.train_dataloader)))
    count = len(rollout.completions)
    rewards = torch.tensor([float(index % 2) for index in range(count)])
    advantages = trainer.compute_advantages(rewards, torch.tensor(rollout.group_ids))
    keep = torch.ones(count, dtype=torch.bool)
    batch = pack_rows(training_rows(rollout, advantages, keep, trainer.config.cells), 0, denominator=1.0)

    def mean_gap() -> float:
        logprobs = trainer.learner.logprobs(batch).sum(dim=1) / batch.completion_mask.sum(dim=1).clamp(min=1)
        return float(logprobs[rewards == 1].mean() - logprobs[rewards == 0].mean())

    before = mean_gap()
    figures = trainer.update_policy(rollout, advantages, keep).reduced(trainer.device)
    assert math.isfinite(figures["loss"]) and figures["max_ratio"] == 1.0
    assert mean_gap() > before


def test_two_ranks_make_smaller_updates_on_one_rollout(run_recipe: RunRecipe, toy_recipe: dict[str, Any]) -> None:
    toy_recipe.update(micro_batch_size=4, inner_epochs=2, updates_per_inner_epoch=2, exit_iteration=8)
    toy_recipe.update(objective=dict(preset="dapo", entropy_coef=0.01, truncated_completions="penalize"))
    toy_recipe.update(tokens_per_micro_batch=300, rewards=["toy_rewards:share_of_letter_e"], checkpoint=[])
    run = run_recipe(toy_recipe, ranks=2)
    assert run.code == 0, run.output[-3000:]
    assert [row["iter"] for row in run.metrics] == [4, 8]
    assert all(row["max_ratio"] > 1.0 for row in run.metrics)
    assert "; 2 inner epochs x 2 updates of 16 completions on each; " in run.output
    assert "objective dapo: " in run.output and "entropy 0.01, truncated penalize" in run.output
