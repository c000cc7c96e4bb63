# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""What a run finds out about its memory before the first update, and that finding it out changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from arctic_text2sql_r1.errors import TrainingError
from arctic_text2sql_r1.training import memory
from arctic_text2sql_r1.training.memory import activation_bytes_per_token
from arctic_text2sql_r1.training.memory import largest_rows
from arctic_text2sql_r1.training.memory import prepare_memory
from arctic_text2sql_r1.training.memory import probe
from tests.arctic.test_real_engine import one_update

pytestmark = pytest.mark.slow

STAGES = {stage: dict(deepspeed=dict(zero_optimization=dict(stage=stage))) for stage in (2, 3)}


def recomputes(trainer: Any) -> bool:
    return any(getattr(module, "gradient_checkpointing", False) for module in trainer.model_unwrapped.modules())


@pytest.mark.parametrize("stage", STAGES)
def test_probing_and_recomputing_leave_the_update_as_it_is(trainer_factory: Callable[..., Any], stage: int) -> None:
    plain = one_update(trainer_factory(kl_coef=0.1, **STAGES[stage]))
    trainer = trainer_factory(kl_coef=0.1, **STAGES[stage])
    memory.set_checkpointing(trainer.model_unwrapped, wanted=True)
    before = torch.get_rng_state()
    probe(trainer.learner, trainer.learner.pack(largest_rows(trainer.config, trainer.learner.split)))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in trainer.model_unwrapped.parameters())
    probed = one_update(trainer)
    assert recomputes(trainer)
    assert probed.grad_norm == pytest.approx(plain.grad_norm, rel=1e-5)
    torch.testing.assert_close(probed.first_moment, plain.first_moment, rtol=1e-4, atol=1e-9)


def test_out_of_memory_names_the_settings_to_lower(
    trainer_factory: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_factory()
    batch = trainer.learner.pack(largest_rows(trainer.config, trainer.learner.split))

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(memory, "score_rows", full)
    with pytest.raises(TrainingError, match=f"{batch.tokens} tokens.* tokens_per_micro_batch.*max_new_tokens"):
        probe(trainer.learner, batch)


def test_the_largest_micro_batch_is_as_large_as_the_recipe_permits(trainer_factory: Callable[..., Any]) -> None:
    # Prompts of 64 - 16 = 48 tokens with four completions of 16, of which 15 are read: 108 tokens a group.
    trainer = trainer_factory()
    trainer.config.data.max_length = 64
    for budget, tokens in ((300, 2 * 108), (100_000, 8 * 108), (80, 48 + 2 * 15), (10, 48 + 15)):
        trainer.config.tokens_per_micro_batch = budget
        assert trainer.learner.pack(largest_rows(trainer.config, trainer.learner.split)).tokens == tokens


def test_activations_are_measured_on_a_small_scale(trainer_factory: Callable[..., Any]) -> None:
    learner = trainer_factory().learner
    rows = largest_rows(learner.config, learner.split)
    batch = learner.pack(rows)
    found = memory._kept_bytes(learner, batch)
    assert batch.tokens > 4 * memory.MEASURED_TOKENS
    assert activation_bytes_per_token(learner, rows) * batch.tokens == pytest.approx(found, rel=0.15)


def test_activations_of_a_thousand_short_groups_can_be_measured(trainer_factory: Callable[..., Any]) -> None:
    learner = trainer_factory().learner
    config = learner.config
    config.data.max_length = 64
    few = activation_bytes_per_token(learner, largest_rows(config, learner.split))
    config.micro_batch_size, config.tokens_per_micro_batch = 1000, 100_000
    assert activation_bytes_per_token(learner, largest_rows(config, learner.split)) == pytest.approx(few, rel=0.15)


def test_layers_are_recomputed_only_where_memory_is_short_or_the_recipe_says_so(
    trainer_factory: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_factory()
    assert not recomputes(trainer)
    monkeypatch.setattr(memory, "_usable_bytes", lambda learner: 1e6)
    assert "gradient checkpointing on: without it" in prepare_memory(trainer.learner)
    assert recomputes(trainer)
    trainer.config.model.disable_activation_checkpoint = True  # a field that was set is the recipe's own
    assert "gradient checkpointing off: as the recipe says" in prepare_memory(trainer.learner)
    assert not recomputes(trainer)
