# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""Updates that are not finite, and runs that learn nothing, on the real trainer and the real launcher.

When an alarm sounds is tested in `tests/monitor/test_alarms.py`.
"""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.data.jsonl import append_json_lines
from arctic_text2sql_r1.data.jsonl import read_json_log
from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.monitor.history import evaluation_row
from arctic_text2sql_r1.run_folders import RunFolder
from arctic_text2sql_r1.training.guards import Guards
from tests.arctic.toy_project import PROJECT
from tests.arctic.toy_project import ToyRun
from tests.arctic.toy_project import few_questions
from tests.arctic.toy_project import run_checkpoint

pytestmark = pytest.mark.slow

SMALL = dict(micro_batch_size=4, num_samples_per_prompt=2, max_new_tokens=8)


@pytest.fixture
def toy_recipe(toy_recipe: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The toy recipe with a few questions, which take less time to prepare."""
    return {**toy_recipe, "data": {**toy_recipe["data"], "sources": [few_questions(tmp_path, 64)]}}


# What `train.py` is to a recipe, with a hook overridden as a user would: the loss of one rank breaks at update 2.
BREAKS_ON_RANK_1 = """
from arctic_text2sql_r1.arctic.trainer import GRPOTrainer


class BreakingTrainer(GRPOTrainer):
    name = "breaking"

    def loss(self, batch):
        loss = self.learner.loss(batch)
        return loss * float("nan") if self.global_rank == 1 and self.global_step == 1 else loss
"""


def test_a_learning_rate_that_explodes_stops_the_run_and_leaves_the_batch(
    trainer_factory: Callable[..., Any], tmp_path: Path
) -> None:
    optimizer = dict(learning_rate=1e30, weight_decay=0.0)
    rewards = ["toy_rewards:share_of_letter_e"]
    trainer = trainer_factory(inner_epochs=2, optimizer=optimizer, rewards=rewards, **{**SMALL, "max_new_tokens": 16})
    with pytest.raises(TrainingError, match=r"Update 2 was stopped.*loss is nan.*broken-update-2.rank0.jsonl"):
        trainer.train()
    rows = read_json_log(tmp_path / "broken-update-2.rank0.jsonl")
    assert len(rows) > 0
    for row in rows:
        assert len(row["policy_logprobs"]) == len(row["old_logprobs"]) == len(row["completion_ids"])
        assert "nan" in row["policy_logprobs"] and row["reward"] is not None
        assert row["advantage"] != 0.0


def test_a_gradient_that_is_not_finite_stops_the_run_with_the_weights_as_they_were(
    trainer_factory: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trainer = trainer_factory(rewards=["toy_rewards:share_of_letter_e"], **SMALL)
    weight = next(p for p in trainer.model_unwrapped.parameters() if p.requires_grad)
    # finite, 0, with an infinite slope there
    cusp = lambda batch: trainer.learner.loss(batch) + (weight - weight.detach()).abs().sum().sqrt()  # noqa: E731
    monkeypatch.setattr(trainer, "loss", cusp)
    before = [p.detach().clone() for p in trainer.model_unwrapped.parameters()]
    with pytest.raises(TrainingError, match="Update 1 was stopped.*gradient norm is (inf|nan)"):
        trainer.train()
    assert (tmp_path / "broken-update-1.rank0.jsonl").exists()
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.model_unwrapped.parameters(), strict=True))


def test_a_loss_broken_on_one_rank_ends_both_at_once_and_is_not_saved(
    run_recipe: Callable[..., ToyRun], toy_recipe: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "breaking.py").write_text((PROJECT / "train.py").read_text() + BREAKS_ON_RANK_1)
    toy_recipe.update(SMALL, type="breaking", code=str(tmp_path / "breaking.py"), exit_iteration=4)
    toy_recipe["checkpoint"] = run_checkpoint(tmp_path / "runs", save_every_n_steps=1)
    run = run_recipe(toy_recipe, ranks=2)
    dump = tmp_path / "broken-update-2.rank1.jsonl"
    assert run.code != 0 and time.time() - dump.stat().st_mtime < 60
    # The launcher ends the ranks that are left once the first has told its error.
    message = f"Update 2 was stopped, and nothing of it saved: the loss is nan on rank 1, see '{dump}'"
    assert f"TrainingError: {message}" in run.output, run.output[-3000:]
    assert RunFolder(tmp_path / "runs" / "run_1").steps() == [1]


def test_a_run_without_any_spread_stops_after_the_steps_it_was_given(trainer_factory: Callable[..., Any]) -> None:
    # the random model writes no SQL, so execution pays it nothing
    trainer = trainer_factory(guards=dict(abort_after=3), exit_iteration=9, **SMALL)
    with pytest.raises(TrainingError, match="stopped after update 3: for 3 steps in a row every group's rewards"):
        trainer.train()
    assert len(read_json_log(trainer.config.train_log_metrics_path)) == 3


def test_a_collapse_that_lasts_restores_the_best_weights_a_few_times_and_then_ends(
    trainer_factory: Callable[..., Any], toy_recipe: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = [few_questions(tmp_path, 4)]
    data = {**toy_recipe["data"], "sources": questions, "eval_sources": questions}
    checkpoint = run_checkpoint(tmp_path / "runs", save_every_n_steps=1)
    recipe = dict(data=data, checkpoint=checkpoint, eval_interval=1, rewards=["toy_rewards:share_of_letter_e"])
    trainer = trainer_factory(guards=dict(rollback=True), exit_iteration=3, epochs=3, **recipe, **SMALL)
    trainer.train()
    adapter = next(p for name, p in trainer.model_unwrapped.named_parameters() if "lora_B" in name)
    last = adapter.detach().clone()
    for number in (1, 2, 3):
        collapse(trainer)
        trainer.guards.act()
        assert (
            f"weights of update 1 were restored (execution accuracy 0.000; rollback {number}"
            in capsys.readouterr().out
        )
        assert not torch.equal(adapter, last) and trainer.global_step == 3
        trainer.guards.act()  # the alarm is over, nothing more happens
    collapse(trainer)
    with pytest.raises(TrainingError, match="restored 3 times, and again KL to the reference"):
        trainer.guards.act()


def collapse(trainer: Any) -> None:
    """Sixteen steps far from the reference: an alarm at the fifth that has lasted more than ten."""
    for _ in range(16):
        trainer.guards.check(dict(kl=3.0, equal_groups=0.5))


def test_a_resumed_run_remembers_what_its_alarms_have_seen(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    evaluation = evaluation_row(dict(execution_accuracy=0.5), step=2, epoch=0)
    append_json_lines(log, [dict(iter=1, equal_groups=0.5), dict(iter=2, equal_groups=1.0), evaluation, dict(iter=3)])
    guards = Guards(SimpleNamespace(config=None))
    guards.replay(log)
    assert guards.alarms.flat_steps == 2
