# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""The trainer with an engine that samples elsewhere: the adapter follows every update, its samples are weighted.

The server is a stand-in that draws from 8 words whatever the adapter; a real vLLM trains in `tests/vllm/`.
"""

import math
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.losses import OBJECTIVES
from arctic_text2sql_r1.rollout.base import Rollout
from arctic_text2sql_r1.training.updates import training_rows
from arctic_text2sql_r1.types import Completion
from arctic_text2sql_r1.types import Text2SQLExample
from tests.rollout.fake_vllm import FakeVLLM

EXAMPLE = Text2SQLExample("1", db_id="db", question="?", gold_sql="SELECT 1", db_path="")


@pytest.fixture
def fake_vllm() -> Iterator[FakeVLLM]:
    """A server of the test's own."""
    server = FakeVLLM()
    yield server
    server.close()


def rolled_out(trainer: Any) -> tuple[Rollout, torch.Tensor, torch.Tensor]:
    """One rollout of the trainer's first batch with made-up advantages that differ within every group."""
    rollout = trainer.generate_candidates(next(iter(trainer.train_dataloader)))
    count = len(rollout.completions)
    advantages = torch.tensor([(-1.0) ** index * (1 + index % 3) for index in range(count)])
    return rollout, advantages, torch.ones(count, dtype=torch.bool)


@pytest.mark.slow
def test_every_rollout_is_sampled_from_the_adapter_of_that_moment(
    trainer_factory: Callable[..., Any], fake_vllm: FakeVLLM, tmp_path: Path
) -> None:
    trainer = trainer_factory(rollout=dict(engine="vllm", url=fake_vllm.url))
    for updates in range(2):
        statistics = trainer.update_policy(*rolled_out(trainer))
        (folder,) = fake_vllm.adapters.values()
        assert Path(folder).name.startswith(f"update-{updates}-")
        assert Path(folder).parent == tmp_path / "rollout-adapter"
        assert fake_vllm.completions_asked[-1]["model"] == Path(folder).name
    figures = statistics.reduced(trainer.device)
    assert {"importance_mean", "importance_max", "importance_capped", "sampler_distance"} <= set(figures)


# The trainer's probabilities are 1.5 times the sampler's; with a cap of 1.2 every token counts 1.2 times.
@pytest.mark.slow
def test_samples_of_another_program_are_weighted_up_to_the_cap(
    trainer_factory: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_factory(objective=dict(preset="grpo", importance_cap=1.2), kl_coef=0.0, inner_epochs=1)
    rollout, advantages, keep = rolled_out(trainer)
    completions = [
        replace(c, logprobs=tuple(value - math.log(1.5) for value in c.logprobs)) for c in rollout.completions
    ]
    trainer.optimizer.param_groups[0]["lr"] = 0.0
    alike = trainer.update_policy(rollout, advantages, keep)
    monkeypatch.setattr(type(trainer.engine), "samples_elsewhere", True)
    weighted = trainer.update_policy(replace(rollout, completions=completions), advantages, keep)
    figures = weighted.reduced(trainer.device)
    assert figures["importance_mean"] == pytest.approx(1.5, rel=1e-3)
    assert figures["importance_max"] == pytest.approx(1.5, rel=1e-3)
    assert figures["importance_capped"] == 1.0
    assert figures["sampler_distance"] == pytest.approx(math.log(1.5), rel=1e-3)
    assert weighted.grad_norm == pytest.approx(1.2 * alike.grad_norm, rel=1e-3)
    assert "importance_mean" not in alike.reduced(trainer.device)


def test_rows_of_an_engine_that_samples_elsewhere_need_logprobs() -> None:
    completion = Completion(text="w3", token_ids=(3, 1), logprobs=(-0.5,))
    rollout = Rollout(examples=[EXAMPLE], prompts=[[5]], completions=[completion], group_ids=[0])
    arguments = (rollout, torch.zeros(1), torch.ones(1, dtype=torch.bool), OBJECTIVES["grpo"])
    assert training_rows(*arguments)[0].sampler_logprobs is None
    with pytest.raises(ValueError, match="left out log-probabilities"):
        training_rows(*arguments, sampled_elsewhere=True)
